#pragma once
// Reading the query of a request as form parameters: `a=1&b=2`. Split at `&` only: `;` is an ordinary character, as
// upstreams differ on it (P12). Names and values are compared after percent-decoding once, `+` read as a space; an
// escape that is none stays as it is. Order and duplicates are kept.
//   source  WHATWG URL, application/x-www-form-urlencoded parsing

#include <string_view>

#include "base/arena.h"

namespace sluice::route {

struct QueryParameter {
  std::string_view name, value;  // as sent
};

// Takes the first parameter off `query`, which must not be empty. Empty ones (`&&`) have an empty name.
QueryParameter take_parameter(std::string_view& query);

// Whether `raw`, decoded, is `plain`. No allocation.
bool decodes_to(std::string_view raw, std::string_view plain);

// `raw` decoded; itself when there is nothing to decode, else in the arena.
std::string_view decode(std::string_view raw, Arena& arena);

}  // namespace sluice::route
