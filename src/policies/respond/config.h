#pragma once
// Config of `respond`.

#include <cstdint>
#include <string>
#include <tuple>

#include "config/value.h"
#include "policy/field_name.h"

namespace sluice::policies::respond {

struct Config {
  std::uint16_t status = 200;
  std::string body;
  std::string content_type = "text/plain; charset=utf-8";
  policy::FieldValues headers;

  static constexpr auto fields() {
    using config::field;
    return std::tuple{
        field("status", &Config::status, 200, 599, "Status of the answer."),
        field("body", &Config::body, "Its body, as it stands here: no variables."),
        field("content_type", &Config::content_type, "Its Content-Type; not sent when the body is empty."),
        field("headers", &Config::headers, "More header fields; values may use variables."),
    };
  }
  static config::Fault check(const Config& config) {
    const bool is_bodiless =
        config.status == 204 || config.status == 205 || config.status == 304;  // RFC 9110 section 15
    if (is_bodiless && !config.body.empty())
      return {.what = "this status has no body", .field = "body", .help = "leave `body` out"};
    for (const char c : config.content_type)
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
        return {.what = "holds a control character", .field = "content_type"};
    for (const auto& field : config.headers.list) {
      if (field.name == "content-type")
        return {.what = "Content-Type is given twice", .field = "headers", .help = "use `content_type`"};
      if (field.name == "date")
        return {.what = "Date is the gateway's own", .field = "headers", .help = "leave it out"};
    }
    return {};
  }
};

}  // namespace sluice::policies::respond
