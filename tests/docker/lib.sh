# What the tests on a Docker engine share; sourced. Images are those of the test cluster, made from the machine's own
# programs: nothing is pulled.
set -euo pipefail

tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# The cluster's scripts look for their images and their trust here.
here=$tree/tests/cluster
dir=${TIDEMILL_DOCKER_WORLD:-/var/tmp/tidemill-docker-world}
git_user=root git_password=admin321 registry_user=admin registry_password=Harbor12345
label=tidemill.dev/test=world

PATH=$PATH:/usr/sbin:/sbin
for each in images forge; do . "$here/lib/$each.sh"; done

say() { echo "docker: $*" >&2; }

# load_image NAME: into the engine, unless it is there as it should be.
load_image() {
  local archive loaded=$dir/loaded.$1
  archive=$(make_image "$1")
  if [ "$(cat "$loaded" 2>/dev/null)" != "$(cat "$archive.key") $(docker info --format '{{.ID}}')" ]; then
    docker load --quiet --input "$archive" >/dev/null
    echo "$(cat "$archive.key") $(docker info --format '{{.ID}}')" >"$loaded"
  fi
}

address_of() { docker inspect --format '{{.NetworkSettings.IPAddress}}' "$1"; }

# answers HOST PORT
answers() { python3 -c 'import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 1)' "$1" "$2" 2>/dev/null; }

# wait_for NAME SECONDS COMMAND...
wait_for() {
  local name=$1 until=$((SECONDS + $2))
  shift 2
  until "$@"; do
    [ $SECONDS -lt $until ] || { say "$name is not there in time"; return 1; }
    sleep 0.1
  done
}
