#pragma once
// A text with variables, `https://{host}/users/{id}`: how config values take parts of the request. Compiled when the
// config is read; what it renders holds no control character, since neither its literals nor any canonical part does
// (S26).
//
// Variables: a capture of the route's path by its name; {method} {scheme} {host} {authority} {path} {query} {client.ip}
// {request.id} {route} {listener} {request.header.NAME}. `{{` and `}}` stand for the braces themselves.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/value.h"
#include "policy/exchange.h"
#include "policy/kind.h"

namespace sluice::policy {

class ValueTemplate {
 public:
  static bool read(const config::Node& node, ValueTemplate& out, config::ReadContext& context);
  static void schema(config::SchemaWriter& schema);
  static void dump(const ValueTemplate& value, config::JsonWriter& json);
  static constexpr const char* type_text = "text with variables";

  // For defaults and tests. Aborts on a text that does not parse: it is a programmer's mistake.
  static ValueTemplate of(std::string_view text);

  // The value for this exchange. cost: nothing for a text without variables; else one copy into the arena.
  std::string_view render(Exchange& exchange) const;

  // Tells the compiler which captures it needs.
  void declare(CompileContext& context) const;

  // The text with `stand_in` for each variable: what a config check can judge before there is a request.
  std::string sample(std::string_view stand_in) const;
  bool is_constant() const;

  // Names that parse() knows, captures and headers aside: for "did you mean".
  static std::span<const std::string_view> variables();

  const std::string& text() const { return text_; }
  bool is_empty() const { return text_.empty(); }

 private:
  enum class What : std::uint8_t {
    literal,
    capture,
    method,
    scheme,
    host,
    authority,
    path,
    query,
    client_ip,
    request_id,
    route,
    listener,
    request_header
  };
  struct Part {
    What what;
    std::string text;  // literal text, or the name of a capture or header
  };
  // Returns null, or what is wrong, static text.
  const char* parse(std::string_view text);
  const char* parse_variable(std::string_view name);
  static std::string_view value_of(const Part& part, Exchange& exchange);

  std::string text_;
  std::vector<Part> parts_;
  config::Place place_;
};

}  // namespace sluice::policy
