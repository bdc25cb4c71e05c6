#pragma once
// What may go wrong on a TLS connection, from a fixed list: the label of a metric, and the text for the log. An Error
// of a TLS stream carries the text as its `what`.

#include <span>

#include "base/result.h"

namespace sluice::net::tls {

struct Fault {
  const char* name;  // label: "no_shared_version"
  Code code;
  const char* what;
};

inline constexpr Fault fault_timeout{"timeout", Code::timed_out, "the TLS handshake was not complete in time"};
inline constexpr Fault fault_closed{"closed", Code::closed, "the connection ended during the TLS handshake"};
inline constexpr Fault fault_truncated{"truncated", Code::closed, "the connection ended without a TLS close_notify"};
inline constexpr Fault fault_not_tls{"not_tls", Code::unsupported, "the peer does not speak TLS"};
inline constexpr Fault fault_version{"no_shared_version", Code::unsupported, "no TLS version in common"};
inline constexpr Fault fault_cipher{"no_shared_cipher", Code::unsupported, "no TLS cipher or signature in common"};
inline constexpr Fault fault_protocol{"no_shared_protocol", Code::unsupported,
                                      "no application protocol in common (ALPN)"};
inline constexpr Fault fault_alert{"alert", Code::reset, "the peer refused by a TLS alert"};
inline constexpr Fault fault_client_certificate{"client_certificate", Code::denied,
                                                "the client's certificate is missing or was refused"};
inline constexpr Fault fault_malformed{"malformed", Code::malformed, "the peer broke the TLS protocol"};
inline constexpr Fault fault_flood{"flood", Code::exhausted, "too many TLS control messages"};
inline constexpr Fault fault_gateway{"gateway", Code::exhausted, "TLS failed on our side"};

// All of them.
std::span<const Fault* const> faults();
// The one whose text this is; null for what is none of TLS, such as a reset of the connection.
const Fault* find_fault(const char* what);

constexpr Error error_of(const Fault& fault) {
  return {.code = fault.code, .side = Side::upstream, .retryable = false, .what = fault.what};
}

// What OpenSSL's error queue of this thread says; empties it.
const Fault& take_fault();

}  // namespace sluice::net::tls
