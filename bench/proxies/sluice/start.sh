#!/bin/bash
# Sluice.  SLUICE_BIN: binary.  SLUICE_LOOP: epoll, uring or auto.
set -e
BIN=${SLUICE_BIN:-$(dirname "$0")/../../../out/sluice}; mkdir -p "$RUN"
route() { echo "  - {name: r$1, match: {path: $2}, to: up}"; }
LOG=off POLICIES= UPSTREAM="endpoints: [\"127.0.0.1:$UP_PORT\"]"
case "$SCEN" in
work)
  LOG=$RUN/access.log ROUTES=$(route 0 '"/*"')
  POLICIES="global_policies:
  - request_id: {}
  - forwarded: {rfc7239: true}
  - headers: {request: {set: {x-team: edge}}, response: {set: {x-gateway: bench}, remove: [server]}}" ;;
h2up) UPSTREAM="protocol: http2, endpoints: [\"127.0.0.1:$UP_H2_PORT\"]" ROUTES=$(route 0 '"/*"') ;;
routes-prefix-*) N=${SCEN##*-}; ROUTES=$(for i in $(seq 0 $((N-1))); do route "$i" "\"/r$i/*\""; done) ;;
routes-exact-*) N=${SCEN##*-}; ROUTES=$(for i in $(seq 0 $((N-1))); do route "$i" "\"/r$i/x\""; done) ;;
routes-template-*) N=${SCEN##*-}; ROUTES=$(for i in $(seq 0 $((N-1))); do route "$i" "\"/r$i/{id}\""; done) ;;
routes-regex-*)  N=${SCEN##*-}; ROUTES=$(for i in $(seq 0 $((N-1))); do route "$i" "{regex: \"/r$i/[^/]+\"}"; done) ;;
*) ROUTES=$(route 0 '"/*"') ;;
esac
cat > "$RUN/gateway.yaml" <<EOC
listeners:
  - {name: bench, bind: "127.0.0.1:$HTTP_PORT"}
  - {name: secure, bind: "127.0.0.1:$HTTPS_PORT", tls: {certificates: [{cert: "$CERT", key: "$KEY"}]}}
admin: {bind: "127.0.0.1:$((HTTP_PORT + 1000))"}
access_log: {to: "$LOG"}
drain_delay: 0s
$POLICIES
drain_timeout: 1s
limits: {max_connections: 15000}
upstreams: {up: {$UPSTREAM}}
routes:
$ROUTES
EOC
# What reload.sh puts in place by turns: made beforehand, for nothing but the gateway should work while it is measured.
sed "s/^drain_timeout:.*/drain_timeout: 2s/" "$RUN/gateway.yaml" > "$RUN/other.yaml"
exec "$BIN" run "$RUN/gateway.yaml" --workers "$WORKERS" --loop "${SLUICE_LOOP:-auto}"
