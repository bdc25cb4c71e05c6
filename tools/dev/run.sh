# ./dev run: the sample services and the gateway before them, in the foreground. Sourced by ./dev.

gateway_address=127.0.0.1:8080
secure_address=localhost:8443
admin_address=127.0.0.1:9900
samples=(users-1:7001 users-2:7002 payments:7003 messages:7004 greeter:7005)
declare -A started=() # process id -> name; only these are ever stopped

verb_run() {
  [ $# -eq 0 ] || die "run takes no arguments"
  need_packages "${build_packages[@]}" "${demo_packages[@]}" curl
  verb_build
  refuse_ports_in_use
  trap stop_all EXIT
  trap 'say; exit 0' INT TERM HUP
  local sample
  for sample in "${samples[@]}"; do
    start "${sample%:*}" out/demo-services --service "$sample"
  done
  start gateway out/sluice run demo/gateway.yaml
  local gateway=$!
  wait_until_ready "$gateway"
  introduce
  watch_over "$gateway"
}

# start NAME COMMAND...: in the background; the child ends with this shell even when the shell is killed.
start() {
  local name=$1 tie=()
  shift
  if command -v setpriv >/dev/null; then tie=(setpriv --pdeathsig TERM); fi
  "${tie[@]}" "$@" </dev/null &
  started[$!]=$name
}

refuse_ports_in_use() {
  local address port taken=()
  for address in "$gateway_address" "$secure_address" "$admin_address" "${samples[@]}"; do
    port=${address##*:}
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then taken+=("$port"); fi
  done
  [ ${#taken[@]} -eq 0 ] && return
  say "in use already: port ${taken[*]} on 127.0.0.1" >&2
  if command -v ss >/dev/null; then
    for port in "${taken[@]}"; do ss -Hltnp "sport = :$port" | sed 's/^/  /' >&2; done
  fi
  die "stop what listens there (another ./dev run?) and try again"
}

wait_until_ready() {
  local tries
  for ((tries = 0; tries < 100; tries++)); do
    if curl -fsS -o /dev/null "http://$admin_address/readyz" 2>/dev/null; then return; fi
    kill -0 "$1" 2>/dev/null || die "the gateway ended before it was ready; its message stands above"
    sleep 0.1
  done
  die "the gateway was not ready after 10 s (http://$admin_address/readyz)"
}

introduce() {
  cat <<TEXT

The gateway listens on http://$gateway_address and https://$secure_address, with a certificate of its own making
($certificate); its admin pages are on http://$admin_address (/metrics /healthz /readyz).
Behind it: users-1 :7001, users-2 :7002, payments :7003, messages :7004, greeter :7005 (gRPC). Its config is
demo/gateway.yaml: edit it now, a good change is live at once, a bad one is refused and reported here.

In another terminal:

  1 path routing    curl -s http://$gateway_address/payments/invoices/7
  2 host routing    curl -s -H 'host: messages.example.com' http://$gateway_address/inbox
  3 header added    curl -s http://$gateway_address/users/42 | grep -E 'path|x-team|x-request-id'
  4 redirect        curl -si http://$gateway_address/people/42
  5 a clear 404     curl -si http://$gateway_address/nowhere
  6 balancing       curl -s -o /dev/null -w '%header{x-served-by}\n' 'http://$gateway_address/users/[1-6]'
  7 https           curl -s --cacert $certificate https://$secure_address/users/42 | grep -E 'path|x-forwarded-proto'

Ctrl-C stops everything.

TEXT
}

# Waits for children. A sample service may end (kill one and watch the gateway go round it); the gateway may not.
watch_over() {
  local gateway=$1 status ended
  while [ ${#started[@]} -gt 0 ]; do
    status=0 ended=
    wait -n -p ended "${!started[@]}" || status=$?
    [ -n "$ended" ] || continue
    local name=${started[$ended]}
    unset "started[$ended]"
    [ "$ended" != "$gateway" ] || die "the gateway ended by itself with status $status; stopping the sample services"
    say "$name (process $ended) ended with status $status; the others keep running" >&2
  done
}

# The gateway is started last and may drain, so it is told first and the samples outlive it.
stop_all() {
  trap '' INT TERM HUP
  local id round
  for round in gateway sample; do
    for id in "${!started[@]}"; do
      if [ $round = sample ] || [ "${started[$id]}" = gateway ]; then end_process "$id"; fi
    done
  done
}

# end_process ID: SIGTERM, for the gateway SIGINT (so that it waits for no balancer to look away); SIGKILL after 15 s.
end_process() {
  local id=$1 tries signal=TERM
  [ "${started[$id]}" != gateway ] || signal=INT
  kill -"$signal" "$id" 2>/dev/null || true
  for ((tries = 0; tries < 150; tries++)); do
    kill -0 "$id" 2>/dev/null || break
    sleep 0.1
  done
  if kill -0 "$id" 2>/dev/null; then
    say "${started[$id]} (process $id) did not stop in 15 s: killed" >&2
    kill -KILL "$id"
  fi
  wait "$id" 2>/dev/null || true
  unset "started[$id]"
}
