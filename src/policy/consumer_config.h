#pragma once
// The key `consumers`, and files that hold one: what a user may write. In force it is a ConsumerTable (consumers.h).

#include <string>
#include <tuple>
#include <vector>

#include "base/time.h"
#include "config/value.h"
#include "policy/key_digest.h"

namespace sluice::policy {

// A moment: `2027-01-31T12:00:00Z` (RFC 3339 in UTC, whole seconds), or a day, `2027-01-31`, which begins at midnight.
struct Moment {
  WallTime time{};
  std::string text;

  static bool read(const config::Node& node, Moment& out, config::ReadContext& context);
  static void schema(config::SchemaWriter& schema) {
    schema.pattern("^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?$");
  }
  static void dump(const Moment& value, config::JsonWriter& json) { json.text(value.text); }
  static constexpr const char* type_text = "moment";
};

struct ConsumerConfig {
  std::vector<std::string> groups;
  std::vector<config::Located<KeyHash>> api_keys;
  std::optional<Moment> valid_from;
  std::optional<Moment> valid_until;

  static constexpr const char* doc = "A client that has credentials.";
  static constexpr auto fields() {
    using config::field;
    return std::tuple{
        field("groups", &ConsumerConfig::groups, "What it belongs to, for policies to ask for.")
            .one_or_many()
            .non_empty(),
        field("api_keys", &ConsumerConfig::api_keys,
              "Hashes of its keys, for `api_key`; several while one replaces another. `sluice key new` makes a key and "
              "its hash.")
            .one_or_many()
            .example("[\"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"]"),
        field("valid_from", &ConsumerConfig::valid_from, "Its credentials are refused before that moment."),
        field("valid_until", &ConsumerConfig::valid_until, "Its credentials are refused from that moment on.")
            .example("2027-12-31"),
    };
  }
};

// A file of `consumers_from`.
struct ConsumerFile {
  config::Map<ConsumerConfig> consumers;

  static constexpr const char* doc = "Consumers.";
  static constexpr auto fields() {
    return std::tuple{config::field("consumers", &ConsumerFile::consumers, "By name.").required()};
  }
};

}  // namespace sluice::policy
