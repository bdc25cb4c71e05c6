// Bounds request bodies. A body of unknown length is counted by the driver as it passes: no byte is looked at twice.

#include <fmt/format.h>

#include "http/causes.h"
#include "policies/body_limit/config.h"
#include "policy/kind.h"

namespace sluice::policies::body_limit {

namespace {

using policy::Exchange;
using policy::Verdict;

class BodyLimit final : public policy::Policy {
 public:
  explicit BodyLimit(const Config& config) : max_bytes_(config.max.bytes) {}

  Verdict on_request(Exchange& exchange) const override {
    const http::BodySize body = exchange.request().body;
    if (!body.is_unknown() && static_cast<std::uint64_t>(body.bytes) > max_bytes_) {
      exchange.reply(http::request_body_too_large, "Content-Length is above the limit");
      return Verdict::replied;
    }
    exchange.limit_request_body(max_bytes_);
    if (exchange.is_heard()) exchange.tell(fmt::format("at most {} bytes", max_bytes_));
    return Verdict::next;
  }

 private:
  const std::uint64_t max_bytes_;
};

std::unique_ptr<const policy::Policy> make(const Config& config, policy::CompileContext&) {
  return std::make_unique<BodyLimit>(config);
}

const policy::Kind made = policy::make_kind<Config, make>({
    .name = "body_limit",
    .stage = policy::Stage::admit,
    .summary = "Bounds the size of request bodies.",
});

}  // namespace

const policy::Kind& kind = made;

}  // namespace sluice::policies::body_limit
