# Making images from the machine's own programs, without an engine and without pulling; sourced. Uses $dir.
#
# An image is a folder below images/ with `make ROOT`, which fills the file system, and `image.json`, its names and
# its configuration. It is made again only when that folder or what it is made from changed; containerd keeps it.

# new_root ROOT: the folders and files that any program expects.
new_root() {
  local root=$1
  mkdir -p "$root"/{bin,etc/ssl/certs,home,lib64,proc,root,run,sys,tmp,usr/bin,var/tmp,dev}
  chmod 1777 "$root/tmp" "$root/var/tmp"
  printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$root/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
  printf 'hosts: files dns\npasswd: files\ngroup: files\n' >"$root/etc/nsswitch.conf"
}

# add_busybox ROOT: busybox under all of its names. Debian's package is unpacked, not installed, as the machine may have
# another. (Its wget ends with a fault when it is given -T.)
add_busybox() {
  local root=$1 unpacked=$dir/images/busybox.package applet
  if [ ! -x "$unpacked/bin/busybox" ]; then
    mkdir -p "$unpacked"
    (cd "$unpacked" && apt-get download -qq busybox 2>/dev/null && dpkg --extract busybox_*.deb .)
  fi
  add_programs "$unpacked/closure" "$unpacked/bin/busybox"
  cp -a "$unpacked/closure$unpacked/bin/busybox" "$root/bin/busybox"
  cp -a "$unpacked/closure/lib" "$unpacked/closure/lib64" "$root/"
  for applet in $("$unpacked/bin/busybox" --list); do
    [ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"
  done
  ln -sf ../../bin/env "$root/usr/bin/env"
}

# add_programs ROOT PATH...: files at their own paths, with the shared libraries they need.
add_programs() {
  local root=$1 path library
  shift
  for path in "$@"; do
    mkdir -p "$root$(dirname "$path")"
    cp -L "$path" "$root$path"
    # A static program has none.
    { ldd "$path" 2>/dev/null | grep -oE '/[^ ]+\.so[^ ]*' || true; } | while read -r library; do
      [ -e "$root$library" ] || { mkdir -p "$root$(dirname "$library")" && cp -L "$library" "$root$library"; }
    done
  done
}

# add_trust ROOT: the certificate authority of the test beside those of the machine.
add_trust() {
  cat /etc/ssl/certs/ca-certificates.crt "$dir/trust/ca.crt" >"$1/etc/ssl/certs/ca-certificates.crt"
}

# pack ROOT IMAGE.JSON ARCHIVE: the archive that `docker load` and `ctr images import` take.
pack() {
  local root=$1 description=$2 archive=$3 work=$3.parts
  rm -rf "$work"
  mkdir -p "$work"
  tar --create --directory "$root" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --file "$work/layer.tar" .
  python3 - "$description" "$work" "$(sha256sum "$work/layer.tar" | cut -d' ' -f1)" <<'PYTHON'
import json, sys
description, work, layer = sys.argv[1:]
image = json.load(open(description))
config = {"architecture": "amd64", "os": "linux", "created": "1970-01-01T00:00:00Z", "config": image.get("config", {}),
          "rootfs": {"type": "layers", "diff_ids": ["sha256:" + layer]}, "history": [{"created": "1970-01-01T00:00:00Z"}]}
json.dump(config, open(work + "/config.json", "w"))
json.dump([{"Config": "config.json", "RepoTags": image["names"], "Layers": ["layer.tar"]}], open(work + "/manifest.json", "w"))
PYTHON
  tar --create --directory "$work" --file "$archive.partial" config.json manifest.json layer.tar
  rm -rf "$work"
  mv "$archive.partial" "$archive"
}

# image_key NAME: changes with whatever goes into the image.
image_key() {
  {
    # Counted up when the functions here change what they make.
    echo 2
    cat "$here/images/$1"/* "$here/images/git/make" "$tree/deploy/tools/helm" "$dir/trust/ca.crt"
    case $1 in
      tidemill) cat "$TIDEMILL_PROGRAMS/tidemill" "$TIDEMILL_PROGRAMS/tidemill-step" ;;
      nats) cat "$TIDEMILL_NATS_SERVER" ;;
    esac
    dpkg-query --show docker.io containerd runc git openssh-server lighttpd docker-registry busybox-static 2>/dev/null || true
  } | sha256sum | cut -d' ' -f1
}

# build_image NAME ARCHIVE: made anew.
build_image() {
  local name=$1 archive=$2 root=$dir/images/$1.root
  rm -rf "$root" "$archive"*
  new_root "$root"
  (. "$here/images/$name/make" "$root") >&2
  pack "$root" "$here/images/$name/image.json" "$archive"
  rm -rf "$root"
}

# make_image NAME: prints the path of its archive, which is kept, beside a file with its key; made when it is not as it
# should be.
make_image() {
  local name=$1 key archive=$dir/images/$1.tar
  key=$(image_key "$name")
  if [ "$(cat "$archive.key" 2>/dev/null)" != "$key" ] || [ ! -e "$archive" ]; then
    build_image "$name" "$archive"
    echo "$key" >"$archive.key"
  fi
  echo "$archive"
}

# import_image NAME: makes the image and brings it into the node's containerd, when it is not there as it should be.
import_image() {
  local name=$1 key archive=$dir/images/$1.tar mark=$dir/containerd/imported.$1
  key=$(image_key "$name")
  [ "$(cat "$mark" 2>/dev/null)" != "$key" ] || return 0
  build_image "$name" "$archive"
  ctr_cluster images import --snapshotter overlayfs "$archive" >/dev/null
  rm -f "$archive"
  echo "$key" >"$mark"
}
