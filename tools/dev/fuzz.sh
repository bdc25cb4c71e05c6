# ./dev fuzz [--seconds N] [NAME]: builds the fuzz targets (src/**/fuzz.cc, src/**/*_fuzz.cc) and runs each. Sourced by ./dev.

verb_fuzz() {
  local seconds=30 wanted='' failed=0 ran=0 fuzzer
  while [ $# -gt 0 ]; do
    case $1 in
      --seconds) seconds=${2:?--seconds wants a number} && shift 2 ;;
      -*) die "fuzz does not know '$1'" ;;
      *) wanted=$1 && shift ;;
    esac
  done
  need_packages "${build_packages[@]}" "${test_packages[@]}"
  configure build/sanitize "${sanitize_options[@]}"
  compile build/sanitize sluice_fuzzers
  for fuzzer in build/sanitize/fuzzers/*"$wanted"*; do
    [ -x "$fuzzer" ] || continue
    run_fuzzer "$fuzzer" "$seconds" || failed=1
    ran=$((ran + 1))
  done
  [ $ran -gt 0 ] || die "no fuzz target's name holds '$wanted'"
  [ $failed = 0 ] && say "$ran fuzz targets, $seconds s each: nothing found"
  return $failed
}

# What it learns stays in build/sanitize/learnt/NAME; tests/corpus/NAME holds the seeds that are kept, and belongs to a
# fix: put there what was found, under a name that says what it was. It is left in build/sanitize/findings/.
run_fuzzer() {
  local name=${1##*/} log
  local learnt=build/sanitize/learnt/$name findings=build/sanitize/findings
  log=build/sanitize/$name.log
  mkdir -p "$learnt" "$findings"
  say "== $name"
  if ! "$1" -max_total_time="$2" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$findings/$name-" "$learnt" "tests/corpus/$name" >"$log" 2>&1; then
    tail -n 60 "$log"
    return 1
  fi
  grep -E '^stat::number_of_executed_units|^stat::new_units_added' "$log"
}
