# Building. Sourced by ./dev. build/release serves the product and the unit tests: they share every object file.

# build/sanitize serves the unit tests, the end-to-end tests and the fuzz targets: fuzzer-no-link only adds coverage
# counters. build/thread: what runs in more than one thread.
sanitize_options=(-DCMAKE_BUILD_TYPE=Debug "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g1" -DSLUICE_TESTS=ON -DSLUICE_FUZZ=ON
  -DSLUICE_SANITIZE=address,undefined,fuzzer-no-link)
thread_options=(-DCMAKE_BUILD_TYPE=Debug "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g1" -DSLUICE_TESTS=ON -DSLUICE_SANITIZE=thread)

certificate=build/demo/localhost.pem # what demo/gateway.yaml serves HTTPS with

# One compile job per core, and no more than one per 1.5 GiB of memory.
job_count() {
  local cores memory limit
  [ -z "${SLUICE_JOBS:-}" ] || { echo "$SLUICE_JOBS" && return; }
  cores=$(nproc)
  memory=$(awk '/^MemAvailable:/ {print int($2 / 1024)}' /proc/meminfo)
  limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || echo max)
  [ "$limit" = max ] || [ $((limit / 1048576)) -ge "$memory" ] || memory=$((limit / 1048576))
  local fits=$((memory / 1536))
  [ "$fits" -ge 1 ] || fits=1
  echo $((fits < cores ? fits : cores))
}

# quietly LOG COMMAND...: the output goes to a log, and to the terminal only when the command fails.
quietly() {
  local log=$1
  shift
  mkdir -p "$(dirname "$log")"
  if ! "$@" >"$log" 2>&1; then
    # ninja prints thousands of progress lines; what failed stands in the rest.
    grep -vE '^\[[0-9]+/[0-9]+\] (Building|Linking|Generating|Re-checking|Re-running)' "$log" | head -n 150 >&2
    die "failed: $* (whole output: $log)"
  fi
}

# configure FOLDER OPTION...: runs cmake when the folder is new or an option is not yet what is asked for.
configure() {
  local folder=$1 option wanted=no
  shift
  [ -f "$folder/build.ninja" ] || wanted=yes
  for option in "$@"; do
    [ $wanted = yes ] || grep -qxF -- "${option#-D}" <(sed -E 's/^([A-Za-z_]+):[A-Z]+=/\1=/' "$folder/CMakeCache.txt") || wanted=yes
  done
  [ $wanted = yes ] || return 0
  local first=()
  if [ ! -f "$folder/build.ninja" ]; then
    first=(-G Ninja -DCMAKE_C_COMPILER=clang-19 -DCMAKE_CXX_COMPILER=clang++-19)
    # Sloppiness: what ccache asks for before it stores a file that uses precompiled headers.
    if command -v ccache >/dev/null; then
      first+=("-DCMAKE_CXX_COMPILER_LAUNCHER=env;CCACHE_SLOPPINESS=pch_defines,time_macros;ccache")
    fi
  fi
  quietly "$folder/configure.log" cmake -S "$root" -B "$folder" "${first[@]}" "$@"
}

# compile FOLDER TARGET...
compile() {
  local folder=$1
  shift
  quietly "$folder/build.log" ninja -C "$folder" -j "$(job_count)" "$@"
}

verb_build() {
  [ $# -eq 0 ] || die "build takes no arguments"
  need_packages "${build_packages[@]}" "${demo_packages[@]}"
  local start=$SECONDS
  configure build/release -DCMAKE_BUILD_TYPE=Release
  compile build/release sluice demo-services
  place_binaries
  demo/make_certificate.sh "${certificate%/*}"
  say "built out/sluice and out/demo-services in $((SECONDS - start)) s"
}

# Replaces by rename: a gateway that runs from out/ keeps its file.
place_binaries() {
  local name
  mkdir -p out
  for name in sluice demo-services; do
    local built=build/release/$name
    [ "$name" = sluice ] || built=build/release/demo/$name
    cmp -s "$built" "out/$name" && continue
    cp "$built" "out/.$name.new" && mv "out/.$name.new" "out/$name"
  done
}
