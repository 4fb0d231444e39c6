# etcd, kube-apiserver and kube-controller-manager; sourced. Uses $dir, $kubernetes (the folder of the programs),
# $api_host, $api_port, $api_url.

start_etcd() {
  local ports client peer
  if ! is_running etcd; then
    ports=$(free_ports 2)
    client=http://127.0.0.1:${ports% *} peer=http://127.0.0.1:${ports#* }
    echo "$client" >"$dir/etcd.url"
    # Nothing here outlives a power cut, so nothing is synced.
    start_daemon etcd etcd --name test --data-dir "$dir/etcd" --unsafe-no-fsync --log-level warn \
      --quota-backend-bytes 2147483648 --listen-client-urls "$client" --advertise-client-urls "$client" \
      --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "test=$peer"
  fi
  wait_for etcd 30 curl -sf "$(cat "$dir/etcd.url")/health"
}

# start_apiserver [FLAG...]
start_apiserver() {
  start_daemon kube-apiserver "$kubernetes/kube-apiserver" \
    --etcd-servers "$(cat "$dir/etcd.url")" --bind-address "$api_host" --secure-port "$api_port" \
    --cert-dir "$dir/pki" --tls-cert-file "$(pki apiserver.crt)" --tls-private-key-file "$(pki apiserver.key)" \
    --client-ca-file "$(pki ca.crt)" --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
    --service-account-key-file "$(pki service-account.pub)" --service-account-signing-key-file "$(pki service-account.key)" \
    --service-account-issuer https://kubernetes.default.svc --service-cluster-ip-range "$service_range" \
    --kubelet-client-certificate "$(pki apiserver-kubelet-client.crt)" \
    --kubelet-client-key "$(pki apiserver-kubelet-client.key)" --kubelet-preferred-address-types InternalIP \
    --requestheader-client-ca-file "$(pki front-proxy-ca.crt)" --requestheader-allowed-names front-proxy-client \
    --requestheader-extra-headers-prefix X-Remote-Extra- --requestheader-group-headers X-Remote-Group \
    --requestheader-username-headers X-Remote-User --proxy-client-cert-file "$(pki front-proxy-client.crt)" \
    --proxy-client-key-file "$(pki front-proxy-client.key)" --allow-privileged --event-ttl 1h "$@"
  wait_for kube-apiserver 60 curl -sf --cacert "$(pki ca.crt)" --cert "$(pki admin.crt)" --key "$(pki admin.key)" "$api_url/readyz"
}

# start_controller_manager [FLAG...]
start_controller_manager() {
  local config
  config=$(kubeconfig controller-manager)
  start_daemon kube-controller-manager "$kubernetes/kube-controller-manager" \
    --kubeconfig "$config" --authentication-kubeconfig "$config" --authorization-kubeconfig "$config" \
    --bind-address 127.0.0.1 --secure-port "$(free_ports 1)" --cert-dir "$dir/pki" --leader-elect=false \
    --use-service-account-credentials --root-ca-file "$(pki ca.crt)" \
    --service-account-private-key-file "$(pki service-account.key)" \
    --cluster-signing-cert-file "$(pki ca.crt)" --cluster-signing-key-file "$(pki ca.key)" "$@"
}

start_scheduler() {
  local config
  config=$(kubeconfig scheduler)
  start_daemon kube-scheduler "$kubernetes/kube-scheduler" \
    --kubeconfig "$config" --authentication-kubeconfig "$config" --authorization-kubeconfig "$config" \
    --bind-address 127.0.0.1 --secure-port "$(free_ports 1)" --cert-dir "$dir/pki" --leader-elect=false
}

# The default ServiceAccount is made by a controller; before it exists no pod is admitted.
default_service_account_exists() {
  "$kubernetes/kubectl" --kubeconfig "$dir/kubeconfig" --namespace default get serviceaccount default
}

stop_control_plane() {
  local name
  for name in kube-scheduler kube-controller-manager kube-apiserver etcd; do kill_daemon "$name"; done
}
