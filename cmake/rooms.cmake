# One target per room of the house. A room is a folder under src/; its sources are found by name, its tests stand beside them.

find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_library(SLUICE_MIMALLOC mimalloc)

add_library(sluice_flags INTERFACE)
target_include_directories(sluice_flags INTERFACE ${PROJECT_SOURCE_DIR}/src ${PROJECT_BINARY_DIR}/generated)
target_compile_options(sluice_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wno-missing-field-initializers
  -fno-rtti -fvisibility=hidden $<$<CONFIG:Release>:-O2 -g1>)
target_compile_definitions(sluice_flags INTERFACE SLUICE_VERSION="${PROJECT_VERSION}")
target_link_options(sluice_flags INTERFACE -fuse-ld=lld)
target_link_libraries(sluice_flags INTERFACE Threads::Threads)
if(SLUICE_SANITIZE)
  target_compile_options(sluice_flags INTERFACE -fsanitize=${SLUICE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(sluice_flags INTERFACE -fsanitize=${SLUICE_SANITIZE})
endif()

# Sanitizer builds are the dearest part of ./dev test: there common headers are compiled once, and the code of tests is
# not optimised. Other builds do neither, so that a missing include is found.
if(SLUICE_SANITIZE)
  set(common_headers <algorithm> <array> <atomic> <chrono> <deque> <expected> <functional> <map> <memory> <optional> <span>
    <string> <string_view> <vector>)
  file(WRITE ${PROJECT_BINARY_DIR}/generated/empty.cc "")
  # Targets with the options of those that use their headers.
  add_library(sluice_common_rooms OBJECT ${PROJECT_BINARY_DIR}/generated/empty.cc)
  target_link_libraries(sluice_common_rooms PRIVATE sluice_flags)
  target_compile_options(sluice_common_rooms PRIVATE -fno-exceptions)
  target_precompile_headers(sluice_common_rooms PRIVATE ${common_headers})
  if(SLUICE_TESTS)
    find_package(GTest REQUIRED)
    add_library(sluice_common_tests OBJECT ${PROJECT_BINARY_DIR}/generated/empty.cc)
    target_link_libraries(sluice_common_tests PRIVATE sluice_flags GTest::gmock)
    target_compile_options(sluice_common_tests PRIVATE -O0)
    target_precompile_headers(sluice_common_tests PRIVATE ${common_headers} <gmock/gmock.h> <gtest/gtest.h> <random>)
  endif()
  # ccache: a header's time stands in the precompiled one, and is no part of what it means.
  add_compile_options(SHELL:-Xclang\ -fno-pch-timestamp)
endif()

# sluice_share_headers(target kind): uses the headers compiled for rooms or tests.
function(sluice_share_headers target kind)
  if(SLUICE_SANITIZE)
    target_precompile_headers(${target} REUSE_FROM sluice_common_${kind})
  endif()
endfunction()

# sluice_sources(OUT_SOURCES OUT_TESTS folder): every .cc below the folder, tests apart.
function(sluice_sources out_sources out_tests folder)
  file(GLOB_RECURSE all CONFIGURE_DEPENDS ${folder}/*.cc)
  if(NOT folder MATCHES "/net/sim$")
    list(FILTER all EXCLUDE REGEX "/net/sim/")  # a library of its own
  endif()
  set(tests ${all})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER all EXCLUDE REGEX "(_test|/fuzz|_fuzz)\\.cc$")
  set(${out_sources} ${all} PARENT_SCOPE)
  set(${out_tests} ${tests} PARENT_SCOPE)
endfunction()

# sluice_library(name SOURCES... TESTS... DEPENDS rooms LIBS libraries)
function(sluice_library name)
  cmake_parse_arguments(A "" "" "SOURCES;TESTS;DEPENDS;LIBS" ${ARGN})
  list(TRANSFORM A_DEPENDS PREPEND sluice_)
  if(A_SOURCES)
    add_library(sluice_${name} STATIC ${A_SOURCES})
    target_link_libraries(sluice_${name} PUBLIC sluice_flags ${A_DEPENDS} ${A_LIBS})
    # Below control nothing throws (docs/architecture.md, "Errors").
    if(NOT name MATCHES "^(control|app)$")
      target_compile_options(sluice_${name} PRIVATE -fno-exceptions)
      sluice_share_headers(sluice_${name} rooms)
    endif()
  else()
    add_library(sluice_${name} INTERFACE)
    target_link_libraries(sluice_${name} INTERFACE sluice_flags ${A_DEPENDS} ${A_LIBS})
  endif()
  if(SLUICE_TESTS AND A_TESTS)
    find_package(GTest REQUIRED)
    add_executable(sluice_${name}_test ${A_TESTS})
    target_link_libraries(sluice_${name}_test PRIVATE sluice_${name} GTest::gmock GTest::gtest GTest::gtest_main)
    target_compile_definitions(sluice_${name}_test PRIVATE SLUICE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    if(SLUICE_SANITIZE)
      target_compile_options(sluice_${name}_test PRIVATE -O0)
    endif()
    sluice_share_headers(sluice_${name}_test tests)
    add_test(NAME unit_${name} COMMAND sluice_${name}_test WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(unit_${name} PROPERTIES TIMEOUT 300)
  endif()
endfunction()

function(sluice_room name)
  sluice_sources(sources tests ${PROJECT_SOURCE_DIR}/src/${name})
  sluice_library(${name} SOURCES ${sources} TESTS ${tests} ${ARGN})
endfunction()

# Every folder under src/policies is a policy kind; the registry is written from the folders, so adding one edits no file.
function(sluice_policies)
  cmake_parse_arguments(A "" "" "DEPENDS" ${ARGN})
  sluice_sources(sources tests ${PROJECT_SOURCE_DIR}/src/policies)
  file(GLOB folders CONFIGURE_DEPENDS LIST_DIRECTORIES true RELATIVE ${PROJECT_SOURCE_DIR}/src/policies ${PROJECT_SOURCE_DIR}/src/policies/*)
  set(declarations "")
  set(entries "")
  foreach(folder ${folders})
    if(EXISTS ${PROJECT_SOURCE_DIR}/src/policies/${folder}/${folder}.cc)
      string(APPEND declarations "namespace sluice::policies::${folder} { extern const policy::Kind& kind; }\n")
      string(APPEND entries "      &policies::${folder}::kind,\n")
    endif()
  endforeach()
  set(registry ${PROJECT_BINARY_DIR}/generated/policy_registry.cc)
  file(GENERATE OUTPUT ${registry} CONTENT
"// Written by cmake/rooms.cmake from the folders under src/policies.
#include \"policy/kind.h\"
${declarations}
namespace sluice::policy {
std::span<const Kind* const> kinds() {
  static const Kind* const all[] = {
${entries}  };
  return all;
}
}  // namespace sluice::policy
")
  sluice_library(policies SOURCES ${sources} ${registry} TESTS ${tests} DEPENDS ${A_DEPENDS})
endfunction()

# sluice_program(name ROOM folder DEPENDS rooms): an executable, left at out/<name>.
function(sluice_program name)
  cmake_parse_arguments(A "" "ROOM" "DEPENDS" ${ARGN})
  sluice_sources(sources tests ${PROJECT_SOURCE_DIR}/src/${A_ROOM})
  if(NOT sources)
    return()
  endif()
  list(TRANSFORM A_DEPENDS PREPEND sluice_)
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE ${A_DEPENDS})
  if(SLUICE_MIMALLOC AND NOT SLUICE_SANITIZE)
    target_link_libraries(${name} PRIVATE ${SLUICE_MIMALLOC})
  endif()
endfunction()
