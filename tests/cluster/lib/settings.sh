# Addresses, folders and limits of the test cluster; sourced by the scripts beside it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tree=$(cd "$here/../.." && pwd)

# One full cluster a machine: its bridge, its iptables rules and its cgroups have one name each.
cluster_dir=${TIDEMILL_CLUSTER_DIR:-/var/lib/tidemill-cluster}
bridge=tmcluster0
node_name=node
node_ip=10.244.0.1
pod_subnet=10.244.0.0/16
# The first addresses of the bridge are left to the node.
pod_range_start=10.244.0.16
service_range=10.96.0.0/16
api_service_ip=10.96.0.1
dns_service_ip=10.96.0.10
api_port=6443

# Debian keeps some of the daemons where an ordinary user's PATH does not reach.
PATH=$PATH:/usr/sbin:/sbin

say() { echo "cluster: $*" >&2; }

# free_ports COUNT: ports of 127.0.0.1 that nobody listens on, all held at once so that they differ.
free_ports() {
  python3 - "$1" <<'PYTHON'
import socket, sys
held = [socket.socket() for _ in range(int(sys.argv[1]))]
for each in held:
    each.bind(("127.0.0.1", 0))
print(*(each.getsockname()[1] for each in held))
PYTHON
}

# part NAME COMMAND...: runs a part of the set-up and prints its seconds.
part() {
  local name=$1 before after
  shift
  before=$(date +%s%N)
  "$@"
  after=$(date +%s%N)
  say "$(printf '%-22s %5.1f s' "$name" "$(awk -v ns=$((after - before)) 'BEGIN {print ns / 1e9}')")"
}

# Addresses of Services that names outside Kubernetes are bound to; see names_of_the_seed in services.sh.
registry_ip=10.96.0.20
git_ip=10.96.0.21
mirror_registry_ip=10.96.0.22
mirrors_ip=10.96.0.23
# As the seed's Secrets have them.
registry_user=admin
registry_password=Harbor12345
git_user=root
git_password=admin321
# The pipeline this project was made for, beside the tree; where it is not, seed/equivalent serves.
seed=${TIDEMILL_SEED:-$tree/../shared/seed}
[ -e "$seed/pipelinerun.yaml" ] || seed=$here/seed/equivalent
