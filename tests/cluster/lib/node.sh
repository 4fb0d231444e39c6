# The one node: its bridge, containerd, kubelet, kube-proxy; sourced. Uses $dir, $kubernetes, $api_url.

# The bridge that pods hang on carries the node's address, so that nothing of the cluster needs a real interface.
start_bridge() {
  if ! ip link show "$bridge" >/dev/null 2>&1; then
    ip link add "$bridge" type bridge
    ip address add "$node_ip/${pod_subnet#*/}" dev "$bridge"
    ip link set "$bridge" up
  fi
  echo 1 >/proc/sys/net/ipv4/ip_forward
  # Between pods of one bridge a Service's address is translated only where bridged packets meet iptables.
  [ ! -e /proc/sys/net/bridge/bridge-nf-call-iptables ] || echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables
  # An engine of containers on the same machine may have set the policy of FORWARD to DROP.
  forward_rules --check 2>/dev/null || forward_rules --insert
}

forward_rules() {
  iptables -w "$1" FORWARD -i "$bridge" -o "$bridge" -j ACCEPT
}

stop_bridge() {
  while forward_rules --delete 2>/dev/null; do :; done
  ip link delete "$bridge" 2>/dev/null || true
}

write_cni() {
  mkdir -p "$dir/cni"
  cat >"$dir/cni/10-bridge.conflist" <<JSON
{
  "cniVersion": "0.4.0", "name": "tidemill-test",
  "plugins": [
    {"type": "bridge", "bridge": "$bridge", "hairpinMode": true,
     "ipam": {"type": "host-local", "dataDir": "$dir/ipam", "routes": [{"dst": "0.0.0.0/0", "gw": "$node_ip"}],
              "ranges": [[{"subnet": "$pod_subnet", "rangeStart": "$pod_range_start", "gateway": "$node_ip"}]]}},
    {"type": "portmap", "capabilities": {"portMappings": true}},
    {"type": "loopback"}
  ]
}
JSON
}

write_containerd() {
  mkdir -p "$dir/containerd" "$dir/registries"
  cat >"$dir/containerd.toml" <<TOML
version = 2
root = "$dir/containerd/root"
state = "$dir/containerd/state"
oom_score = 0
[grpc]
  address = "$dir/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "tidemill.test/pause:1"
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$dir/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runc"
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "$dir/registries"
$(registry_credentials)
TOML
}

# The node pulls from the registry of the test with credentials of its own, as nodes beside a Harbor do.
registry_credentials() {
  cat <<TOML
  [plugins."io.containerd.grpc.v1.cri".registry.configs."$registry_ip".auth]
    username = "$registry_user"
    password = "$registry_password"
TOML
  mkdir -p "$dir/registries/harbor.k8s.local"
  cat >"$dir/registries/harbor.k8s.local/hosts.toml" <<TOML
server = "http://$registry_ip"
[host."http://$registry_ip"]
  capabilities = ["pull", "resolve"]
TOML
}

start_containerd() {
  write_cni
  write_containerd
  start_daemon containerd containerd --config "$dir/containerd.toml"
  wait_for containerd 30 ctr_cluster version
  wait_for containerd 30 cri_answers
}

# What kubelet speaks with is there a moment later, and kubelet ends where it is not. An error has no body.
cri_answers() {
  local bytes
  bytes=$(printf '\0\0\0\0\0' | curl -s --http2-prior-knowledge --unix-socket "$dir/containerd.sock" \
    -H 'Content-Type: application/grpc' -H 'TE: trailers' --data-binary @- -o /dev/null -w '%{size_download}' \
    http://localhost/runtime.v1.RuntimeService/Version)
  [ "$bytes" -gt 0 ]
}

ctr_cluster() { ctr --address "$dir/containerd.sock" --namespace k8s.io "$@"; }

start_kubelet() {
  certificate kubelet ca "/O=system:nodes/CN=system:node:$node_name" "IP:$node_ip,DNS:$node_name"
  : >"$dir/resolv.conf"
  cat >"$dir/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $node_ip
port: 10250
healthzPort: 0
tlsCertFile: $(pki kubelet.crt)
tlsPrivateKeyFile: $(pki kubelet.key)
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $(pki ca.crt)}}
authorization: {mode: Webhook}
clusterDNS: [$dns_service_ip]
clusterDomain: cluster.local
resolvConf: $dir/resolv.conf
containerRuntimeEndpoint: unix://$dir/containerd.sock
podLogsDir: $dir/pod-logs
staticPodPath: ""
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
oomScoreAdj: 0
evictionHard: {memory.available: "0%", nodefs.available: "0%", imagefs.available: "0%"}
imageGCHighThresholdPercent: 100
imageMinimumGCAge: 1000h
serializeImagePulls: false
registryPullQPS: 0
eventRecordQPS: 0
kubeAPIQPS: 500
kubeAPIBurst: 500
maxPods: 250
localStorageCapacityIsolation: false
YAML
  start_daemon kubelet "$kubernetes/kubelet" --config "$dir/kubelet.yaml" --kubeconfig "$(kubeconfig kubelet)" \
    --root-dir "$dir/kubelet" --cert-dir "$dir/pki" --hostname-override "$node_name" --node-ip "$node_ip"
}

node_is_ready() {
  [ "$(kubectl_cluster get node "$node_name" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')" = True ]
}

kubectl_cluster() { "$kubernetes/kubectl" --kubeconfig "$dir/kubeconfig" "$@"; }

start_kube_proxy() {
  certificate kube-proxy ca "/CN=system:kube-proxy"
  cat >"$dir/kube-proxy.new" <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $(kubeconfig kube-proxy)}
hostnameOverride: $node_name
mode: iptables
clusterCIDR: $pod_subnet
healthzBindAddress: $node_ip:10256
metricsBindAddress: 127.0.0.1:10249
oomScoreAdj: 0
conntrack: {maxPerCore: 0}
iptables: {minSyncPeriod: 100ms}
YAML
  # It ends when its configuration is written, be it with the same: the next line would take it for one that runs.
  cmp -s "$dir/kube-proxy.new" "$dir/kube-proxy.yaml" || mv "$dir/kube-proxy.new" "$dir/kube-proxy.yaml"
  start_daemon kube-proxy "$kubernetes/kube-proxy" --config "$dir/kube-proxy.yaml"
  wait_for kube-proxy 30 curl -sf "http://$node_ip:10256/healthz"
}

# Containers outlive containerd: each has a shim, which recorded its pid and that of the container.
stop_containers() {
  local file pid bundles=$dir/containerd/state/io.containerd.runtime.v2.task/k8s.io
  for file in "$bundles"/*/init.pid; do
    [ -e "$file" ] || continue
    pid=$(cat "$file")
    # Of this cluster only if its root lies in our state: the number may belong to another process by now.
    if grep -qs "$bundles" "/proc/$pid/mountinfo" || grep -qs kubepods "/proc/$pid/cgroup"; then
      kill -KILL "$pid" 2>/dev/null || true
    fi
  done
  for file in "$bundles"/*/shim.pid; do
    [ -e "$file" ] || continue
    pid=$(cat "$file")
    if tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q "$dir/containerd.sock"; then
      kill -KILL "$pid" 2>/dev/null || true
    fi
  done
}

# What is mounted below the state, the deepest first.
unmount_all() {
  awk -v below="$dir/" 'index($5, below) == 1 {print $5}' /proc/self/mountinfo | sort -r | while read -r each; do
    umount -l "$(printf '%b' "$each")" 2>/dev/null || true
  done
}

# Network namespaces of pods are bound below /var/run/netns; each of ours still holds the bridge's peer.
remove_pod_networks() {
  local name
  for name in $(cd "$dir/ipam/tidemill-test" 2>/dev/null && cat ./10.* 2>/dev/null | tr -d '\r' | grep -E '^[0-9a-f]{64}$' || true); do
    rm -f "/var/lib/cni/results/tidemill-test-$name-eth0"
  done
  for name in $(ip link show master "$bridge" 2>/dev/null | sed -n 's/^[0-9]*: \(veth[^@]*\)@.*link-netns \(.*\)$/\2/p;s/^ .*link-netns \([^ ]*\).*/\1/p'); do
    ip netns delete "$name" 2>/dev/null || true
  done
}

remove_cgroups() {
  find /sys/fs/cgroup -depth -type d -path '*/kubepods*' -exec rmdir {} + 2>/dev/null || true
}
