#include "net/tls/server_context.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>

#include <cstring>
#include <ctime>

#include "net/tls/protocol_list.h"
#include "net/tls/tls_stream.h"

namespace sluice::net::tls {

// What OpenSSL asks during a handshake. On the worker's thread.
struct ServerCallbacks {
  // Before anything of the handshake is decided, resumption included.
  static int begin(SSL* handshake, int*, void*) {
    TlsStream& stream = TlsStream::of(handshake);
    const ClientAuthSettings& client_auth = stream.server_context().client_auth();
    if (!client_auth.applies_to(name_in_hello(handshake))) return SSL_CLIENT_HELLO_SUCCESS;
    demand_certificate(handshake, client_auth, stream.take_trust());
    stream.note_client_auth();
    return SSL_CLIENT_HELLO_SUCCESS;
  }

  // RFC 6066 section 3: the list's length, the type, the name's length, the name.
  static std::string name_in_hello(SSL* handshake) {
    const unsigned char* bytes = nullptr;
    std::size_t size = 0;
    constexpr std::size_t before = 5;
    if (SSL_client_hello_get0_ext(handshake, TLSEXT_TYPE_server_name, &bytes, &size) != 1 || size < before) return {};
    const std::size_t length = static_cast<std::size_t>(bytes[3]) << 8 | bytes[4];
    if (bytes[2] != TLSEXT_NAMETYPE_host_name || length > size - before) return {};
    return lower_case(std::string(reinterpret_cast<const char*>(bytes) + before, length).c_str());
  }

  // A name is taken note of whether or not there is a certificate for it: that is choose_certificate()'s affair.
  static int accept_name(SSL*, int*, void*) { return SSL_TLSEXT_ERR_OK; }

  static int choose_certificate(SSL* handshake, void*) {
    const CertificateTable* const table = TlsStream::of(handshake).certificates();
    if (table == nullptr) return 0;
    const char* const asked = SSL_get_servername(handshake, TLSEXT_NAMETYPE_host_name);
    bool has_one = false;
    for (const Certificate* const certificate : table->find(lower_case(asked)))
      has_one |= certificate != nullptr && certificate->use_for(handshake);
    return has_one ? 1 : 0;
  }

  // The client has asked what the authority says of the certificate that was chosen. Nothing is better than what is out
  // of date: that would make a strict client refuse.
  static int staple(SSL* handshake, void*) {
    const CertificateTable* const table = TlsStream::of(handshake).certificates();
    if (table == nullptr) return SSL_TLSEXT_ERR_NOACK;
    const char* const asked = SSL_get_servername(handshake, TLSEXT_NAMETYPE_host_name);
    for (const Certificate* const certificate : table->find(lower_case(asked))) {
      if (certificate == nullptr || !certificate->is(SSL_get_certificate(handshake))) continue;
      const auto known = certificate->staple();
      if (known == nullptr || known->expires_at() <= std::time(nullptr)) break;
      void* const copy = OPENSSL_memdup(known->der().data(), known->der().size());  // OpenSSL frees it
      SSL_set_tlsext_status_ocsp_resp(handshake, copy, static_cast<long>(known->der().size()));
      return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
  }

  static int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered,
                             unsigned int offered_size, void* context) {
    const std::string& ours = static_cast<const ServerContext*>(context)->protocols_;
    unsigned char* chosen = nullptr;
    const int result = SSL_select_next_proto(&chosen, out_size, reinterpret_cast<const unsigned char*>(ours.data()),
                                             static_cast<unsigned int>(ours.size()), offered, offered_size);
    *out = chosen;
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;  // RFC 7301 section 3.2
  }

  // RFC 5077 section 4: AES-256-CBC, HMAC-SHA-256. 1: done; 2: opened, and a new ticket is due; 0: unknown.
  static int seal_ticket(SSL* handshake, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                         EVP_MAC_CTX* mac, int seals) {
    static EVP_CIPHER* const aes = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
    const auto keys = TlsStream::of(handshake).server_context().tickets_->list();
    const TicketKey* key = &keys->current();
    if (seals != 0) {
      if (RAND_bytes(iv, 16) != 1) return -1;
      std::memcpy(name, key->name.data(), key->name.size());
      if (EVP_EncryptInit_ex2(cipher, aes, key->encryption.data(), iv, nullptr) != 1) return -1;
      return set_authentication(mac, *key);
    }
    key = keys->find(name);
    if (key == nullptr) return 0;
    if (EVP_DecryptInit_ex2(cipher, aes, key->encryption.data(), iv, nullptr) != 1) return -1;
    if (set_authentication(mac, *key) != 1) return -1;
    // RFC 8446 appendix C.4: a ticket should be used once only, so that connections cannot be linked by it.
    return SSL_version(handshake) == TLS1_3_VERSION || key != &keys->current() ? 2 : 1;
  }

  static int set_authentication(EVP_MAC_CTX* mac, const TicketKey& key) {
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, const_cast<unsigned char*>(key.authentication.data()),
                                          key.authentication.size()),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
    return EVP_MAC_CTX_set_params(mac, parameters);
  }
};

namespace {

template <class Set>
bool is_taken(const Set& set) {
  SSL_CTX* const trial = SSL_CTX_new(TLS_server_method());
  const bool is_good = trial != nullptr && set(trial) == 1;
  SSL_CTX_free(trial);
  ERR_clear_error();
  return is_good;
}

}  // namespace

bool is_cipher_list(const std::string& ciphers) {
  return is_taken([&](SSL_CTX* trial) { return SSL_CTX_set_cipher_list(trial, ciphers.c_str()); });
}

bool is_cipher_suite_list(const std::string& suites) {
  return is_taken([&](SSL_CTX* trial) { return SSL_CTX_set_ciphersuites(trial, suites.c_str()); });
}

ServerContext::ServerContext(const ServerSettings& settings)
    : protocols_(wire_form(settings.protocols)),
      tickets_(settings.tickets),
      settings_(settings),
      context_(SSL_CTX_new(TLS_server_method())) {}

ServerContext::~ServerContext() { SSL_CTX_free(context_); }

std::expected<std::shared_ptr<ServerContext>, const char*> ServerContext::make(
    const ServerSettings& settings, std::shared_ptr<const CertificateTable> certificates,
    std::shared_ptr<const Trust> trust) {
  std::shared_ptr<ServerContext> made(new ServerContext(settings));
  if (made->context_ == nullptr) return std::unexpected("OpenSSL is out of memory");
  if (const char* const fault = made->set_up()) return std::unexpected(fault);
  made->certificates_ = std::move(certificates);
  made->trust_ = std::move(trust);
  return made;
}

const char* ServerContext::set_up() {
  SSL_CTX* const context = context_;
  const auto text = [](const std::string& given, const char* by_default) {
    return given.empty() ? by_default : given.c_str();
  };
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                   SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_timeout(context, std::chrono::seconds(TicketKeys::ticket_lifetime).count());
  SSL_CTX_set_client_hello_cb(context, ServerCallbacks::begin, nullptr);
  SSL_CTX_set_cert_cb(context, ServerCallbacks::choose_certificate, nullptr);
  SSL_CTX_set_tlsext_status_cb(context, ServerCallbacks::staple);
  SSL_CTX_set_tlsext_servername_callback(context, ServerCallbacks::accept_name);
  SSL_CTX_set_alpn_select_cb(context, ServerCallbacks::choose_protocol, this);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ServerCallbacks::seal_ticket);
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(settings_.policy.data()), settings_.policy.size(), digest);
  const bool is_good = SSL_CTX_set_min_proto_version(
                           context, settings_.min_version == Version::v1_3 ? TLS1_3_VERSION : TLS1_2_VERSION) == 1 &&
                       SSL_CTX_set_cipher_list(context, text(settings_.ciphers, default_ciphers)) == 1 &&
                       SSL_CTX_set_ciphersuites(context, text(settings_.cipher_suites, default_cipher_suites)) == 1 &&
                       SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") == 1 &&
                       SSL_CTX_set_num_tickets(context, 1) == 1 &&
                       SSL_CTX_set_session_id_context(context, digest, sizeof digest) == 1;
  return is_good ? nullptr : "OpenSSL refuses these settings";
}

std::shared_ptr<const CertificateTable> ServerContext::certificates() const {
  const std::lock_guard guard(mutex_);
  return certificates_;
}

void ServerContext::replace_certificates(std::shared_ptr<const CertificateTable> certificates) {
  const std::lock_guard guard(mutex_);
  certificates_.swap(certificates);
}

std::shared_ptr<const Trust> ServerContext::trust() const {
  const std::lock_guard guard(mutex_);
  return trust_;
}

void ServerContext::replace_trust(std::shared_ptr<const Trust> trust) {
  const std::lock_guard guard(mutex_);
  trust_.swap(trust);
}

}  // namespace sluice::net::tls
