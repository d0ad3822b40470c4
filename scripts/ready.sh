# Sourced with the project's folder in $root. `make_ready` leaves in $node the Node to run, after it set the
# project up where that was needed. When all is in place it uses the shell's own tests only and starts no process.
#
#   node_modules/.earshot-stamp   SHA-256 of the package-lock.json that is installed, with the file time of it
#   .node/node, .node/VERSION     the project's own Node, brought in when the host's is too old
#   .node/host                    otherwise the path of the host's Node, with the file time of it

node_major=24
node_version=24.21.0
node_integrity_x64=sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==
node_integrity_arm64=sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==

# Same file time: an installed copy of that file, whichever of the two is the newer one.
same_time() { [ -f "$1" ] && [ -f "$2" ] && ! [ "$1" -nt "$2" ] && ! [ "$1" -ot "$2" ]; }

pick_node() {
  if [ -f "$root/.node/host" ]; then
    read -r node <"$root/.node/host" && [ -x "$node" ] && same_time "$node" "$root/.node/host"
  else
    node=$root/.node/node
    [ -x "$node" ] && [ -f "$root/.node/VERSION" ] && read -r version <"$root/.node/VERSION" && [ "$version" = "$node_version" ]
  fi
}

make_ready() {
  pick_node && same_time "$root/package-lock.json" "$root/node_modules/.earshot-stamp" && return
  sh "$root/scripts/setup.sh" >&2 || exit $?
  pick_node || {
    echo "Cannot start Earshot: the set-up ended without a Node to run. Delete the folder .node and start again." >&2
    exit 69
  }
}
