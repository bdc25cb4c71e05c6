// Sets, adds and removes header fields of the request and of the response. Values may use variables.

#include <fmt/format.h>

#include "policies/headers/config.h"
#include "policy/kind.h"

namespace sluice::policies::headers {

namespace {

using policy::Exchange;
using policy::Verdict;

void apply(const Changes& changes, http::FieldList& fields, Exchange& exchange, bool is_heard) {
  for (const auto& field : changes.remove) {
    if (fields.remove(field.name) > 0 && is_heard) exchange.tell("removed " + field.name);
  }
  for (const auto& field : changes.set.list) {
    const std::string_view value = field.render(exchange);
    fields.set(exchange.arena(), field.name, value);
    if (is_heard) exchange.tell(fmt::format("set {}: {}", field.name, value));
  }
  for (const auto& field : changes.add.list) {
    const std::string_view value = field.render(exchange);
    fields.add(exchange.arena(), field.name, value);
    if (is_heard) exchange.tell(fmt::format("added {}: {}", field.name, value));
  }
}

// There is no response yet when an explanation is asked for: it hears what is going to be done.
void announce(const Changes& changes, const Exchange& exchange) {
  for (const auto& field : changes.remove) exchange.tell(fmt::format("the response: {} is removed", field.name));
  for (const auto& field : changes.set.list) exchange.tell(fmt::format("the response: {} is set", field.name));
  for (const auto& field : changes.add.list) exchange.tell(fmt::format("the response: {} is added", field.name));
}

class Headers final : public policy::Policy {
 public:
  explicit Headers(const Config& config) : config_(config) {}

  Verdict on_request(Exchange& exchange) const override {
    apply(config_.request, exchange.upstream_request().fields, exchange, exchange.is_heard());
    if (exchange.is_heard()) announce(config_.response, exchange);
    return Verdict::next;
  }
  void on_response(Exchange& exchange) const override {
    apply(config_.response, exchange.response().fields, exchange, false);  // it was announced on the way there
  }

 private:
  const Config config_;
};

std::unique_ptr<const policy::Policy> make(const Config& config, policy::CompileContext& context) {
  for (const Changes* changes : {&config.request, &config.response}) {
    changes->set.declare(context);
    changes->add.declare(context);
  }
  return std::make_unique<Headers>(config);
}

const policy::Kind made = policy::make_kind<Config, make>({
    .name = "headers",
    .stage = policy::Stage::transform,
    .summary = "Sets, adds and removes header fields of the request and the response.",
});

}  // namespace

const policy::Kind& kind = made;

}  // namespace sluice::policies::headers
