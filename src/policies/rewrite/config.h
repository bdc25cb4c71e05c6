#pragma once
// Config of `rewrite`.

#include <optional>
#include <string>
#include <tuple>

#include "config/value.h"
#include "policy/value_template.h"

namespace sluice::policies::rewrite {

struct Config {
  std::optional<policy::ValueTemplate> path;
  std::optional<std::string> prefix;
  std::optional<policy::ValueTemplate> host;

  static constexpr auto fields() {
    using config::field;
    return std::tuple{
        field("path", &Config::path, "The new path; captures of the route's path may stand in it.").example("/v2/users/{id}"),
        field("prefix", &Config::prefix,
              "What replaces the part of the path before the route's `/*`: with route `/api/*` and prefix `/`, `/api/a` becomes `/a`.")
            .example("/"),
        field("host", &Config::host, "The Host that the upstream sees, in place of the client's.").example("users.internal"),
    };
  }
  static config::Fault check(const Config& config) {
    if (config.path && config.prefix) return {.what = "`path` and `prefix` exclude each other", .field = "prefix", .help = "keep one of them"};
    if (!config.path && !config.prefix && !config.host) return {.what = "nothing is rewritten", .help = "give `path`, `prefix` or `host`"};
    if (config.path && !config.path->text().starts_with('/') && !config.path->text().starts_with('{'))
      return {.what = "the path does not start with `/`", .field = "path"};
    if (config.path && config.path->text().find_first_of("?#") != std::string::npos)
      return {.what = "a path holds no `?` and no `#`", .field = "path", .help = "the query is kept as the client sent it"};
    if (config.prefix && !config.prefix->starts_with('/')) return {.what = "the prefix does not start with `/`", .field = "prefix"};
    return {};
  }
};

}  // namespace sluice::policies::rewrite
