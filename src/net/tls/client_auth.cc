#include "net/tls/client_auth.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "net/tls/tls_stream.h"

namespace sluice::net::tls {

namespace {

// Each certificate is trusted, and told to clients as one whose children are taken. How many there were.
int add_authorities(SSL_CTX* context, const std::string& pem) {
  BIO* const source = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  int count = 0;
  while (X509* const one = PEM_read_bio_X509(source, nullptr, nullptr, nullptr)) {
    count += X509_STORE_add_cert(SSL_CTX_get_cert_store(context), one) == 1 && SSL_CTX_add_client_CA(context, one) == 1;
    X509_free(one);
  }
  ERR_clear_error();  // the end of the text is one
  BIO_free(source);
  return count;
}

int add_revoked(SSL_CTX* context, const std::string& pem) {
  BIO* const source = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  int count = 0;
  while (X509_CRL* const one = PEM_read_bio_X509_CRL(source, nullptr, nullptr, nullptr)) {
    count += X509_STORE_add_crl(SSL_CTX_get_cert_store(context), one);
    X509_CRL_free(one);
  }
  ERR_clear_error();
  BIO_free(source);
  return count;
}

bool has_allowed_name(X509* certificate, const std::vector<std::string>& patterns) {
  auto* const names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
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

const char* set_up_client_auth(ssl_ctx_st* context, const ClientAuthSettings& settings) {
  if (settings.mode == ClientAuth::none) return nullptr;
  if (add_authorities(context, settings.authorities) == 0) return "holds no certificate in PEM form";
  SSL_CTX_set_verify_depth(context, settings.depth);
  if (settings.revoked.empty()) return nullptr;
  if (add_revoked(context, settings.revoked) == 0) return "holds no list of revoked certificates in PEM form";
  X509_STORE_set_flags(SSL_CTX_get_cert_store(context), X509_V_FLAG_CRL_CHECK);
  return nullptr;
}

// Such sessions are never resumed: a certificate may be revoked meanwhile. And no ticket of another policy opens this
// one, since the context of its session is another (row T01).
void demand_certificate(ssl_st* handshake, const ClientAuthSettings& settings) {
  static constexpr unsigned char policy[] = "client certificates";
  const int required = settings.mode == ClientAuth::required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
  SSL_set_verify(handshake, SSL_VERIFY_PEER | required, check_name);
  SSL_set_session_id_context(handshake, policy, sizeof policy);
  SSL_set_options(handshake, SSL_OP_NO_TICKET);
  SSL_set_num_tickets(handshake, 0);
}

}  // namespace sluice::net::tls
