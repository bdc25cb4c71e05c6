// Who shows a consumer's key is that consumer (security rows J08, J09). The key is looked up by its digest; what the
// upstream gets is without it, and so is the log.

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "policies/api_key/config.h"
#include "policy/credential_causes.h"
#include "policy/key_place.h"
#include "policy/kind.h"

namespace sluice::policies::api_key {

namespace {

using policy::Exchange;
using policy::Verdict;

constexpr std::size_t most_key_bytes = 1024;

class ApiKey final : public policy::Policy {
 public:
  ApiKey(const Config& config, std::shared_ptr<const policy::ConsumerSource> consumers)
      : config_(config),
        challenge_(fmt::format("ApiKey realm=\"{}\"", config.realm)),
        consumers_(std::move(consumers)) {
    if (!config_.header && !config_.query && !config_.cookie) config_.header = policy::FieldName{"x-api-key"};
  }

  Verdict on_request(Exchange& exchange) const override {
    if (config_.query) exchange.hide_query_parameter(*config_.query);
    Found found;
    look_for(exchange, found);
    if (!config_.forward) take_out(exchange);
    if (found.count == 0) return without_key(exchange);
    if (found.count > 1) return refuse(exchange, policy::credential_refused, "several keys");
    if (found.key.empty()) return refuse(exchange, policy::credential_refused, "an empty key");
    if (found.key.size() > most_key_bytes)
      return refuse(exchange, policy::credential_refused, "a key of more than 1024 bytes");

    const policy::Consumer* const consumer = consumers_->get().find_by_key(policy::digest_of_key(found.key));
    if (consumer == nullptr) return refuse(exchange, policy::credential_refused, "an unknown key");
    const WallTime now = exchange.facts().wall_now;
    if (now < consumer->valid_from)
      return refuse(exchange, policy::credential_refused, "a consumer that is not valid yet");
    if (now >= consumer->valid_until)
      return refuse(exchange, policy::credential_refused, "a consumer that is not valid any more");
    exchange.set_identity(policy::identity_of(*consumer, "api_key", exchange.arena()));
    if (exchange.is_heard()) exchange.tell(fmt::format("the key of consumer {}", consumer->name));
    return Verdict::next;
  }

 private:
  // The key, and in how many places there is one.
  struct Found {
    std::string_view key;
    int count = 0;
    void add(std::string_view value) {
      key = value;
      ++count;
    }
  };

  void look_for(Exchange& exchange, Found& found) const {
    const http::FieldList& fields = exchange.request().fields;
    if (config_.header) fields.each(config_.header->name, [&](const http::Field& field) { found.add(field.value); });
    if (config_.query)
      policy::each_query_parameter(exchange.request().query, *config_.query, exchange.arena(),
                                   [&](std::string_view value) { found.add(value); });
    if (config_.cookie) policy::each_cookie(fields, *config_.cookie, [&](std::string_view value) { found.add(value); });
  }

  void take_out(Exchange& exchange) const {
    http::RequestHead& request = exchange.upstream_request();
    if (config_.header) request.fields.remove_folded(config_.header->name);
    if (config_.query) policy::remove_query_parameter(request, *config_.query, exchange.arena());
    if (config_.cookie) policy::remove_cookie(request.fields, *config_.cookie, exchange.arena());
  }

  Verdict without_key(Exchange& exchange) const {
    if (!config_.optional) return refuse(exchange, policy::credential_missing, "no key");
    exchange.tell("no key: passes as nobody's");
    return Verdict::next;
  }

  Verdict refuse(Exchange& exchange, const Cause& cause, const char* why) const {
    exchange.reply(cause, why);
    exchange.add_reply_field("www-authenticate", challenge_);
    exchange.tell(why);
    return Verdict::replied;
  }

  Config config_;
  const std::string challenge_;
  const std::shared_ptr<const policy::ConsumerSource> consumers_;
};

std::unique_ptr<const policy::Policy> make(const Config& config, policy::CompileContext& context) {
  return std::make_unique<ApiKey>(config, context.consumers());
}

const policy::Kind made = policy::make_kind<Config, make>({
    .name = "api_key",
    .stage = policy::Stage::identify,
    .summary = "Lets in who shows a consumer's key, as that consumer.",
    .causes = policy::credential_causes,
});

}  // namespace

const policy::Kind& kind = made;

}  // namespace sluice::policies::api_key
