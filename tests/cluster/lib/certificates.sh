# The cluster's certificates and kubeconfigs; sourced. Uses $dir and $api_url.

pki() { echo "$dir/pki/$1"; }

# authority NAME: a self-signed authority, ten years.
authority() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=tidemill-test-$1" \
    -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature \
    -keyout "$(pki "$1.key")" -out "$(pki "$1.crt")" 2>/dev/null
}

# certificate NAME AUTHORITY SUBJECT [ALTERNATIVE NAMES]
certificate() {
  local name=$1 authority=$2 subject=$3 names=${4:-}
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "$subject" \
    -keyout "$(pki "$name.key")" -out "$(pki "$name.csr")" 2>/dev/null
  {
    echo "keyUsage=critical,digitalSignature,keyEncipherment"
    echo "extendedKeyUsage=clientAuth,serverAuth"
    [ -z "$names" ] || echo "subjectAltName=$names"
  } >"$(pki "$name.ext")"
  openssl x509 -req -in "$(pki "$name.csr")" -CA "$(pki "$authority.crt")" -CAkey "$(pki "$authority.key")" \
    -CAcreateserial -days 3650 -extfile "$(pki "$name.ext")" -out "$(pki "$name.crt")" 2>/dev/null
  rm "$(pki "$name.csr")" "$(pki "$name.ext")"
}

# kubeconfig NAME: for the client certificate of that name; prints its path.
kubeconfig() {
  local name=$1 file=$dir/$1.kubeconfig
  cat >"$file" <<YAML
apiVersion: v1
kind: Config
current-context: tidemill-test
clusters:
- name: tidemill-test
  cluster:
    server: $api_url
    certificate-authority-data: $(base64 -w0 "$(pki ca.crt)")
users:
- name: $name
  user:
    client-certificate-data: $(base64 -w0 "$(pki "$name.crt")")
    client-key-data: $(base64 -w0 "$(pki "$name.key")")
contexts:
- name: tidemill-test
  context: {cluster: tidemill-test, user: $name}
YAML
  chmod 600 "$file"
  echo "$file"
}

# control_plane_certificates HOST...: the authorities, the API server's names, and one identity a component.
control_plane_certificates() {
  local names="DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:$api_service_ip" host
  for host in "$@"; do names+=",IP:$host"; done
  mkdir -p "$dir/pki"
  authority ca
  authority front-proxy-ca
  openssl ecparam -name prime256v1 -genkey -noout -out "$(pki service-account.key)"
  openssl ec -in "$(pki service-account.key)" -pubout -out "$(pki service-account.pub)" 2>/dev/null
  certificate apiserver ca "/CN=kube-apiserver" "$names"
  certificate apiserver-kubelet-client ca "/O=system:masters/CN=kube-apiserver-kubelet-client"
  certificate front-proxy-client front-proxy-ca "/CN=front-proxy-client"
  certificate admin ca "/O=system:masters/CN=admin"
  certificate controller-manager ca "/CN=system:kube-controller-manager"
  certificate scheduler ca "/CN=system:kube-scheduler"
}
