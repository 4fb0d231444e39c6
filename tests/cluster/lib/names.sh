# CoreDNS as a process beside the cluster, and the names that the seed uses; sourced.

start_dns() {
  cat >"$dir/Corefile" <<COREFILE
.:53 {
  bind $node_ip
  errors
  # Where an Ingress would be: the name leads to the Service that the chart makes.
  rewrite name exact devops-demo.k8s.local devops-demo.kube-ops.svc.cluster.local
  hosts {
    $registry_ip harbor.k8s.local
    $git_ip git.k8s.local gitee.com
    $mirror_registry_ip mirror.baidubce.com
    $mirrors_ip mirrors.ustc.edu.cn goproxy.cn
    fallthrough
  }
  kubernetes cluster.local in-addr.arpa {
    kubeconfig $(kubeconfig admin)
    ttl 0
  }
}
COREFILE
  start_daemon coredns "$("$tree/deploy/tools/coredns")" -conf "$dir/Corefile"
  wait_for coredns 60 dns_answers
}

dns_answers() { python3 -c 'import socket, sys; socket.create_connection((sys.argv[1], 53), 1)' "$node_ip"; }
