#pragma once
// A head in HTTP/2's form, from a canonical one: pseudo fields first, framing fields generated or left out (security
// invariant I2), nothing that could break a line of somebody who speaks HTTP/1 behind it (S26).

#include <array>
#include <vector>

#include "http/h2/session.h"
#include "http/message.h"

namespace sluice::http::h2 {

// Memory that the numbers of a head are written to.
struct HeadDigits {
  std::array<char, 4> status;
  std::array<char, 20> length;
  std::vector<char> path;  // with its query, when it has one
};

// Fills `out` with views into head and digits. `length`: Content-Length, or BodySize::unknown for none. False: a name
// or value holds what must not stand there.
bool response_fields(const ResponseHead& head, std::int64_t length, HeadDigits& digits, std::vector<HeaderField>& out);

// The same for a request. `scheme`: of the connection to the upstream. One for a WebSocket becomes an extended CONNECT
// (RFC 8441 section 4), which knows no key.
bool request_fields(const RequestHead& head, std::string_view scheme, HeadDigits& digits,
                    std::vector<HeaderField>& out);

// Names and values as they are in trailers; false as above.
bool plain_fields(const FieldList& fields, std::vector<HeaderField>& out);

}  // namespace sluice::http::h2
