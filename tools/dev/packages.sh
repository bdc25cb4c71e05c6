# Installs Debian packages a verb needs. Sourced by ./dev.

build_packages=(clang-19 lld-19 cmake ninja-build pkg-config libstdc++-12-dev libyaml-dev libre2-dev libfmt-dev
  libcli11-dev libxxhash-dev libmimalloc-dev libssl-dev libnghttp2-dev)
# node-llhttp: the C sources of a second HTTP/1 parser, compared with ours in fuzz targets.
test_packages=(libgtest-dev libgmock-dev libclang-rt-19-dev llvm-19 node-llhttp python3 python3-pytest python3-pytest-xdist python3-yaml
  python3-jsonschema python3-cryptography openssl curl faketime iproute2 nghttp2-client nghttp2-server python3-h2 python3-hpack
  python3-grpcio python3-websockets)
demo_packages=(openssl) # makes the sample system's certificate
lint_packages=(clang-format-19 clang-tidy-19 python3)
bench_packages=(nginx haproxy nghttp2-proxy nghttp2-server nghttp2-client liburing-dev g++ make openssl python3)

# need_packages NAME...: returns when all are installed; installs those that are not.
need_packages() {
  local missing=() name
  if ! command -v dpkg-query >/dev/null; then
    say "not a Debian system: taking it that these are installed in another way: $*"
    return
  fi
  for name in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return
  [ -z "${SLUICE_NO_INSTALL:-}" ] || die "missing packages: apt-get install ${missing[*]}"
  say "installing: ${missing[*]}"
  as_root true || die "installing packages needs root or sudo; as root run: apt-get install ${missing[*]}"
  install_packages "${missing[@]}"
}

# Keeps apt's output in a log and shows it only when apt fails.
install_packages() {
  local log status=0 held=
  log=$(mktemp)
  hold_back_servers && held=yes
  {
    apt_get update && apt_get install -y --no-install-recommends "$@"
  } >"$log" 2>&1 || status=$?
  [ -z "$held" ] || as_root rm -f /usr/sbin/policy-rc.d
  if [ $status -ne 0 ]; then
    tail -n 25 "$log" >&2
    die "apt-get failed; the whole output is in $log"
  fi
  rm -f "$log"
}

apt_get() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 "$@"; }

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    return 1
  fi
}

# Debian's servers start themselves on install; this forbids it for as long as the file stands (Debian policy 9.3.3.1).
# Succeeds only when the file is ours to remove.
hold_back_servers() {
  [ ! -e /usr/sbin/policy-rc.d ] || return 1
  printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null && as_root chmod 755 /usr/sbin/policy-rc.d
}
