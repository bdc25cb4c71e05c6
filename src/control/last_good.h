#pragma once
// The last good config on disk: for a start when the given one is broken. Whoever reads sees a whole old text or a
// whole new one, whatever happened while it was written: a new file, fsync, rename, fsync of the folder; a checksum
// inside.

#include <sys/types.h>

#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::control {

// What a save asks of the system. Tests put failures in their place.
struct SaveCalls {
  ssize_t (*write)(int descriptor, const void* bytes, std::size_t count);
  int (*sync)(int descriptor);
  int (*rename)(const char* from, const char* to);
};
extern const SaveCalls system_save_calls;

class LastGood {
 public:
  // `folder` holds a file for each config, by the config's path.
  LastGood(std::string folder, const std::string& config_path);

  // errors (in the return value): what failed, for the log. What was there before is then there still.
  std::optional<std::string> save(std::string_view text, const SaveCalls& calls = system_save_calls) const;
  // errors: why there is none that can be used, with the remedy.
  std::expected<std::string, std::string> load() const;
  const std::string& path() const { return path_; }

 private:
  std::string folder_;
  std::string path_;
};

}  // namespace sluice::control
