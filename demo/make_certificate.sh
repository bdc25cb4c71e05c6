#!/bin/sh
# make_certificate.sh FOLDER: a certificate for localhost that signs itself, for the sample system's HTTPS: FOLDER/localhost.pem
# and its key beside it. One that holds for another month is left as it is; a running gateway takes a new one over at once.
set -eu

folder=${1:?make_certificate.sh wants the folder to write into}
days=365
renew_before_s=$((30 * 86400))

if [ -f "$folder/localhost.key" ] && openssl x509 -in "$folder/localhost.pem" -noout -checkend "$renew_before_s" >/dev/null 2>&1; then
  exit 0
fi
mkdir -p "$folder"
umask 077 # nobody else may ever read the key, not even while it is written
fresh=$(mktemp -d "$folder/.new.XXXXXX")
trap 'rm -rf "$fresh"' EXIT
if ! openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days "$days" -subj /CN=localhost \
  -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1' -addext extendedKeyUsage=serverAuth \
  -keyout "$fresh/localhost.key" -out "$fresh/localhost.pem" 2>"$fresh/said"; then
  cat "$fresh/said" >&2
  exit 1
fi
chmod 644 "$fresh/localhost.pem"
rm -f "$folder/localhost.pem" # two that do not fit may not be left by who is stopped here
mv "$fresh/localhost.key" "$folder/"
mv "$fresh/localhost.pem" "$folder/"
