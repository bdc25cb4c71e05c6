// Answers with a redirect. The Location is made of checked literals and canonical parts (S26); what a client may choose
// of it never chooses the host (O02).

#include <fmt/format.h>

#include <algorithm>

#include "http/canonical.h"
#include "http/causes.h"
#include "policies/redirect/config.h"
#include "policy/kind.h"

namespace sluice::policies::redirect {

namespace {

using policy::Exchange;
using policy::Verdict;

// Browsers drop white space inside a URL and take `\` for `/`: neither stands in a Location.
bool is_url_char(char c) { return c > 0x20 && c < 0x7f && c != '\\'; }

// Whether the host of a URL reads as one; true for what is no URL.
bool has_host(std::string_view location) {
  const std::size_t scheme = location.find("://");
  if (location.starts_with('/') || scheme == std::string_view::npos) return true;
  const std::string_view rest = location.substr(scheme + 3), host = rest.substr(0, rest.find_first_of("/?#:"));
  Arena arena;
  return host.starts_with('[') || http::canonicalise_authority(host, arena).has_value();
}

class Redirect final : public policy::Policy {
 public:
  explicit Redirect(const Config& config)
      : config_(config),
        is_path_(config.to.text().starts_with('/') && !config.to.text().starts_with("//")),
        keeps_query_(config.keep_query.value_or(config.to.text().find_first_of("?#") == std::string::npos)) {}

  Verdict on_request(Exchange& exchange) const override {
    std::string_view location = config_.to.render(exchange);
    if (keeps_query_ && exchange.request().has_query)
      location = exchange.arena().join(location, location.find('?') == std::string_view::npos ? "?" : "&",
                                       exchange.request().query);
    if (const char* const wrong = fault_of(location)) {
      if (exchange.is_heard()) exchange.tell(fmt::format("not to {}", location));
      exchange.reply(http::request_target_refused, wrong);
      return Verdict::replied;
    }
    exchange.reply(config_.status, "", "");
    exchange.add_reply_field("location", location);
    if (exchange.is_heard()) exchange.tell(fmt::format("{} to {}", config_.status, location));
    return Verdict::replied;
  }

 private:
  // Null, or why this Location must not be sent.
  const char* fault_of(std::string_view location) const {
    if (!std::ranges::all_of(location, is_url_char)) return "the Location would hold a character that no URL may hold";
    if (is_path_ && location.starts_with("//")) return "the Location would name another host";
    const std::size_t scheme = location.find("://");
    if (!is_path_ && scheme != std::string_view::npos && location.substr(scheme + 3).find_first_not_of("/?#") != 0)
      return "the Location would have no host";
    return nullptr;
  }

  const Config config_;
  const bool is_path_;  // on this host, whatever the variables hold
  const bool keeps_query_;
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

config::Fault Config::check(const Config& config) {
  const auto status = config.status;
  if (status != 301 && status != 302 && status != 303 && status != 307 && status != 308)
    return {.what = "no status of a redirect", .field = "status", .help = "choose 301, 302, 303, 307 or 308"};
  if (config.to.is_empty()) return {.what = "the Location is empty", .field = "to"};
  const std::string sample = config.to.sample("x");
  if (!std::ranges::all_of(sample, is_url_char))
    return {.what = "the Location holds a character that no URL may hold",
            .field = "to",
            .help = "write it percent-encoded: a space is `%20`"};
  const std::string& text = config.to.text();
  if (!text.starts_with('/') && !text.starts_with('{') && text.find("://") == std::string::npos)
    return {.what = "the Location is neither a URL nor a path",
            .field = "to",
            .help = "begin it with `https://` or with `/`"};
  if (!has_host(sample))
    return {.what = "the Location has no good host name", .field = "to", .help = "variables are written `{host}`"};
  if (config.keep_query.value_or(false) && text.find('#') != std::string::npos)
    return {.what = "the query would stand behind the `#` of the Location",
            .field = "keep_query",
            .help = "write `?{query}` before the `#`"};
  return {};
}

const policy::Kind& kind = made;

}  // namespace sluice::policies::redirect
