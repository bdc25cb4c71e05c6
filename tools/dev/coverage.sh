# ./dev coverage: how much of the parsers their unit tests and corpora reach. Sourced by ./dev.

coverage_least=90 # per cent of the lines of src/http/h1

verb_coverage() {
  [ $# -eq 0 ] || die "coverage takes no arguments"
  need_packages "${build_packages[@]}" "${test_packages[@]}"
  local folder=build/coverage target targets=(sluice_http_test)
  configure $folder -DCMAKE_BUILD_TYPE=Debug -DSLUICE_TESTS=ON \
    "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g1 -fprofile-instr-generate -fcoverage-mapping"
  for target in tests/corpus/http_*; do targets+=("fuzz_${target##*/}"); done
  compile $folder "${targets[@]}"

  rm -rf $folder/profiles
  for target in "${targets[@]}"; do
    LLVM_PROFILE_FILE=$folder/profiles/$target.raw quietly "$folder/$target.log" "$folder/$target" \
      $([[ $target != fuzz_* ]] || echo "tests/corpus/${target#fuzz_}")
  done
  llvm-profdata-19 merge -sparse -o $folder/profile $folder/profiles/*.raw
  llvm-cov-19 report -instr-profile=$folder/profile -show-region-summary=false -show-branch-summary=false \
    -ignore-filename-regex='_test|_fuzz|fake_|fixture|second_parser' "$folder/sluice_http_test" \
    "${targets[@]/#/-object=$folder/}" -sources src/http >$folder/report 2>$folder/report.log
  coverage_table $folder/report
}

# The lines of the report as `file, lines, missed, share`, and the verdict over src/http/h1.
coverage_table() {
  awk -v least=$coverage_least '
    $1 ~ /\.(cc|h)$/ && NF == 7 {
      printf "%-32s %5d lines, %4d not reached, %s\n", $1, $5, $6, $7
      if ($1 ~ /^h1\//) { lines += $5; missed += $6 }
    }
    END {
      share = lines ? 100 * (lines - missed) / lines : 0
      printf "src/http/h1: %.1f %% of %d lines (at least %d %% wanted)\n", share, lines, least
      exit share < least
    }' "$1"
}
