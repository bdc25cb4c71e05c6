#include "route/conditions.h"

#include <algorithm>

#include "config/diagnostic.h"
#include "route/query.h"

namespace sluice::route {
namespace {

constexpr std::size_t shown_bytes = 80;  // of a value in an explanation

bool is_name_of(const http::Field& field, http::FieldId id, std::string_view name) {
  return id != http::FieldId::other ? field.id == id : field.name == name;
}

std::string quoted(std::string_view value) {
  std::string text = "'";
  config::append_printable(text, value.substr(0, shown_bytes));
  return text += value.size() > shown_bytes ? "..." : "'";
}

}  // namespace

Conditions::Conditions(const MatchConfig& match) {
  for (const MethodName& method : match.method) {
    const http::Method known = http::method_of(method.name);
    if (known == http::Method::other) {
      other_methods_.push_back(method.name);
    } else {
      methods_ |= static_cast<std::uint16_t>(1u << static_cast<unsigned>(known));
    }
  }
  for (const NamedMatch& one : match.header.list) headers_.emplace_back(one.name, http::field_id(one.name), one.match);
  for (const NamedMatch& one : match.query.list) queries_.emplace_back(one.name, http::FieldId::other, one.match);
  is_empty_ = match.method.empty() && headers_.empty() && queries_.empty();
}

Conditions::Failure Conditions::find_failure(const http::Request& request, Arena& arena) const {
  if (!method_holds(request)) return {Stage::method, 0};
  for (std::uint32_t i = 0; i < headers_.size(); ++i)
    if (!header_holds(headers_[i], request.fields)) return {Stage::header, i};
  for (std::uint32_t i = 0; i < queries_.size(); ++i)
    if (!query_holds(queries_[i], request, arena)) return {Stage::query, i};
  return {};
}

bool Conditions::method_holds(const http::Request& request) const {
  if (methods_ == 0 && other_methods_.empty()) return true;
  if (request.method != http::Method::other) return (methods_ >> static_cast<unsigned>(request.method)) & 1u;
  return std::ranges::find(other_methods_, request.method_name) != other_methods_.end();
}

bool Conditions::header_holds(const Condition& condition, const http::FieldList& fields) {
  const bool wants_none = condition.match.kind == StringMatch::Kind::absent;
  for (const http::Field& field : fields) {
    if (!is_name_of(field, condition.id, condition.name)) continue;
    if (wants_none) return false;
    if (condition.match.holds(field.value)) return true;
  }
  return wants_none;
}

bool Conditions::query_holds(const Condition& condition, const http::Request& request, Arena& arena) {
  const bool wants_none = condition.match.kind == StringMatch::Kind::absent;
  for (std::string_view rest = request.query; !rest.empty();) {
    const QueryParameter one = take_parameter(rest);
    if (!decodes_to(one.name, condition.name)) continue;
    if (wants_none) return false;
    if (condition.match.kind == StringMatch::Kind::present || condition.match.holds(decode(one.value, arena)))
      return true;
  }
  return wants_none;
}

std::string Conditions::describe(Failure failure, const http::Request& request, Arena& arena) const {
  if (failure.stage == Stage::none) return {};
  if (failure.stage == Stage::method) return "method " + quoted(request.method_name) + " is not listed";
  const bool is_header = failure.stage == Stage::header;
  const Condition& condition = (is_header ? headers_ : queries_)[failure.index];
  std::string text = (is_header ? "header " : "query ") + condition.name + ": want " + condition.match.describe();
  std::string values;
  const auto note = [&](std::string_view value) { (values += values.empty() ? "" : ", ") += quoted(value); };
  if (is_header) {
    for (const http::Field& field : request.fields)
      if (is_name_of(field, condition.id, condition.name)) note(field.value);
  } else {
    for (std::string_view rest = request.query; !rest.empty();) {
      const QueryParameter one = take_parameter(rest);
      if (decodes_to(one.name, condition.name)) note(decode(one.value, arena));
    }
  }
  return text += values.empty() ? ", it is absent" : ", got " + values;
}

}  // namespace sluice::route
