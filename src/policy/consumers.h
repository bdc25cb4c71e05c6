#pragma once
// Who the gateway knows: consumers by name and by the digests of their keys. A table is immutable; a file that changes
// makes another one, which is live without a reload.

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/arena.h"
#include "base/time.h"
#include "policy/consumer_config.h"
#include "policy/identity.h"
#include "policy/live.h"
#include "policy/state_store.h"

namespace sluice::policy {

struct Consumer {
  std::string name;
  std::vector<std::string> groups;
  WallTime valid_from = WallTime::min();
  WallTime valid_until = WallTime::max();
};

// In the exchange's arena, for the table may be replaced meanwhile. `method`: static text.
Identity identity_of(const Consumer& consumer, std::string_view method, Arena& arena);

class ConsumerTable {
 public:
  // Adds all of a list. Says in `diagnostics` which name or key was there before. Not once it is shared.
  void add(const config::Map<ConsumerConfig>& consumers, config::Diagnostics& diagnostics);

  std::size_t size() const { return consumers_.size(); }
  std::size_t keys() const { return keys_; }
  // Null when there is none. cost: ~50 ns
  const Consumer* find(std::string_view name) const;
  // The same by a key's digest. Takes the same time for all that are not there; a digest is no secret (row J08).
  const Consumer* find_by_key(const KeyDigest& digest) const;

 private:
  struct Slot {
    KeyDigest digest;
    std::uint32_t consumer = none;
  };
  static constexpr std::uint32_t none = 0xffff'ffff;
  bool add_key(const KeyDigest& digest, std::uint32_t consumer);
  void grow();
  std::size_t slot_of(const KeyDigest& digest) const;

  std::deque<Consumer> consumers_;
  std::vector<Slot> slots_;  // open addressing, linear probing, at most 3/4 full: 48 to 96 bytes a key
  std::size_t keys_ = 0;
  std::unordered_map<std::string_view, std::uint32_t> by_name_;  // views of consumers_
};

// The table that the config and its files make, as it is now.
class ConsumerSource final : public LiveSource {
 public:
  // `own`: what stands in the config itself. `paths`: files, and folders whose *.yaml are taken.
  // Says in `diagnostics` all that is wrong; then null, and also when `own` could not be read.
  static std::shared_ptr<ConsumerSource> open(config::Map<ConsumerConfig> own, std::vector<std::string> paths,
                                              config::Diagnostics& diagnostics);

  const ConsumerTable& get() const { return live_.get(); }  // as Live::get()

  const std::string& name() const override { return name_; }
  std::vector<std::string> files() const override;
  std::expected<bool, std::string> refresh(std::shared_ptr<const void>& retired) override;

 private:
  using TablePointer = std::shared_ptr<const ConsumerTable>;
  ConsumerSource(config::Map<ConsumerConfig> own, std::vector<std::string> paths, TablePointer first);
  static TablePointer make(const config::Map<ConsumerConfig>& own, const std::vector<std::string>& paths,
                           config::Diagnostics& diagnostics);
  static std::uint64_t stamp_of(const std::vector<std::string>& paths);

  const config::Map<ConsumerConfig> own_;
  const std::vector<std::string> paths_;
  const std::string name_;
  std::uint64_t stamp_;  // of the files in force: when it is the same, so are they
  Live<ConsumerTable> live_;
};

}  // namespace sluice::policy
