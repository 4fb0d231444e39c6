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

# borrow_engine: the one DOCKER_HOST names, else the tests' own, held until this shell ends.
borrow_engine() {
  [ -z "${DOCKER_HOST:-}" ] || return 0
  local engine=${TIDEMILL_DOCKER:-/var/tmp/tidemill-docker}
  mkdir -p "$engine"
  exec 7>"$engine/users"
  flock --shared 7
  DOCKER_HOST=$("$tree/deploy/tools/docker-engine" borrow 7>&-)
  export DOCKER_HOST
  borrowed=1
}

return_engine() {
  [ -n "${borrowed:-}" ] || return 0
  exec 7>&-
  "$tree/deploy/tools/docker-engine" return
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
