#pragma once
// Config of `redirect`.

#include <cstdint>
#include <tuple>

#include "config/value.h"
#include "policy/value_template.h"

namespace sluice::policies::redirect {

struct Config {
  policy::ValueTemplate to;
  std::uint16_t status = 308;
  bool keep_query = false;

  static constexpr auto fields() {
    using config::field;
    return std::tuple{
        field("to", &Config::to, "The Location: a URL or a path, with variables.").required().example("https://{host}{path}"),
        field("status", &Config::status, "301, 302, 303, 307 or 308. 307 and 308 keep the method."),
        field("keep_query", &Config::keep_query, "Whether the request's query is put behind the Location."),
    };
  }
  static config::Fault check(const Config& config) {
    const auto s = config.status;
    if (s != 301 && s != 302 && s != 303 && s != 307 && s != 308)
      return {.what = "no status of a redirect", .field = "status", .help = "choose 301, 302, 303, 307 or 308"};
    if (config.to.is_empty()) return {.what = "the Location is empty", .field = "to"};
    return {};
  }
};

}  // namespace sluice::policies::redirect
