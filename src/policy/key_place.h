#pragma once
// Where clients put keys: parameters of the query (decoded, as application/x-www-form-urlencoded has them) and cookies
// (RFC 6265 section 5.4). To find them, and to take them out of what the upstream gets.

#include <algorithm>
#include <string_view>

#include "base/arena.h"
#include "http/message.h"

namespace sluice::policy {

// Decodes percent escapes and `+`; itself when there is nothing to decode, else in the arena.
std::string_view decode_form(std::string_view raw, Arena& arena);

// Calls visit(std::string_view value) for each parameter of that name, in order.
template <class Visit>
void each_query_parameter(std::string_view query, std::string_view name, Arena& arena, Visit visit) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    if (decode_form(pair.substr(0, equals), arena) == name)
      visit(decode_form(pair.substr(std::min(equals + 1, pair.size())), arena));
  }
}
// The query without those of that name; the others stay as they are, in their order.
void remove_query_parameter(http::RequestHead& request, std::string_view name, Arena& arena);
// For the log: a text with a query somewhere in it, the values of that name as ***. Itself when there are none.
std::string_view hide_query_parameter(std::string_view text, std::string_view name, Arena& arena);

// Calls visit(std::string_view value) for each cookie of that name; names compare with regard to case.
template <class Visit>
void each_cookie(const http::FieldList& fields, std::string_view name, Visit visit) {
  fields.each("cookie", [&](const http::Field& field) {
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(';'), rest.size());
      std::string_view pair = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      pair.remove_prefix(std::min(pair.find_first_not_of(" \t"), pair.size()));
      const std::size_t equals = pair.find('=');
      if (equals != std::string_view::npos && pair.substr(0, equals) == name) visit(pair.substr(equals + 1));
    }
  });
}
// Every cookie of that name; a field that had nothing else goes.
void remove_cookie(http::FieldList& fields, std::string_view name, Arena& arena);

}  // namespace sluice::policy
