#pragma once
// Whether one pattern matches one request, asked directly. For explain and the analysis; the router has its own,
// compiled way.

#include <cstdint>
#include <string_view>

#include "http/message.h"
#include "route/config.h"

namespace sluice::route {

// nullptr is no condition, and matches.
bool host_matches(const HostPattern* pattern, std::string_view host);
bool path_matches(const PathPattern* pattern, const http::Request& request);

}  // namespace sluice::route
