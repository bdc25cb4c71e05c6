#pragma once
// Config of `request_id`.

#include <tuple>

#include "config/value.h"
#include "policy/field_name.h"

namespace sluice::policies::request_id {

struct Config {
  policy::FieldName header{"x-request-id"};
  bool accept = true;
  bool respond = true;

  static constexpr auto fields() {
    using config::field;
    return std::tuple{
        field("header", &Config::header, "The field that carries the id."),
        field("accept", &Config::accept,
              "Whether a client's own id is taken over: one value of 1 to 128 letters, digits and `-_.:+/=@`. Others "
              "are replaced."),
        field("respond", &Config::respond, "Whether the response carries the id too."),
    };
  }
};

}  // namespace sluice::policies::request_id
