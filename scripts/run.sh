#!/bin/sh
# Runs a TypeScript file of the project with the right Node, from the project's folder: scripts/run.sh FILE.ts [ARG...]
# The npm scripts go through here, because npm itself may run on an older Node. Sets the project up where needed.
self=$0
case $self in */*) ;; *) self=./$self ;; esac
cd "${self%/*}/.." || exit 69
root=$PWD
. scripts/ready.sh
make_ready
PATH=${node%/*}:$root/node_modules/.bin:$PATH
export PATH
exec "$node" --disable-warning=ExperimentalWarning "$@"
