// Gives the upstream another path or Host than the client asked for. Every new path is made canonical again (P06): what
// cannot be is refused.

#include <fmt/format.h>

#include "http/canonical.h"
#include "http/causes.h"
#include "policies/rewrite/config.h"
#include "policy/kind.h"

namespace sluice::policies::rewrite {

namespace {

using policy::Exchange;
using policy::Verdict;

class Rewrite final : public policy::Policy {
 public:
  explicit Rewrite(const Config& config) : config_(config) {}

  Verdict on_request(Exchange& exchange) const override {
    if (config_.host) {
      exchange.upstream_request().authority = config_.host->render(exchange);
      if (exchange.is_heard()) exchange.tell(fmt::format("host is {}", exchange.upstream_request().authority));
    }
    if (config_.path) return take(config_.path->render(exchange), exchange);
    if (config_.prefix && exchange.facts().has_rest) return take(with_prefix(exchange), exchange);
    return Verdict::next;
  }

 private:
  std::string_view with_prefix(Exchange& exchange) const {
    const std::string_view prefix = *config_.prefix, rest = exchange.facts().rest;
    if (rest.empty()) return prefix;
    return exchange.arena().join(prefix, prefix.ends_with('/') ? "" : "/", rest);
  }

  static Verdict take(std::string_view path, Exchange& exchange) {
    const auto canonical = http::canonicalise_path(path, exchange.arena());
    if (!canonical) {
      exchange.reply(http::request_target_refused, "the rewritten path has no canonical form");
      return Verdict::replied;
    }
    exchange.upstream_request().path = canonical->path;
    if (exchange.is_heard()) exchange.tell(fmt::format("path is {}", canonical->path));
    return Verdict::next;
  }

  const Config config_;
};

std::unique_ptr<const policy::Policy> make(const Config& config, policy::CompileContext& context) {
  if (config.path) config.path->declare(context);
  if (config.host) config.host->declare(context);
  return std::make_unique<Rewrite>(config);
}

const policy::Kind made = policy::make_kind<Config, make>({
    .name = "rewrite",
    .stage = policy::Stage::transform,
    .summary = "Changes the path or the Host that the upstream sees.",
});

}  // namespace

const policy::Kind& kind = made;

}  // namespace sluice::policies::rewrite
