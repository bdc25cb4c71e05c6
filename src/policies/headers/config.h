#pragma once
// Config of `headers`.

#include <tuple>
#include <vector>

#include "policy/field_name.h"

namespace sluice::policies::headers {

struct Changes {
  policy::FieldValues set;
  policy::FieldValues add;
  std::vector<policy::FieldName> remove;

  static constexpr const char* doc = "Changes to the fields of one message: first `remove`, then `set`, then `add`.";
  static constexpr auto fields() {
    using config::field;
    return std::tuple{
        field("set", &Changes::set, "Fields that get this one value, in place of all they had.")
            .example("{x-team: edge}"),
        field("add", &Changes::add, "Fields that get one more line."),
        field("remove", &Changes::remove, "Fields that are taken out.").one_or_many().example("[server, x-powered-by]"),
    };
  }
};

struct Config {
  Changes request;
  Changes response;

  static constexpr auto fields() {
    using config::field;
    return std::tuple{
        field("request", &Config::request, "Changes to the request, as the upstream will see it."),
        field("response", &Config::response,
              "Changes to the response, as the client will see it; also to the gateway's own."),
    };
  }
};

}  // namespace sluice::policies::headers
