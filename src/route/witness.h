#pragma once
// A sample request that two alternatives both match, to show a person that they overlap. Made of the narrower one's
// patterns and then checked against both; "" when no sample was found (a regex may need more wit than is here).

#include <string>

#include "route/precedence.h"

namespace sluice::route {

// "GET http://api.example.com/users/1 with x-beta: 1".
std::string witness(const Alternative& narrow, const Alternative& wide);

}  // namespace sluice::route
