// Answers with a redirect. The Location is made of checked literals and canonical parts only (S26).

#include <fmt/format.h>

#include "policies/redirect/config.h"
#include "policy/kind.h"

namespace sluice::policies::redirect {

namespace {

using policy::Exchange;
using policy::Verdict;

class Redirect final : public policy::Policy {
 public:
  explicit Redirect(const Config& config) : config_(config) {}

  Verdict on_request(Exchange& exchange) const override {
    std::string_view location = config_.to.render(exchange);
    if (config_.keep_query && exchange.request().has_query)
      location = exchange.arena().join(location, location.find('?') == std::string_view::npos ? "?" : "&", exchange.request().query);
    exchange.reply(config_.status, "", "");
    exchange.add_reply_field("location", location);
    if (exchange.is_heard()) exchange.tell(fmt::format("{} to {}", config_.status, location));
    return Verdict::replied;
  }

 private:
  const Config config_;
};

std::unique_ptr<const policy::Policy> make(const Config& config, policy::CompileContext& context) {
  config.to.declare(context);
  return std::make_unique<Redirect>(config);
}

const policy::Kind made = policy::make_kind<Config, make>({
    .name = "redirect",
    .stage = policy::Stage::transform,
    .summary = "Answers with a redirect.",
    .always_answers = true,
});

}  // namespace

const policy::Kind& kind = made;

}  // namespace sluice::policies::redirect
