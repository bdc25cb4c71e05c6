# ./dev bench [--quick] [--all] [--proxies A,B]: side by side with nginx, haproxy and the limits of the machine. Sourced by ./dev.
#
# Quick: the small-body workload, few rounds. Default: small, 64 KB and 1 MB bodies and uploads. --all: routes as well.

bench_proxies=sluice-epoll,sluice-uring,nginx,haproxy,relay-epoll,relay-uring,floor-epoll,floor-uring

verb_bench() {
  local only=h1-128,h1-64k,h1-1m,post-10k rounds=5 seconds=2 all=no proxies=$bench_proxies results
  while [ $# -gt 0 ]; do
    case $1 in
      --quick) only=h1-128 rounds=3 seconds=1 && shift ;;
      --all) all=yes && shift ;;
      --proxies) proxies=${2:?--proxies wants names, as under bench/proxies} && shift 2 ;;
      *) die "bench does not know '$1'" ;;
    esac
  done
  need_packages "${build_packages[@]}" "${bench_packages[@]}"
  verb_build
  [ "$(nproc)" -ge 2 ] || die "bench wants two cores: one for the proxy, one for the load and the upstream"
  quietly build/bench/build.log make -C bench BIN="$root/build/bench" CXXFLAGS="-O2 -march=native -std=c++17"
  results=build/bench/$(date +%Y%m%d-%H%M%S).jsonl
  bench_suite "$results" --proxies "$proxies" --suite main --only "$only" --rounds "$rounds" --secs "$seconds"
  if [ $all = yes ]; then
    bench_suite "$results" --proxies sluice-epoll,nginx,haproxy --suite routes --rounds 3 --secs "$seconds" \
      --scens routes-prefix-100,routes-prefix-10000,routes-regex-100,routes-regex-10000
    bench_suite "$results" --proxies sluice-epoll,sluice-uring,nginx,haproxy --suite mem
  fi
  /usr/bin/python3 bench/report.py "$results" --ours sluice-epoll
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
