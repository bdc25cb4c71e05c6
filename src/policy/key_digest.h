#pragma once
// API keys are kept as their SHA-256 alone: who reads the config or a memory dump does not have them. A key must be
// long and random for that (`sluice key new` makes such); a password is not, and is kept by bcrypt.
//   source  FIPS 180-4

#include <array>
#include <string>
#include <string_view>

#include "config/value.h"

namespace sluice::policy {

using KeyDigest = std::array<unsigned char, 32>;

// cost: ~0.2 us for a key of usual length
KeyDigest digest_of_key(std::string_view key);

// In a config: `sha256:` and 64 hex digits, as `sluice key hash` writes it.
struct KeyHash {
  KeyDigest digest{};

  static bool read(const config::Node& node, KeyHash& out, config::ReadContext& context);
  static void schema(config::SchemaWriter& schema) { schema.pattern("^sha256:[0-9a-f]{64}$"); }
  static void dump(const KeyHash& value, config::JsonWriter& json) { json.text(text_of(value.digest)); }
  static std::string text_of(const KeyDigest& digest);
  static constexpr const char* type_text = "hash of a key";
};

}  // namespace sluice::policy
