#pragma once
// How a step on the data path says that it failed: a small value, never an exception.
// Not for configuration mistakes: those are config::Diagnostic, which carry a place and come all at once.

#include <cstdint>
#include <expected>
#include <utility>

namespace sluice {

enum class Side : std::uint8_t { client, gateway, upstream };  // who broke the exchange
enum class Code : std::uint8_t {
  malformed,    // bytes that break the protocol
  too_large,    // a limit on size or count was passed
  unsupported,  // well formed, but a feature this gateway refuses
  timed_out,
  refused,      // nobody listens there
  unreachable,  // no way there: no route, no such address
  reset,        // the peer cut the connection
  closed,       // the peer ended the connection in an orderly way, too early
  unavailable,  // no endpoint, no local port towards it, or shutting down
  denied,
  exhausted,  // out of descriptors, memory budget, queue space
};

// One failed step on the data path. Trivially copyable; never allocates.
struct Error {
  Code code;
  Side side;
  bool retryable = false;  // safe to try another endpoint; decided where the failure is seen
  const char* what = "";   // static text, lower case, no full stop
  bool is_unsent = false;  // with retryable: no byte of the request was handed on, so any method may be tried again
};

template <class T>
using Result = std::expected<T, Error>;

constexpr std::unexpected<Error> fail(Code code, Side side, const char* what, bool retryable = false) {
  return std::unexpected(Error{code, side, retryable, what});
}

}  // namespace sluice

#define SLUICE_CAT_(a, b) a##b
#define SLUICE_CAT(a, b) SLUICE_CAT_(a, b)
// SLUICE_TRY(auto value, expression): the value of a Result, or return its error to the caller.
#define SLUICE_TRY(decl, expr)                                                                 \
  auto SLUICE_CAT(try_, __LINE__) = (expr);                                                    \
  if (!SLUICE_CAT(try_, __LINE__)) return std::unexpected(SLUICE_CAT(try_, __LINE__).error()); \
  decl = *std::move(SLUICE_CAT(try_, __LINE__))
