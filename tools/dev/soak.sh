# ./dev soak [--minutes N] [ROW...]: the reliability rows (docs/reliability.md) at full length. Sourced by ./dev.
#
# The tests are those of ./dev test, tests/e2e/test_reliability_*.py, with longer runs and with the bounds on speed judged.
# Everything is left under build/: build/soak (configs, logs), build/reports/reliability.jsonl (the figures).

verb_soak() {
  local minutes=10 wanted='' chosen=()
  while [ $# -gt 0 ]; do
    case $1 in
      --minutes) minutes=${2:?--minutes wants a number} && shift 2 ;;
      [Rr][0-9][0-9]) wanted+="${wanted:+ or }test_${1,,}" && shift ;;
      *) die "soak knows --minutes N and rows such as R01, not '$1'" ;;
    esac
  done
  [[ $minutes =~ ^[0-9]+(\.[0-9]+)?$ ]] || die "--minutes wants a number, not '$minutes'"
  need_packages "${build_packages[@]}" "${test_packages[@]}"
  configure build/release -DCMAKE_BUILD_TYPE=Release -DSLUICE_TESTS=ON
  compile build/release sluice demo-services sluice-load
  place_binaries
  [ -z "$wanted" ] || chosen=(-k "$wanted")
  mkdir -p build/reports
  PYTHONDONTWRITEBYTECODE=1 SLUICE_BIN="$root/out/sluice" SLUICE_LOAD_MOST_RATE=20000 SLUICE_SOAK_MINUTES="$minutes" \
    /usr/bin/python3 -m pytest -q --no-header -p no:cacheprovider -rs --basetemp build/soak "${chosen[@]}" \
    tests/e2e/test_reliability_*.py
}
