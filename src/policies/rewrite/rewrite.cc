// Gives the upstream another path or Host than the client asked for. Every new one is made canonical again (P06). What
// cannot be is refused, and so is a path in which variables make a dot segment or an encoded slash: it would leave the
// place that the config gives it.

#include <fmt/format.h>

#include "http/canonical.h"
#include "http/causes.h"
#include "policies/rewrite/config.h"
#include "policy/kind.h"

namespace sluice::policies::rewrite {

namespace {

using policy::Exchange;
using policy::Verdict;

// Whether some segment is `.` or `..`, in whatever spelling.
bool has_dot_segment(std::string_view path) {
  std::size_t dots = 0;  // of this segment so far; 3 and more: it is no dot segment
  for (std::size_t at = 0; at <= path.size(); ++at) {
    if (at == path.size() || path[at] == '/') {
      if (dots == 1 || dots == 2) return true;
      dots = 0;
    } else if (path[at] == '.') {
      ++dots;
    } else if (const auto escape = path.substr(at, 3); escape == "%2e" || escape == "%2E") {
      ++dots;
      at += 2;
    } else {
      dots = 3;
    }
  }
  return false;
}

// A path of the config, its variables stood in for.
struct Sample {
  const char* wrong = nullptr;  // null: it can be sent
  bool has_encoded_slash = false;
};
Sample judge(std::string_view path) {
  if (path.find_first_of("?#") != std::string_view::npos) return {.wrong = "a path holds no `?` and no `#`"};
  if (has_dot_segment(path)) return {.wrong = "a `.` or `..` segment is no part of a new path"};
  Arena arena;
  const auto canonical = http::canonicalise_path(path, arena);
  if (!canonical) return {.wrong = canonical.error().detail};
  return {.has_encoded_slash = canonical->has_encoded_slash};
}

// A text that begins with a variable may begin with a slash: a regex can capture one.
std::string sample_of(const policy::ValueTemplate& path) {
  return path.sample(path.text().starts_with('{') ? "/x" : "x");
}

class Rewrite final : public policy::Policy {
 public:
  explicit Rewrite(const Config& config) : config_(config) {
    if (config.path) keeps_encoded_slash_ = judge(sample_of(*config.path)).has_encoded_slash;
    if (config.prefix) keeps_encoded_slash_ = judge(**config.prefix).has_encoded_slash;
  }

  Verdict on_request(Exchange& exchange) const override {
    if (config_.host && rewrite_host(exchange) == Verdict::replied) return Verdict::replied;
    if (config_.path) return rewrite_path(config_.path->render(exchange), exchange);
    if (config_.prefix && exchange.facts().has_rest) return rewrite_path(with_prefix(exchange), exchange);
    return Verdict::next;
  }

 private:
  Verdict rewrite_host(Exchange& exchange) const {
    const std::string_view host = config_.host->render(exchange);
    const auto canonical = http::canonicalise_authority(host, exchange.arena());
    if (!canonical) return refuse("host", host, canonical.error().detail, exchange);
    exchange.upstream_request().authority = canonical->authority;
    if (exchange.is_heard()) exchange.tell(fmt::format("host is {}", canonical->authority));
    return Verdict::next;
  }

  Verdict rewrite_path(std::string_view path, Exchange& exchange) const {
    if (has_dot_segment(path)) return refuse("path", path, "the rewritten path holds a dot segment", exchange);
    const auto canonical = http::canonicalise_path(path, exchange.arena());
    if (!canonical) return refuse("path", path, "the rewritten path has no canonical form", exchange);
    if (canonical->has_encoded_slash && !exchange.request().has_encoded_slash && !keeps_encoded_slash_)
      return refuse("path", path, "the rewritten path holds an encoded slash that the request's path did not",
                    exchange);
    exchange.upstream_request().path = canonical->path;
    if (exchange.is_heard()) exchange.tell(fmt::format("path is {}", canonical->path));
    return Verdict::next;
  }

  // `/api` with its `/*` becomes the prefix; `/api/` becomes the prefix with a slash behind it.
  std::string_view with_prefix(Exchange& exchange) const {
    const std::string_view prefix = **config_.prefix, rest = exchange.facts().rest;
    if (rest.empty() && !exchange.request().path.ends_with('/')) return prefix;
    return exchange.arena().join(prefix, prefix.ends_with('/') ? "" : "/", rest);
  }

  static Verdict refuse(std::string_view what, std::string_view value, const char* why, Exchange& exchange) {
    if (exchange.is_heard()) exchange.tell(fmt::format("{} would be {}", what, value));
    exchange.reply(http::request_target_refused, why);
    return Verdict::replied;
  }

  const Config config_;
  bool keeps_encoded_slash_ = false;  // the config itself writes one
};

std::unique_ptr<const policy::Policy> make(const Config& config, policy::CompileContext& context) {
  if (config.path) config.path->declare(context);
  if (config.host) config.host->declare(context);
  if (config.prefix) context.use_rest(config.prefix->place);
  return std::make_unique<Rewrite>(config);
}

const policy::Kind made = policy::make_kind<Config, make>({
    .name = "rewrite",
    .stage = policy::Stage::transform,
    .summary = "Changes the path or the Host that the upstream sees.",
});

}  // namespace

config::Fault Config::check(const Config& config) {
  if (config.path && config.prefix)
    return {.what = "`path` and `prefix` exclude each other", .field = "prefix", .help = "keep one of them"};
  if (!config.path && !config.prefix && !config.host)
    return {.what = "nothing is rewritten", .help = "give `path`, `prefix` or `host`"};
  if (config.path && !config.path->text().starts_with('/') && !config.path->text().starts_with('{'))
    return {.what = "the path does not start with `/`", .field = "path"};
  if (config.path && config.path->text().find_first_of("?#") != std::string::npos)
    return {
        .what = "a path holds no `?` and no `#`", .field = "path", .help = "the query is kept as the client sent it"};
  if (config.path) {
    if (const char* const wrong = judge(sample_of(*config.path)).wrong) return {.what = wrong, .field = "path"};
  }
  if (config.prefix && !(*config.prefix)->starts_with('/'))
    return {.what = "the prefix does not start with `/`", .field = "prefix"};
  if (config.prefix) {
    if (const char* const wrong = judge(**config.prefix).wrong)
      return {.what = wrong, .field = "prefix", .help = "a prefix is taken as it stands; variables go into `path`"};
  }
  if (config.host && config.host->is_constant()) {
    Arena arena;
    const std::string host = config.host->sample("");
    if (const auto read = http::canonicalise_authority(host, arena); !read)
      return {.what = read.error().detail,
              .field = "host",
              .help = "write a name, with a port where one is wanted: `users.internal:8080`"};
  }
  return {};
}

const policy::Kind& kind = made;

}  // namespace sluice::policies::rewrite
