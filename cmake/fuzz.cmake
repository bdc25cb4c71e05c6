# One libFuzzer program per src/**/fuzz.cc and src/**/*_fuzz.cc, at fuzzers/<path with _ for />, linked to its room.
# Built only with -DSLUICE_FUZZ=ON, which wants -DSLUICE_SANITIZE=...,fuzzer-no-link so that the rooms report coverage.

option(SLUICE_FUZZ "build the fuzzers" OFF)
if(NOT SLUICE_FUZZ)
  return()
endif()

add_custom_target(sluice_fuzzers)
file(GLOB_RECURSE fuzz_sources CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/src
  ${PROJECT_SOURCE_DIR}/src/fuzz.cc ${PROJECT_SOURCE_DIR}/src/*_fuzz.cc)
foreach(source ${fuzz_sources})
  string(REGEX MATCH "^[^/]+" room ${source})
  string(REGEX REPLACE "(/fuzz|_fuzz)\\.cc$" "" name ${source})
  string(REPLACE "/" "_" name ${name})
  add_executable(fuzz_${name} EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/src/${source})
  set_target_properties(fuzz_${name} PROPERTIES OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzzers)
  target_link_libraries(fuzz_${name} PRIVATE sluice_${room})
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  add_dependencies(sluice_fuzzers fuzz_${name})
endforeach()
