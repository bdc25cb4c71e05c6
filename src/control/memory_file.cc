#include "control/memory_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

namespace sluice::control {

Descriptor make_memory_file(const char* name, std::string_view text) {
  Descriptor file(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  while (file && !text.empty()) {
    const ssize_t wrote = ::write(file.number(), text.data(), text.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return {};
    text.remove_prefix(static_cast<std::size_t>(wrote));
  }
  if (file) ::fcntl(file.number(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  return file;
}

std::optional<std::string> read_memory_file(int descriptor, std::size_t most_bytes) {
  struct stat facts{};
  if (::fstat(descriptor, &facts) != 0 || facts.st_size < 0 || static_cast<std::size_t>(facts.st_size) > most_bytes)
    return std::nullopt;
  std::string text(static_cast<std::size_t>(facts.st_size), '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::pread(descriptor, text.data() + size, text.size() - size, static_cast<off_t>(size));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return std::nullopt;
    size += static_cast<std::size_t>(got);
  }
  return text;
}

}  // namespace sluice::control
