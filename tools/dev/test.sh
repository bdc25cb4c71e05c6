# ./dev test: everything, in three builds. Sourced by ./dev.
#
# build/release: the product, its unit tests, the fuzz targets' corpus; then the end-to-end tests against that binary.
# build/sanitize: all of it again under AddressSanitizer and UndefinedBehaviorSanitizer, and each fuzz target for a while.
# build/thread: under ThreadSanitizer, what runs in more than one thread.

reports=build/reports # JUnit files, summed at the end
python=/usr/bin/python3
end_to_end_seconds=1800 # then pytest is interrupted and says where it stood

# Not again under sanitizers: the reliability rows. What looks at files and texts alone is skipped by conftest.py.
sanitized_suites=(tests/e2e --ignore-glob='*/test_reliability_*.py') # the rows measure, and take minutes
threaded_rooms=(sluice_base sluice_net sluice_http sluice_upstream sluice_policies sluice_gateway sluice_control)
threaded_suites=(tests/e2e/test_reload.py tests/e2e/test_chaos.py tests/e2e/test_connections.py tests/e2e/test_stop.py
  tests/e2e/test_consumers.py tests/e2e/test_rate_limit.py)

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
  build_tests release all -DCMAKE_BUILD_TYPE=Release -DSLUICE_TESTS=ON
  place_binaries
  unit_tests release || failed=1
  end_to_end release out/sluice tests/e2e || failed=1
  if [ $sanitize = yes ]; then
    builds+=(sanitize thread)
    build_tests sanitize all "${sanitize_options[@]}"
    unit_tests sanitize || failed=1
    end_to_end sanitize build/sanitize/sluice "${sanitized_suites[@]}" || failed=1
    build_tests thread "sluice ${threaded_rooms[*]/%/_test}" "${thread_options[@]}"
    unit_tests thread --tests-regex "^unit_($(IFS='|' && echo "${threaded_rooms[*]#sluice_}"))$" || failed=1
    end_to_end thread build/thread/sluice "${threaded_suites[@]}" || failed=1
  fi
  say
  "$python" tools/test_totals.py "$reports" "${builds[@]}" || failed=1
  exit $failed
}

# build_tests NAME TARGETS OPTION...
build_tests() {
  local name=$1 targets start=$SECONDS
  read -ra targets <<<"$2"
  shift 2
  say "== build $name"
  configure "build/$name" "$@"
  compile "build/$name" "${targets[@]}"
  say "built in $((SECONDS - start)) s"
}

# unit_tests NAME CTEST-OPTION...
# Each test program writes build/reports/NAME-unit/<program>.xml; ctest's own file tells of those that died without one.
unit_tests() {
  local name=$1
  shift
  say "== unit tests ($name)"
  mkdir -p "$reports/$name-unit"
  GTEST_OUTPUT="xml:$root/$reports/$name-unit/" GTEST_BRIEF=1 sanitizer_options \
    ctest --test-dir "build/$name" --parallel "$(nproc)" --output-on-failure --no-tests=error "$@" \
    --output-junit "$root/$reports/$name-ctest.xml" | grep -vE '^ +Start |^(Test project|Internal ctest)|^$'
}

# end_to_end NAME BINARY TESTS...
# Most tests wait more than they work: one process for each core takes them by turns. Those that measure come after.
end_to_end() {
  local failed=0
  end_to_end_part "$1" "$1-together" "${@:2}" -m "not alone" --numprocesses "$(nproc)" || failed=1
  end_to_end_part "$1" "$1-alone" "${@:2}" -m alone || [ $? -eq 5 ] || failed=1 # 5: there is none
  return $failed
}

# end_to_end_part NAME REPORT BINARY PYTEST-OPTION...
end_to_end_part() {
  local name=$1 report=$2 binary=$3
  shift 3
  say "== end to end ($report)"
  # Memory and bodies of gigabytes are measured without sanitizers.
  [ "$name" = release ] || export SLUICE_SANITIZED=1 SLUICE_BODY_GIB=0.25
  SLUICE_BIN="$root/$binary" SLUICE_DEMO="$root/out/demo-services" sanitizer_options \
    timeout --signal=INT --kill-after=30 "$end_to_end_seconds" "$python" -m pytest -q --no-header -p no:cacheprovider -rs --durations=5 --junitxml "$reports/$report-e2e.xml" "$@"
}

# A finding ends the process with an exit code that no test takes for success.
sanitizer_options() {
  ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:abort_on_error=0:exitcode=99 \
    UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:exitcode=99 \
    TSAN_OPTIONS="exitcode=99:second_deadlock_stack=1:suppressions=$root/tests/thread.suppressions" "$@"
}
