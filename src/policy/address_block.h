#pragma once
// An address or a block of addresses as a value in the config: `10.0.0.0/8`, `fd00::/8`, `192.0.2.7`.

#include <string>
#include <utility>

#include "config/value.h"
#include "net/address.h"

namespace sluice::policy {

struct AddressBlock {
  net::AddressBlock block;
  std::string text;

  static bool read(const config::Node& node, AddressBlock& out, config::ReadContext& context) {
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
  static void dump(const AddressBlock& value, config::JsonWriter& json) { json.text(value.text); }
  static constexpr const char* type_text = "address block";
};

}  // namespace sluice::policy
