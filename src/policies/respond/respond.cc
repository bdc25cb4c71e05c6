// Answers with what the config says: no upstream is asked.

#include <fmt/format.h>

#include "policies/respond/config.h"
#include "policy/kind.h"

namespace sluice::policies::respond {

namespace {

using policy::Exchange;
using policy::Verdict;

class Respond final : public policy::Policy {
 public:
  explicit Respond(const Config& config) : config_(config) {}

  Verdict on_request(Exchange& exchange) const override {
    exchange.reply(config_.status, config_.body.empty() ? std::string_view() : config_.content_type, config_.body);
    for (const auto& field : config_.headers.list) exchange.add_reply_field(field.name, field.render(exchange));
    if (exchange.is_heard()) exchange.tell(fmt::format("{} with {} bytes", config_.status, config_.body.size()));
    return Verdict::replied;
  }

 private:
  const Config config_;
};

std::unique_ptr<const policy::Policy> make(const Config& config, policy::CompileContext& context) {
  config.headers.declare(context);
  return std::make_unique<Respond>(config);
}

const policy::Kind made = policy::make_kind<Config, make>({
    .name = "respond",
    .stage = policy::Stage::transform,
    .summary = "Answers with a fixed status and body.",
    .always_answers = true,
});

}  // namespace

const policy::Kind& kind = made;

}  // namespace sluice::policies::respond
