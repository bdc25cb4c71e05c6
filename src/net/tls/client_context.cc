#include "net/tls/client_context.h"

#include <openssl/ssl.h>

#include "net/tls/protocol_list.h"
#include "net/tls/tls_stream.h"

namespace sluice::net::tls {

int keep_session(ssl_st* connection, ssl_session_st* session);  // tls_stream.cc

ClientContext::ClientContext(const ClientSettings& settings)
    : settings_(settings), protocols_(wire_form(settings.protocols)), context_(SSL_CTX_new(TLS_client_method())) {}

ClientContext::~ClientContext() { SSL_CTX_free(context_); }

std::expected<std::shared_ptr<ClientContext>, const char*> ClientContext::make(
    const ClientSettings& settings, std::shared_ptr<const ClientCredentials> credentials) {
  std::shared_ptr<ClientContext> made(new ClientContext(settings));
  if (made->context_ == nullptr) return std::unexpected("OpenSSL is out of memory");
  if (const char* const fault = made->set_up()) return std::unexpected(fault);
  made->credentials_ = std::move(credentials);
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
  const bool is_good = SSL_CTX_set_min_proto_version(
                           context, settings_.min_version == Version::v1_3 ? TLS1_3_VERSION : TLS1_2_VERSION) == 1 &&
                       SSL_CTX_set_cipher_list(context, default_ciphers) == 1 &&
                       SSL_CTX_set_ciphersuites(context, default_cipher_suites) == 1 &&
                       SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") == 1;
  return is_good ? nullptr : "OpenSSL refuses these settings";
}

std::shared_ptr<const ClientCredentials> ClientContext::credentials() const {
  const std::lock_guard guard(mutex_);
  return credentials_;
}

void ClientContext::replace_credentials(std::shared_ptr<const ClientCredentials> credentials) {
  const std::lock_guard guard(mutex_);
  credentials_.swap(credentials);
}

}  // namespace sluice::net::tls
