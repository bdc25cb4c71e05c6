#include "policy/consumers.h"

#include <sys/stat.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <utility>

#include "config/document.h"

namespace sluice::policy {

namespace {

std::uint64_t hash_of(const KeyDigest& digest) {
  std::uint64_t word;
  std::memcpy(&word, digest.data(), sizeof word);  // SHA-256's bytes are as good as any hash
  return word;
}

bool is_yaml(const std::filesystem::path& path) { return path.extension() == ".yaml" || path.extension() == ".yml"; }

// Files as they are, folders as what is in them, sorted.
std::vector<std::string> expand(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code fault;
    if (!std::filesystem::is_directory(path, fault)) {
      files.push_back(path);
      continue;
    }
    const std::size_t first = files.size();
    for (auto entry = std::filesystem::directory_iterator(path, fault); !fault && entry != std::filesystem::end(entry);
         entry.increment(fault))
      if (is_yaml(entry->path())) files.push_back(entry->path());
    std::sort(files.begin() + static_cast<std::ptrdiff_t>(first), files.end());
  }
  return files;
}

}  // namespace

bool Moment::read(const config::Node& node, Moment& out, config::ReadContext& context) {
  std::string text;
  if (!config::read_text(node, text, context)) return false;
  std::tm utc{};
  const char* const begin = text.c_str();
  const char* end = strptime(begin, text.size() == 10 ? "%Y-%m-%d" : "%Y-%m-%dT%H:%M:%SZ", &utc);
  const std::tm asked = utc;
  const std::time_t seconds = timegm(&utc);
  const bool is_real = asked.tm_mday == utc.tm_mday && asked.tm_hour == utc.tm_hour && asked.tm_min == utc.tm_min;
  if (end != begin + text.size() || !is_real) {  // "2027-02-30" would be in March
    context.wrong_value(node, "bad_moment", "is no moment",
                        "a moment such as 2027-01-31T12:00:00Z, or a day such as 2027-01-31");
    return false;
  }
  out = {.time = WallTime{std::chrono::seconds{seconds}}, .text = std::move(text)};
  return true;
}

Identity identity_of(const Consumer& consumer, std::string_view method, Arena& arena) {
  const std::span<std::string_view> groups = arena.make_array<std::string_view>(consumer.groups.size());
  for (std::size_t i = 0; i < groups.size(); ++i) groups[i] = arena.copy(consumer.groups[i]);
  return {.consumer = arena.copy(consumer.name),
          .method = method,
          .groups = groups,
          .scopes = {},
          .claims = nullptr,
          .expires_at = consumer.valid_until};
}

const Consumer* ConsumerTable::find(std::string_view name) const {
  const auto at = by_name_.find(name);
  return at == by_name_.end() ? nullptr : &consumers_[at->second];
}

std::size_t ConsumerTable::slot_of(const KeyDigest& digest) const {
  std::size_t at = hash_of(digest) & (slots_.size() - 1);
  while (slots_[at].consumer != none && slots_[at].digest != digest) at = (at + 1) & (slots_.size() - 1);
  return at;
}

const Consumer* ConsumerTable::find_by_key(const KeyDigest& digest) const {
  if (slots_.empty()) return nullptr;
  const Slot& slot = slots_[slot_of(digest)];
  return slot.consumer == none ? nullptr : &consumers_[slot.consumer];
}

void ConsumerTable::grow() {
  std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(std::max<std::size_t>(16, 2 * slots_.size())));
  for (const Slot& slot : old)
    if (slot.consumer != none) slots_[slot_of(slot.digest)] = slot;
}

bool ConsumerTable::add_key(const KeyDigest& digest, std::uint32_t consumer) {
  if (4 * (keys_ + 1) > 3 * slots_.size()) grow();
  Slot& slot = slots_[slot_of(digest)];
  if (slot.consumer != none) return false;
  slot = {.digest = digest, .consumer = consumer};
  ++keys_;
  return true;
}

void ConsumerTable::add(const config::Map<ConsumerConfig>& consumers, config::Diagnostics& diagnostics) {
  for (const auto& [name, place, config] : consumers) {
    const auto number = static_cast<std::uint32_t>(consumers_.size());
    const std::string path = "consumers." + name;
    if (find(name) != nullptr) {
      diagnostics.error(place, "duplicate_consumer", path, "there is a consumer '" + name + "' already").help =
          "of one name there is one, in the config and all files of `consumers_from` together";
      continue;
    }
    Consumer& added = consumers_.emplace_back(Consumer{.name = name, .groups = config.groups});
    if (config.valid_from) added.valid_from = config.valid_from->time;
    if (config.valid_until) added.valid_until = config.valid_until->time;
    by_name_.emplace(added.name, number);
    for (const auto& key : config.api_keys)
      if (!add_key(key->digest, number))
        diagnostics
            .error(key.place, "duplicate_key", path + ".api_keys",
                   "the consumer '" + find_by_key(key->digest)->name + "' has this key already")
            .help = "a key belongs to one consumer: make another with `sluice key new`";
  }
}

ConsumerSource::ConsumerSource(config::Map<ConsumerConfig> own, std::vector<std::string> paths, TablePointer first)
    : own_(std::move(own)),
      paths_(std::move(paths)),
      name_("consumers_from"),
      stamp_(stamp_of(paths_)),
      live_(std::move(first)) {}

std::shared_ptr<ConsumerSource> ConsumerSource::open(config::Map<ConsumerConfig> own, std::vector<std::string> paths,
                                                     config::Diagnostics& diagnostics) {
  auto table = make(own, paths, diagnostics);
  if (table == nullptr) return nullptr;
  return std::shared_ptr<ConsumerSource>(new ConsumerSource(std::move(own), std::move(paths), std::move(table)));
}

ConsumerSource::TablePointer ConsumerSource::make(const config::Map<ConsumerConfig>& own,
                                                  const std::vector<std::string>& paths,
                                                  config::Diagnostics& diagnostics) {
  const std::size_t before = diagnostics.error_count();
  auto table = std::make_shared<ConsumerTable>();
  table->add(own, diagnostics);
  for (const std::string& path : expand(paths)) {
    const auto document = config::load_file(path, diagnostics);
    ConsumerFile file;
    if (document && config::read(*document, file, diagnostics)) table->add(file.consumers, diagnostics);
  }
  return diagnostics.error_count() == before ? table : nullptr;
}

// Names, sizes and times: whoever replaces a file changes one of them.
std::uint64_t ConsumerSource::stamp_of(const std::vector<std::string>& paths) {
  std::string all;
  for (const std::string& path : expand(paths)) {
    struct stat facts{};
    (void)::stat(path.c_str(), &facts);  // one that is not there has zeros
    for (const auto number :
         {std::uint64_t{facts.st_ino}, static_cast<std::uint64_t>(facts.st_size),
          static_cast<std::uint64_t>(facts.st_mtim.tv_sec), static_cast<std::uint64_t>(facts.st_mtim.tv_nsec)})
      all.append(std::to_string(number)).push_back(' ');
    all.append(path).push_back('\n');
  }
  return XXH3_64bits(all.data(), all.size());
}

std::vector<std::string> ConsumerSource::files() const {
  std::vector<std::string> all;
  for (const std::string& path : paths_) {
    std::error_code fault;
    all.push_back(std::filesystem::is_directory(path, fault) ? path + "/*.yaml" : path);
  }
  return all;
}

std::expected<bool, std::string> ConsumerSource::refresh(std::shared_ptr<const void>& retired) {
  const std::uint64_t stamp = stamp_of(paths_);
  if (stamp == stamp_) return false;
  config::Diagnostics diagnostics;
  auto table = make(own_, paths_, diagnostics);
  if (table == nullptr) return std::unexpected(diagnostics.render());
  stamp_ = stamp;
  retired = live_.replace(std::move(table));
  return true;
}

}  // namespace sluice::policy
