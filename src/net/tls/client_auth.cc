#include "net/tls/client_auth.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "net/tls/tls_stream.h"
#include "net/tls/trust.h"

namespace sluice::net::tls {

namespace {

bool has_allowed_name(X509* certificate, const std::vector<std::string>& patterns) {
  auto* const names =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  bool is_allowed = false;
  for (int i = 0; i < sk_GENERAL_NAME_num(names) && !is_allowed; ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_DNS && name->type != GEN_EMAIL && name->type != GEN_URI) continue;
    const std::string_view text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.ia5)),
                                static_cast<std::size_t>(ASN1_STRING_length(name->d.ia5)));
    is_allowed = std::ranges::any_of(patterns, [&](const std::string& one) { return is_name_allowed(one, text); });
  }
  GENERAL_NAMES_free(names);
  return is_allowed;
}

// Of each certificate on the way to the root; the client's own comes last, at depth 0.
int check_name(int is_good, X509_STORE_CTX* chain) {
  // A list that is there counts for authorities too; it must be there for the client's own certificate alone.
  if (is_good != 1 && X509_STORE_CTX_get_error(chain) == X509_V_ERR_UNABLE_TO_GET_CRL &&
      X509_STORE_CTX_get_error_depth(chain) > 0) {
    X509_STORE_CTX_set_error(chain, X509_V_OK);
    return 1;
  }
  if (is_good != 1 || X509_STORE_CTX_get_error_depth(chain) != 0) return is_good;
  const auto* const handshake =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const auto& names = TlsStream::of(handshake).server_context().client_auth().names;
  if (names.empty() || has_allowed_name(X509_STORE_CTX_get_current_cert(chain), names)) return 1;
  X509_STORE_CTX_set_error(chain, X509_V_ERR_APPLICATION_VERIFICATION);
  return 0;
}

}  // namespace

bool ClientAuthSettings::applies_to(std::string_view host) const {
  if (mode == ClientAuth::none) return false;
  return hosts.empty() ||
         std::ranges::any_of(hosts, [&](const std::string& pattern) { return is_name_allowed(pattern, host); });
}

bool is_name_allowed(std::string_view pattern, std::string_view name) {
  if (name.find('\0') != std::string_view::npos) return false;  // row T02
  if (pattern.starts_with("*.")) {
    const std::size_t dot = name.find('.');
    return dot != std::string_view::npos && dot > 0 && name.substr(dot) == pattern.substr(1);
  }
  if (pattern.ends_with('*')) return name.starts_with(pattern.substr(0, pattern.size() - 1));
  return name == pattern;
}

// Such sessions are never resumed: a certificate may be revoked meanwhile. And no ticket of another policy opens this
// one, since the context of its session is another (row T01).
void demand_certificate(ssl_st* handshake, const ClientAuthSettings& settings, const Trust& trust) {
  static constexpr unsigned char policy[] = "client certificates";
  const int required = settings.mode == ClientAuth::required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
  SSL_set_verify(handshake, SSL_VERIFY_PEER | required, check_name);
  SSL_set_verify_depth(handshake, settings.depth);
  trust.use_for(handshake);
  trust.name_authorities(handshake);
  SSL_set_session_id_context(handshake, policy, sizeof policy);
  SSL_set_options(handshake, SSL_OP_NO_TICKET);
  SSL_set_num_tickets(handshake, 0);
}

}  // namespace sluice::net::tls
