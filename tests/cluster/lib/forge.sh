# The servers behind the names that the seed uses, as pods, and the identities they and their clients have; sourced.

# In trust/: made once, since images carry the authority.
make_trust() {
  local trust=$dir/trust names name
  [ ! -s "$trust/complete" ] || return 0
  rm -rf "$trust"
  mkdir -p -m 0700 "$trust"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=tidemill-test-names" \
    -addext keyUsage=critical,keyCertSign -keyout "$trust/ca.key" -out "$trust/ca.crt" 2>/dev/null
  for name in goproxy.cn mirrors.ustc.edu.cn mirror.baidubce.com harbor.k8s.local git.k8s.local; do names+=${names:+,}DNS:$name; done
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=mirrors" \
    -keyout "$trust/tls.key" -out "$trust/tls.csr" 2>/dev/null
  openssl x509 -req -in "$trust/tls.csr" -CA "$trust/ca.crt" -CAkey "$trust/ca.key" -CAcreateserial -days 3650 \
    -extfile <(echo "subjectAltName=$names") -out "$trust/tls.crt" 2>/dev/null
  ssh-keygen -q -t ed25519 -N '' -C forge -f "$trust/ssh_host_ed25519_key"
  ssh-keygen -q -t ed25519 -N '' -C client -f "$trust/id_ed25519"
  cp "$trust/id_ed25519.pub" "$trust/authorized_keys"
  echo "gitee.com $(cut -d' ' -f1,2 "$trust/ssh_host_ed25519_key.pub")" >"$trust/known_hosts"
  echo "$git_user:$git_password" >"$trust/git-users"
  htpasswd -Bbn "$registry_user" "$registry_password" >"$trust/registry-users"
  touch "$trust/complete"
  echo 1 >"$trust/complete"
}

start_forge() {
  local each files=()
  for each in tls.crt tls.key ssh_host_ed25519_key authorized_keys git-users registry-users; do
    files+=("--from-file=$each=$dir/trust/$each")
  done
  kubectl_cluster create namespace forge --dry-run=client -o yaml | kubectl_cluster apply --server-side -f - >/dev/null
  kubectl_cluster create secret generic forge --namespace forge "${files[@]}" --dry-run=client -o yaml |
    kubectl_cluster apply --server-side -f - >/dev/null
  kubectl_cluster apply --server-side --force-conflicts -f "$here/manifests/forge.yaml" >/dev/null
  wait_for forge 60 kubectl_cluster rollout status deployment --namespace forge --timeout 50s
}

# The mirror of Docker Hub holds what the demo's Dockerfile begins with.
fill_mirror() {
  local image=docker.io/library/alpine:latest
  import_image alpine
  wait_for forge 20 ctr_cluster images push --skip-verify "$mirror_registry_ip/library/alpine:latest" "$image"
}
