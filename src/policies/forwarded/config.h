#pragma once
// Config of `forwarded`.

#include <string>
#include <tuple>
#include <vector>

#include "config/value.h"
#include "net/address.h"

namespace sluice::policies::forwarded {

// `10.0.0.0/8`, or one address.
struct Block {
  net::AddressBlock block;
  std::string text;
  static bool read(const config::Node& node, Block& out, config::ReadContext& context) {
    std::string text;
    if (!config::read_text(node, text, context)) return false;
    const auto block = net::AddressBlock::parse(text);
    if (!block) {
      context.wrong_value(node, "bad_address", std::string("is no address: ") + block.error().what,
                          "an address or a block, such as 10.0.0.0/8 or fd00::/8");
      return false;
    }
    out = {.block = *block, .text = std::move(text)};
    return true;
  }
  static void schema(config::SchemaWriter& schema) { schema.pattern("^[0-9a-fA-F:.]+(/[0-9]{1,3})?$"); }
  static void dump(const Block& value, config::JsonWriter& json) { json.text(value.text); }
  static constexpr const char* type_text = "address block";
};

struct Config {
  std::vector<Block> trusted;
  bool x_forwarded = true;
  bool rfc7239 = false;

  static constexpr auto fields() {
    using config::field;
    return std::tuple{
        field("trusted", &Config::trusted,
              "Proxies whose word about the client is believed. From everybody else the fields are removed first.")
            .one_or_many()
            .example("[10.0.0.0/8]"),
        field("x_forwarded", &Config::x_forwarded, "Whether the upstream gets X-Forwarded-For, -Proto and -Host."),
        field("rfc7239", &Config::rfc7239, "Whether the upstream gets `Forwarded` (RFC 7239)."),
    };
  }
};

}  // namespace sluice::policies::forwarded
