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
  std::optional<config::Located<std::string>> prefix;
  std::optional<policy::ValueTemplate> host;

  static constexpr auto fields() {
    using config::field;
    return std::tuple{
        field("path", &Config::path, "The new path; captures of the route's path may stand in it.")
            .example("/v2/users/{id}"),
        field("prefix", &Config::prefix,
              "What replaces the part of the path before the route's `/*`: with route `/api/*` and prefix `/`, "
              "`/api/a` becomes `/a`.")
            .example("/"),
        field("host", &Config::host, "The Host that the upstream sees, in place of the client's.")
            .example("users.internal"),
    };
  }
  static config::Fault check(const Config& config);
};

}  // namespace sluice::policies::rewrite
