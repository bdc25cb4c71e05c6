#pragma once
// What all handshakes of one listener have in common: versions, ciphers, protocols, tickets, and what files give now:
// its certificates, and who may vouch for clients. Made by the control thread with a plan, shared by the workers. What
// files gave may be replaced while it is in use; handshakes in progress go on with what they began with.
//
// Never: renegotiation, compression, early data (0-RTT), TLS 1.1 and older (rows T03).

#include <expected>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "net/tls/certificate_table.h"
#include "net/tls/client_auth.h"
#include "net/tls/ticket_keys.h"
#include "net/tls/trust.h"

struct ssl_ctx_st;

namespace sluice::net::tls {

enum class Version : std::uint8_t { v1_2, v1_3 };

struct ServerSettings {
  Version min_version = Version::v1_2;
  std::string ciphers;                 // of TLS 1.2, in OpenSSL's words; "": default_ciphers
  std::string cipher_suites;           // of TLS 1.3; "": default_cipher_suites
  std::vector<std::string> protocols;  // for ALPN, the preferred first
  std::string policy;                  // a ticket is good only where this is the same (row T01)
  std::shared_ptr<TicketKeys> tickets;
  ClientAuthSettings client_auth;
};
// Forward secret and authenticated ones only. AES-128 before AES-256: as safe, and a third cheaper.
inline constexpr const char* default_ciphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
inline constexpr const char* default_cipher_suites =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
// Whether OpenSSL knows one of them at least.
bool is_cipher_list(const std::string& ciphers);
bool is_cipher_suite_list(const std::string& suites);

class ServerContext {
 public:
  // errors  what OpenSSL cannot use, as text
  // `trust`: who may vouch for clients; null where none shows a certificate.
  static std::expected<std::shared_ptr<ServerContext>, const char*> make(
      const ServerSettings& settings, std::shared_ptr<const CertificateTable> certificates,
      std::shared_ptr<const Trust> trust = nullptr);
  ServerContext(const ServerContext&) = delete;
  ~ServerContext();

  ssl_ctx_st* native() const { return context_; }
  const ClientAuthSettings& client_auth() const { return settings_.client_auth; }
  // Any thread. Behind a lock: once for each handshake, never for a request.
  std::shared_ptr<const CertificateTable> certificates() const;
  void replace_certificates(std::shared_ptr<const CertificateTable> certificates);
  std::shared_ptr<const Trust> trust() const;
  void replace_trust(std::shared_ptr<const Trust> trust);

 private:
  explicit ServerContext(const ServerSettings& settings);
  const char* set_up();

  std::string protocols_;  // in wire form
  const std::shared_ptr<TicketKeys> tickets_;
  const ServerSettings settings_;
  ssl_ctx_st* context_;
  mutable std::mutex mutex_;
  std::shared_ptr<const CertificateTable> certificates_;
  std::shared_ptr<const Trust> trust_;

  friend struct ServerCallbacks;
};

}  // namespace sluice::net::tls
