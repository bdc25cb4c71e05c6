# ./dev lint and ./dev format. Sourced by ./dev.

verb_lint() {
  local files=() failed=0 sources=()
  need_packages "${build_packages[@]}" "${lint_packages[@]}"
  mapfile -t files < <(chosen_files "$@")
  /usr/bin/python3 tools/check_layers.py || failed=1
  if [ ${#files[@]} -gt 0 ]; then
    clang-format-19 --dry-run --Werror "${files[@]}" || failed=1
    mapfile -t sources < <(printf '%s\n' "${files[@]}" | grep -E '^src/.*\.cc$' | grep -vE '(_test|fuzz)\.cc$')
  fi
  if [ ${#sources[@]} -gt 0 ]; then
    configure build/release -DCMAKE_BUILD_TYPE=Release
    printf '%s\n' "${sources[@]}" | xargs -P "$(job_count)" -n 1 clang-tidy-19 -p build/release --quiet || failed=1
  fi
  [ $failed = 0 ] && say "${#files[@]} files: nothing to say"
  return $failed
}

verb_format() {
  local files=()
  need_packages clang-format-19
  mapfile -t files < <(chosen_files "$@")
  [ ${#files[@]} -eq 0 ] || clang-format-19 -i "${files[@]}"
  say "${#files[@]} files formatted"
}

# The C++ files named, or with --all every one, or those that differ from the main branch (every one when there is none).
chosen_files() {
  local all=no base
  [ "${1:-}" != --all ] || { all=yes && shift; }
  if [ $# -gt 0 ]; then
    printf '%s\n' "$@"
    return
  fi
  base=$(git merge-base HEAD origin/main 2>/dev/null || git rev-parse --verify -q HEAD || true)
  if [ $all = yes ] || [ -z "$base" ]; then
    git ls-files --cached --others --exclude-standard -- src demo tests/sim
  else
    { git diff --name-only --diff-filter=d "$base" -- src demo tests/sim && git ls-files --others --exclude-standard -- src demo tests/sim; }
  fi | grep -E '\.(cc|h)$' | sort -u
}
