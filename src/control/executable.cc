#include "control/executable.h"

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>

namespace sluice::control {

namespace {

namespace fs = std::filesystem;

bool is_this_program(const fs::path& path) {
  std::error_code fault;
  return fs::equivalent(path, "/proc/self/exe", fault) && !fault;
}

fs::path in_search_path(std::string_view name) {
  const char* const value = ::getenv("PATH");
  std::string_view folders = value != nullptr ? value : "";
  while (!folders.empty()) {
    const std::string_view folder = folders.substr(0, folders.find(':'));
    folders.remove_prefix(std::min(folder.size() + 1, folders.size()));
    const fs::path path = fs::path(folder.empty() ? "." : folder) / name;
    if (is_this_program(path)) return path;
  }
  return {};
}

}  // namespace

std::string executable_path(std::string_view name) {
  const fs::path path = name.find('/') != std::string_view::npos ? fs::path(name) : in_search_path(name);
  std::error_code fault;
  if (!path.empty() && is_this_program(path)) {
    fs::path absolute = fs::absolute(path, fault);
    if (!fault) return absolute.string();
  }
  return fs::read_symlink("/proc/self/exe", fault).string();
}

}  // namespace sluice::control
