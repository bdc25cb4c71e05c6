#include "net/tls/client_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "net/tls/protocol_list.h"
#include "net/tls/tls_stream.h"

namespace sluice::net::tls {

int keep_session(ssl_st* connection, ssl_session_st* session);  // tls_stream.cc

namespace {

// How many certificates of `pem` were added.
int add_authorities(X509_STORE* store, const std::string& pem) {
  BIO* const source = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  int count = 0;
  while (X509* const one = PEM_read_bio_X509(source, nullptr, nullptr, nullptr)) {
    count += X509_STORE_add_cert(store, one);
    X509_free(one);
  }
  ERR_clear_error();  // the end of the text is one
  BIO_free(source);
  return count;
}

}  // namespace

ClientContext::ClientContext(const ClientSettings& settings)
    : settings_(settings), protocols_(wire_form(settings.protocols)), context_(SSL_CTX_new(TLS_client_method())) {}

ClientContext::~ClientContext() { SSL_CTX_free(context_); }

std::expected<std::shared_ptr<const ClientContext>, std::string> ClientContext::make(const ClientSettings& settings) {
  std::shared_ptr<ClientContext> made(new ClientContext(settings));
  if (made->context_ == nullptr) return std::unexpected("OpenSSL is out of memory");
  if (const char* const fault = made->set_up()) return std::unexpected(fault);
  return made;
}

const char* ClientContext::set_up() {
  SSL_CTX* const context = context_;
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // Sessions are kept by whoever connects, one worker each (client_sessions.h).
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, keep_session);
  SSL_CTX_set_verify(context, settings_.verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (settings_.verifies) {
    if (settings_.authorities.empty()) {
      if (SSL_CTX_set_default_verify_paths(context) != 1) return "the system's authorities cannot be read";
    } else if (add_authorities(SSL_CTX_get_cert_store(context), settings_.authorities) == 0) {
      return "holds no certificate in PEM form";
    }
  }
  const bool is_good =
      SSL_CTX_set_min_proto_version(
          context, settings_.min_version == Version::v1_3 ? TLS1_3_VERSION : TLS1_2_VERSION) == 1 &&
      SSL_CTX_set_cipher_list(context, default_ciphers) == 1 &&
      SSL_CTX_set_ciphersuites(context, default_cipher_suites) == 1 &&
      SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") == 1;
  return is_good ? nullptr : "OpenSSL refuses these settings";
}

}  // namespace sluice::net::tls
