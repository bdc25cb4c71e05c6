#include "net/tls/fault.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <string_view>

namespace sluice::net::tls {

std::span<const Fault* const> faults() {
  static constexpr const Fault* all[] = {
      &fault_timeout,  &fault_closed, &fault_truncated,          &fault_not_tls, &fault_version,   &fault_cipher,
      &fault_protocol, &fault_alert,  &fault_client_certificate, &fault_flood,   &fault_malformed, &fault_gateway};
  return all;
}

const Fault* find_fault(const char* what) {
  for (const Fault* const fault : faults())
    if (std::string_view(fault->what) == what) return fault;  // not by address: each room may have its own copy
  return nullptr;
}

const Fault& take_fault() {
  const unsigned long error = ERR_peek_error();
  ERR_clear_error();
  const int reason = ERR_GET_REASON(error);
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) return fault_malformed;
  if (reason >= SSL_AD_REASON_OFFSET) return fault_alert;
  switch (reason) {
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_UNKNOWN_PROTOCOL:
      return fault_not_tls;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_INAPPROPRIATE_FALLBACK:
      return fault_version;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_GROUPS:
      return fault_cipher;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
      return fault_client_certificate;
    case SSL_R_NO_APPLICATION_PROTOCOL:
      return fault_protocol;
    case SSL_R_CERT_CB_ERROR:
    case SSL_R_CALLBACK_FAILED:
    case ERR_R_MALLOC_FAILURE:
    case ERR_R_INTERNAL_ERROR:
      return fault_gateway;
    default:
      return fault_malformed;
  }
}

}  // namespace sluice::net::tls
