# ./dev fuzz [--seconds N] [NAME]: builds the fuzzers (src/**/fuzz.cc, src/**/*_fuzz.cc) and runs each. Sourced by ./dev.

verb_fuzz() {
  local seconds=30 wanted='' failed=0 ran=0 fuzzer
  while [ $# -gt 0 ]; do
    case $1 in
      --seconds) seconds=${2:?--seconds wants a number} && shift 2 ;;
      -*) die "fuzz does not know '$1'" ;;
      *) wanted=$1 && shift ;;
    esac
  done
  need_packages "${build_packages[@]}" "${fuzz_packages[@]}"
  configure build/fuzz -DCMAKE_BUILD_TYPE=Debug "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g1" -DSLUICE_FUZZ=ON \
    -DSLUICE_SANITIZE=address,undefined,fuzzer-no-link
  compile build/fuzz sluice_fuzzers
  for fuzzer in build/fuzz/fuzzers/*"$wanted"*; do
    [ -x "$fuzzer" ] || continue
    run_fuzzer "$fuzzer" "$seconds" || failed=1
    ran=$((ran + 1))
  done
  [ $ran -gt 0 ] || die "no fuzzer's name holds '$wanted'"
  [ $failed = 0 ] && say "$ran fuzzers, $seconds s each: nothing found"
  return $failed
}

# What it learns stays in build/fuzz/corpus/NAME; tests/corpus/NAME holds the seeds that are kept. What it finds is left
# in build/fuzz/findings/.
run_fuzzer() {
  local name=${1##*/} learnt=build/fuzz/corpus/${1##*/} log=build/fuzz/${1##*/}.log seeds=()
  mkdir -p "$learnt" build/fuzz/findings
  [ ! -d "tests/corpus/$name" ] || seeds=("tests/corpus/$name")
  say "== $name"
  if ! "$1" -max_total_time="$2" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/findings/$name-" "$learnt" "${seeds[@]}" >"$log" 2>&1; then
    tail -n 60 "$log"
    return 1
  fi
  grep -E '^stat::number_of_executed_units|^stat::new_units_added' "$log"
}
