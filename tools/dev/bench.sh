# ./dev bench [--quick] [--all] [--proxies A,B]: side by side with the peers and the limits of the machine. Sourced by ./dev.
#
# Quick: the small-body workload, few rounds. Default: every figure that docs/benchmarks.md gives. --all: h2o and caddy too.

bench_peers=nginx,haproxy,nghttpx
bench_limits=relay-epoll,relay-uring,floor-epoll,floor-uring
bench_ours=sluice-uring,sluice-epoll

verb_bench() {
  local quick=no rounds=5 seconds=2 peers=$bench_peers results
  while [ $# -gt 0 ]; do
    case $1 in
      --quick) quick=yes && shift ;;
      --all) peers=$bench_peers,h2o,caddy && bench_packages+=(h2o caddy) && shift ;;
      --proxies) peers=${2:?--proxies wants names, as under bench/proxies} && shift 2 ;;
      --rounds) rounds=${2:?--rounds wants a number} && shift 2 ;;
      *) die "bench does not know '$1'" ;;
    esac
  done
  need_packages "${build_packages[@]}" "${bench_packages[@]}"
  verb_build
  [ "$(nproc)" -ge 2 ] || die "bench wants two cores: one for the proxy, one for the load and the upstream"
  quietly build/bench/build.log make -C bench BIN="$root/build/bench" CXXFLAGS="-O2 -march=native -std=c++17"
  results=build/bench/$(date +%Y%m%d-%H%M%S).jsonl
  local all=$bench_ours,$peers,$bench_limits
  if [ $quick = yes ]; then
    bench_suite "$results" --proxies "$all" --suite main --only h1-128 --rounds 3 --secs 1
  else
    bench_suite "$results" --proxies "$all" --suite main --only h1-128,h1-128-rate,h1-64k,h1-1m,post-10k,tls-h1-128,tls-h1-1m,tls-handshake,h2-128 \
      --rounds "$rounds" --secs "$seconds"
    bench_suite "$results" --proxies "$bench_ours,$bench_peers" --suite h2up --rounds "$rounds" --secs "$seconds"
    bench_suite "$results" --proxies "$bench_ours" --suite work --only h1-128 --rounds $((2 * rounds)) --secs 1
    bench_suite "$results" --proxies "$bench_ours,nginx,haproxy" --suite routes --scens exact,prefix,template,regex \
      --rounds "$rounds" --secs 1
    bench_suite "$results" --proxies "$bench_ours,$peers" --suite main --only h1-128 --rounds "$rounds" --secs "$seconds" \
      --workers 2 --proxy-cpus '' --load-cpus 0,1
    bench_suite "$results" --proxies "$bench_ours,$peers" --suite mem --idle 10000
    bench_suite "$results" --proxies "$bench_ours" --suite plan --rounds 3
  fi
  /usr/bin/python3 bench/report.py "$results" --ours sluice-uring
  /usr/bin/python3 bench/targets.py "$results"
  say
  say "every run: $results; how to read it: bench/README.md"
}

# Each run is one line in the log beside the results.
bench_suite() {
  local results=$1
  shift
  say "measuring: $*"
  PATH=$PATH:/usr/sbin SLUICE_BIN=$root/out/sluice /usr/bin/python3 bench/bench.py --bin build/bench --out "$results" \
    --logdir build/bench "$@" >>"${results%.jsonl}.log" 2>&1 || die "bench failed: $(tail -n 3 "${results%.jsonl}.log")"
  grep -E '^(!!|warm-up failed|syscalls failed)' "${results%.jsonl}.log" || true
}
