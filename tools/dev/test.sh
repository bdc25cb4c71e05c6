# ./dev test: everything, in two builds. Sourced by ./dev.
#
# build/release: the product and its unit tests; then the end-to-end tests and text cases against that binary.
# build/sanitize: unit tests and the text cases again under AddressSanitizer and UndefinedBehaviorSanitizer.

reports=build/reports # JUnit files, summed at the end
python=/usr/bin/python3
end_to_end_seconds=1200 # then pytest is interrupted and says where it stood

verb_test() {
  local sanitize=yes
  case ${1:-} in
    '') ;;
    --quick) sanitize=no ;;
    *) die "test knows only --quick, not '$1'" ;;
  esac
  need_packages "${build_packages[@]}" "${test_packages[@]}"
  export PYTHONDONTWRITEBYTECODE=1
  rm -rf "$reports"
  mkdir -p "$reports"

  local failed=0 builds=(release)
  build_tests release -DCMAKE_BUILD_TYPE=Release
  place_binaries
  unit_tests release || failed=1
  end_to_end release out/sluice tests/e2e || failed=1
  if [ $sanitize = yes ]; then
    builds+=(sanitize)
    build_tests sanitize -DCMAKE_BUILD_TYPE=Debug "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g1" -DSLUICE_SANITIZE=address,undefined
    unit_tests sanitize || failed=1
    end_to_end sanitize build/sanitize/sluice tests/e2e/test_cases.py || failed=1
  fi
  say
  "$python" tools/test_totals.py "$reports" "${builds[@]}" || failed=1
  exit $failed
}

# build_tests NAME OPTION...
build_tests() {
  local name=$1 start=$SECONDS
  shift
  say "== build $name"
  configure "build/$name" "$@" -DSLUICE_TESTS=ON
  compile "build/$name" all
  say "built in $((SECONDS - start)) s"
}

# Each test program writes build/reports/NAME-unit/<program>.xml; ctest's own file tells of those that died without one.
unit_tests() {
  say "== unit tests ($1)"
  mkdir -p "$reports/$1-unit"
  GTEST_OUTPUT="xml:$root/$reports/$1-unit/" GTEST_BRIEF=1 sanitizer_options \
    ctest --test-dir "build/$1" --parallel "$(nproc)" --output-on-failure --no-tests=error \
    --output-junit "$root/$reports/$1-ctest.xml" | grep -vE '^ +Start |^(Test project|Internal ctest)|^$'
}

# end_to_end NAME BINARY TESTS...
end_to_end() {
  local name=$1 binary=$2
  shift 2
  say "== end to end ($name)"
  SLUICE_BIN="$root/$binary" SLUICE_DEMO="$root/out/demo-services" sanitizer_options \
    timeout --signal=INT --kill-after=30 "$end_to_end_seconds" "$python" -m pytest -q --no-header -p no:cacheprovider -rs --durations=5 --junitxml "$reports/$name-e2e.xml" "$@"
}

# A finding ends the process with an exit code that no test takes for success.
sanitizer_options() {
  ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:abort_on_error=0:exitcode=99 \
    UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:exitcode=99 "$@"
}
