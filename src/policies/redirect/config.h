#pragma once
// Config of `redirect`.

#include <cstdint>
#include <optional>
#include <tuple>

#include "config/value.h"
#include "policy/value_template.h"

namespace sluice::policies::redirect {

struct Config {
  policy::ValueTemplate to;
  std::uint16_t status = 308;
  std::optional<bool> keep_query;

  static constexpr auto fields() {
    using config::field;
    return std::tuple{
        field("to", &Config::to, "The Location: a URL or a path, with variables.")
            .required()
            .example("https://{host}{path}"),
        field("status", &Config::status, "301, 302, 303, 307 or 308. 307 and 308 keep the method."),
        field("keep_query", &Config::keep_query,
              "Whether the request's query is put behind the Location. When not given: yes, unless `to` has a `?` or a "
              "`#`."),
    };
  }
  static config::Fault check(const Config& config);
};

}  // namespace sluice::policies::redirect
