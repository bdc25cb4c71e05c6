# Fuzz targets: one for each src/**/fuzz.cc and src/**/*_fuzz.cc, named by its path with _ for /, linked to its room. Its
# seeds, and every input that once found something, are tests/corpus/NAME.
#
#   corpus_NAME  a test of every build with tests: the target replays its corpus
#   fuzz_NAME    with -DSLUICE_FUZZ=ON also a test: the target is a libFuzzer program, fuzzers/NAME, and runs for
#                SLUICE_FUZZ_SECONDS. Wants -DSLUICE_SANITIZE=...,fuzzer-no-link, so that the rooms report coverage.

option(SLUICE_FUZZ "link the fuzz targets to libFuzzer" OFF)
set(SLUICE_FUZZ_SECONDS 20 CACHE STRING "how long the tests fuzz_NAME run")
if(NOT SLUICE_TESTS)
  return()
endif()

# A second HTTP/1 parser to compare ours with: llhttp's C sources, of Debian's package node-llhttp. Never in the product.
find_path(SLUICE_LLHTTP_SOURCES llhttp.c PATHS /usr/share/llhttp NO_DEFAULT_PATH)
find_path(SLUICE_LLHTTP_INCLUDE llhttp/llhttp.h PATHS /usr/share/include NO_DEFAULT_PATH)
if(SLUICE_LLHTTP_SOURCES AND SLUICE_LLHTTP_INCLUDE)
  add_library(llhttp STATIC EXCLUDE_FROM_ALL
    ${SLUICE_LLHTTP_SOURCES}/llhttp.c ${SLUICE_LLHTTP_SOURCES}/api.c ${SLUICE_LLHTTP_SOURCES}/http.c)
  target_include_directories(llhttp SYSTEM PUBLIC ${SLUICE_LLHTTP_INCLUDE} PRIVATE ${SLUICE_LLHTTP_INCLUDE}/llhttp)
  target_compile_definitions(llhttp PUBLIC LLHTTP_STRICT_MODE=1)
  target_compile_options(llhttp PRIVATE -w)
endif()

add_custom_target(sluice_fuzzers)

# sluice_fuzz_target(source): `source` is relative to src/.
function(sluice_fuzz_target source)
  string(REGEX MATCH "^[^/]+" room ${source})
  string(REGEX REPLACE "(/fuzz|_fuzz)\\.cc$" "" name ${source})
  string(REPLACE "/" "_" name ${name})
  set(corpus ${PROJECT_SOURCE_DIR}/tests/corpus/${name})
  set(findings ${PROJECT_BINARY_DIR}/findings)
  set(learnt ${PROJECT_BINARY_DIR}/learnt/${name})
  file(STRINGS ${PROJECT_SOURCE_DIR}/src/${source} wants_llhttp REGEX "second_parser\\.h")
  if(wants_llhttp AND NOT TARGET llhttp)
    add_test(NAME corpus_${name} COMMAND false)
    set_tests_properties(corpus_${name} PROPERTIES DISABLED ON)  # shown as not run: the package is missing
    return()
  endif()

  add_executable(fuzz_${name} ${PROJECT_SOURCE_DIR}/src/${source})
  add_dependencies(sluice_fuzzers fuzz_${name})
  target_link_libraries(fuzz_${name} PRIVATE sluice_${room} $<$<BOOL:${wants_llhttp}>:llhttp>)
  if(SLUICE_SANITIZE)
    target_compile_options(fuzz_${name} PRIVATE -O0)  # as for tests: what is under test is its room's
    sluice_share_headers(fuzz_${name} tests)
  endif()
  if(SLUICE_FUZZ)
    file(MAKE_DIRECTORY ${findings} ${learnt})
    set_target_properties(fuzz_${name} PROPERTIES OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzzers)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    add_test(NAME corpus_${name} COMMAND fuzz_${name} -runs=0 -timeout=20 ${corpus})
    # What it learns stays in the build folder; so do findings, which also stand in the output as base64. One seed: a test
    # that fails by chance tells the wrong person; ./dev fuzz goes where nobody was.
    add_test(NAME fuzz_${name} COMMAND fuzz_${name} -seed=1 -max_total_time=${SLUICE_FUZZ_SECONDS} -timeout=20 -rss_limit_mb=2048
      -print_final_stats=1 -artifact_prefix=${findings}/${name}- ${learnt} ${corpus})
    set_tests_properties(fuzz_${name} PROPERTIES TIMEOUT 300 LABELS fuzz)
  else()
    target_sources(fuzz_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/corpus/replay.cc)
    add_test(NAME corpus_${name} COMMAND fuzz_${name} ${corpus})
  endif()
  set_tests_properties(corpus_${name} PROPERTIES TIMEOUT 300)
endfunction()

file(GLOB_RECURSE fuzz_sources CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/src
  ${PROJECT_SOURCE_DIR}/src/fuzz.cc ${PROJECT_SOURCE_DIR}/src/*_fuzz.cc)
foreach(source ${fuzz_sources})
  sluice_fuzz_target(${source})
endforeach()
