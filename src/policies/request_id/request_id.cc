// Gives each exchange an id, the client's or a new one: the upstream gets it, the response, the log line and problem
// bodies carry it. New ids are UUIDs of version 7 (RFC 9562 section 5.7): they sort by time.

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/hex.h"
#include "policies/request_id/config.h"
#include "policy/kind.h"

namespace sluice::policies::request_id {

namespace {

using policy::Exchange;
using policy::Verdict;

constexpr std::size_t most_bytes = 128;

bool is_id_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("-_.:+/=@").find(c) != std::string_view::npos;
}

// 48 bits of milliseconds, 12 bits of the millisecond's fraction, 62 random bits.
std::string_view make_id(Exchange& exchange) {
  const auto ns = static_cast<std::uint64_t>(exchange.facts().wall_now.time_since_epoch().count());
  const std::uint64_t ms = ns / 1'000'000, fraction = ns % 1'000'000 * 4096 / 1'000'000;
  char digits[2 * hex_bytes];
  write_hex(ms << 16 | 0x7000 | fraction, digits);
  write_hex((exchange.facts().random >> 2) | std::uint64_t{1} << 63, digits + hex_bytes);
  constexpr std::size_t length = 36;
  char* const text = exchange.arena().allocate_bytes(length);
  text[8] = text[13] = text[18] = text[23] = '-';
  std::memcpy(text, digits, 8);
  std::memcpy(text + 9, digits + 8, 4);
  std::memcpy(text + 14, digits + 12, 4);
  std::memcpy(text + 19, digits + 16, 4);
  std::memcpy(text + 24, digits + 20, 12);
  return {text, length};
}

class RequestId final : public policy::Policy {
 public:
  explicit RequestId(const Config& config) : config_(config) {}

  Verdict on_request(Exchange& exchange) const override {
    const std::string_view sent = config_.accept ? acceptable(exchange.request().fields) : std::string_view();
    exchange.set_id(sent.empty() ? make_id(exchange) : sent);
    exchange.upstream_request().fields.remove_folded(config_.header.name);
    exchange.set_request_field(config_.header.name, exchange.id());
    if (exchange.is_heard())
      exchange.tell(fmt::format("{} id {}", sent.empty() ? "new" : "the client's", exchange.id()));
    return Verdict::next;
  }
  void on_response(Exchange& exchange) const override {
    if (config_.respond) exchange.response().fields.set(exchange.arena(), config_.header.name, exchange.id());
  }

 private:
  // The client's id; "" when there is none, several, or one that is no id.
  std::string_view acceptable(const http::FieldList& fields) const {
    std::string_view found;
    int count = 0;
    fields.each(config_.header.name, [&](const http::Field& field) {
      found = field.value;
      ++count;
    });
    const bool is_good =
        count == 1 && !found.empty() && found.size() <= most_bytes && std::ranges::all_of(found, is_id_char);
    return is_good ? found : std::string_view();
  }

  const Config config_;
};

std::unique_ptr<const policy::Policy> make(const Config& config, policy::CompileContext&) {
  return std::make_unique<RequestId>(config);
}

const policy::Kind made = policy::make_kind<Config, make>({
    .name = "request_id",
    .stage = policy::Stage::edge,
    .summary = "Gives each exchange an id that the upstream, the client and the log share.",
});

}  // namespace

const policy::Kind& kind = made;

}  // namespace sluice::policies::request_id
