# ./dev sim: plays scenarios of the simulated world. Sourced by ./dev. docs/testing.md says what they are.
#
#   ./dev sim --minutes N    on every core, from a random seed each
#   ./dev sim --seed S       one seed, with every event
#   ./dev sim --planted      whether each planted bug is found, and by which seed
#   ./dev sim OPTION...      what sluice_sim itself knows: --seeds, --from, --script, --trace, --print, --shrink, --keep

verb_sim() {
  local minutes='' target=sluice_sim
  case ${1:-} in
    --minutes) minutes=${2:?--minutes wants a number} ;;
    --seed) set -- --from "${2:?--seed wants a number}" --trace --shrink ;;
    --planted) target=sluice_sim_planted && shift ;;
    '') minutes=1 ;;
  esac
  need_packages "${build_packages[@]}" "${test_packages[@]}"
  configure build/release -DCMAKE_BUILD_TYPE=Release -DSLUICE_TESTS=ON
  compile build/release "$target"
  if [ -n "$minutes" ]; then
    play_on_all_cores "$minutes"
  else
    "build/release/tests/$target" "$@"
  fi
}

# Failing seeds are shrunk, and their scripts left in build/sim.
play_on_all_cores() {
  local minutes=$1 failed=0 job jobs=()
  mkdir -p build/sim
  for job in $(seq "$(nproc)"); do
    build/release/tests/sluice_sim --minutes "$minutes" --keep build/sim >"build/sim/$job.log" 2>&1 &
    jobs+=($!)
  done
  for job in "${jobs[@]}"; do wait "$job" || failed=1; done
  cat build/sim/[0-9]*.log
  [ $failed = 0 ] || say "what failed is kept in build/sim; put a script that belongs to a fix into tests/seeds"
  return $failed
}
