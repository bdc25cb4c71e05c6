#pragma once
// What policies keep while plans come and go: limiter tables, and values read from files. It owns nothing but what was
// retired: policies do, and what none of them holds any more is forgotten. Control thread only.

#include <expected>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policy/live.h"

namespace sluice::policy {

// Something outside from which a live value is read.
class LiveSource {
 public:
  virtual ~LiveSource() = default;
  virtual const std::string& name() const = 0;  // for messages
  // Whose changes are to be noticed.
  virtual std::vector<std::string> files() const = 0;
  // Reads it anew. True when it has changed; what was before then stands in `retired`.
  //   errors  what is wrong, naming the file and, where there is one, the line; the value before stays in force
  virtual std::expected<bool, std::string> refresh(std::shared_ptr<const void>& retired) = 0;
};

// One address for each type.
template <class T>
inline constexpr char type_mark = 0;

class StateStore {
 public:
  // What stands under (T, key), or what `make` (std::shared_ptr<T>()) gives.
  template <class T, class Make>
  std::shared_ptr<T> find_or_make(const std::string& key, const Make& make) {
    auto& known = states_[{&type_mark<T>, key}];
    if (const auto state = known.lock()) return std::static_pointer_cast<T>(state);
    forget_unused();
    std::shared_ptr<T> made = make();
    states_[{&type_mark<T>, key}] = made;
    return made;
  }

  // The same of something that has a source; it is refreshed when its files change, as long as somebody holds it.
  template <class T, class Make>
  std::shared_ptr<T> find_or_make_source(const std::string& key, const Make& make) {
    const auto source = find_or_make<T>(key, make);
    if (source != nullptr) sources_[source.get()] = source;
    return source;
  }

  // Those in use.
  std::vector<std::shared_ptr<LiveSource>> sources() const;

  // Kept until a worker can no longer be reading it: see take_retired().
  void retire(std::shared_ptr<const void> value) { retired_.push_back(std::move(value)); }
  // To be let go when every worker has turned its loop once more.
  std::vector<std::shared_ptr<const void>> take_retired() { return std::exchange(retired_, {}); }

 private:
  void forget_unused();

  std::map<std::pair<const void*, std::string>, std::weak_ptr<void>> states_;
  std::map<const void*, std::weak_ptr<LiveSource>> sources_;
  std::vector<std::shared_ptr<const void>> retired_;
  std::size_t forget_above_ = 64;  // entries that make forget_unused() worth its while
};

}  // namespace sluice::policy
