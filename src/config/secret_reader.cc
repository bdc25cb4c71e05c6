// Fetching a secret from where the config says it is. A literal is refused, and hidden in the message that says so.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "config/reader.h"

namespace sluice::config {
namespace {

constexpr const char* wanted = "env:NAME or file:/path";

// Returns static text that says what is wrong, or nullptr.
const char* fetch_file(const std::string& path, std::string& out) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe must not wait
  if (descriptor < 0) return errno == ENOENT ? "names a file that does not exist" : "names a file that cannot be read";
  struct stat facts{};
  const bool is_file = ::fstat(descriptor, &facts) == 0 && S_ISREG(facts.st_mode);
  std::string text(Secret::max_bytes + 1, '\0');
  std::size_t size = 0;
  ssize_t got = is_file ? 1 : -1;
  while (got > 0 && size < text.size()) {
    do got = ::read(descriptor, text.data() + size, text.size() - size);
    while (got < 0 && errno == EINTR);
    if (got > 0) size += static_cast<std::size_t>(got);
  }
  ::close(descriptor);
  const char* problem = nullptr;
  if (!is_file || got < 0) problem = "does not name a readable file";
  if (size > Secret::max_bytes) problem = "names a file of more than 64 KiB";
  if (problem == nullptr) {
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r')) --size;  // editors end files with one
    out.assign(text, 0, size);
  }
  explicit_bzero(text.data(), text.size());
  return problem;
}

const char* fetch(std::string_view reference, std::string& out) {
  if (reference.starts_with("file:")) return fetch_file(std::string(reference.substr(5)), out);
  const char* const value = std::getenv(std::string(reference.substr(4)).c_str());
  if (value == nullptr) return "names an environment variable that is not set";
  out = value;
  return nullptr;
}

}  // namespace

bool read_secret(const Node& node, Secret& out, ReadContext& context) {
  const std::string_view text = node.text();
  if (!text.starts_with("env:") && !text.starts_with("file:/")) {
    Place hidden = node.place();
    if (hidden.width == 0) hidden.width = 0xffff;  // of several lines: all of the first
    context.diagnostics().conceal(hidden);
    auto& added =
        context.error(node, "literal_secret",
                      node.kind() == Kind::null ? "found nothing" : "a secret cannot stand in the config itself");
    added.want = fmt::format("want {}", wanted);
    added.help = "put it in an environment variable or a file that only the gateway can read, and name that here";
    return false;
  }
  std::string value;
  if (const char* const problem = fetch(text, value)) {
    context.wrong_value(node, "secret_not_found", problem, wanted);
    return false;
  }
  if (value.empty()) return context.wrong_value(node, "secret_not_found", "is an empty secret", wanted), false;
  out = Secret(std::move(value));
  return true;
}

}  // namespace sluice::config
