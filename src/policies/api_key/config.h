#pragma once
// Config of `api_key`.

#include <optional>
#include <string>
#include <tuple>

#include "policy/field_name.h"

namespace sluice::policies::api_key {

struct Config {
  std::optional<policy::FieldName> header;
  std::optional<std::string> query;
  std::optional<std::string> cookie;
  std::string realm = "api";
  bool optional = false;
  bool forward = false;

  static constexpr auto fields() {
    using config::field;
    return std::tuple{
        field("header", &Config::header,
              "Header field with the key. When none of `header`, `query` and `cookie` is given: `x-api-key`."),
        field("query", &Config::query,
              "Parameter of the query with the key. It is kept out of the log, but not out of the client's history: "
              "better a header.")
            .non_empty(),
        field("cookie", &Config::cookie, "Cookie with the key.").non_empty(),
        field("realm", &Config::realm, "What the answer 401 names as the place that asks (`WWW-Authenticate`).")
            .non_empty(),
        field("optional", &Config::optional,
              "Whether a request without a key passes, as nobody's. One with a key that is not good never does."),
        field("forward", &Config::forward, "Whether the upstream sees the key. By default it is taken out."),
    };
  }
  static const char* check(const Config& config) {
    return config.realm.find_first_of("\"\\\r\n") == std::string::npos
               ? nullptr
               : "a realm has no quotes, backslashes or line ends";
  }
};

}  // namespace sluice::policies::api_key
