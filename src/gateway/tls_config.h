#pragma once
// The key `tls` of a listener: what a user may write. In force it is a net::tls::ServerContext (tls_compiler.h).

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "config/value.h"
#include "net/tls/server_context.h"
#include "upstream/tls_version.h"

namespace sluice::net::tls {
constexpr auto enum_names(ClientAuth) {
  using config::EnumName;
  return std::array{EnumName{ClientAuth::required, "required"}, EnumName{ClientAuth::optional, "optional"}};
}
}  // namespace sluice::net::tls

namespace sluice::gateway {

// Two PEM files that belong together.
struct CertificateConfig {
  config::Located<std::string> cert;
  config::Located<std::string> key;
  config::Located<std::string> ocsp;

  static constexpr const char* doc = "A certificate and its private key.";
  static constexpr auto fields() {
    using config::field;
    return std::tuple{
        field("cert", &CertificateConfig::cert, "PEM file with the certificate first, then those that lead to a root.")
            .required()
            .non_empty()
            .example("/etc/sluice/example.com.pem"),
        field("key", &CertificateConfig::key, "PEM file with its private key. Nobody else may be able to read it.")
            .required()
            .non_empty()
            .example("/etc/sluice/example.com.key"),
        field("ocsp", &CertificateConfig::ocsp,
              "DER file with an OCSP response about the certificate, shown to clients that ask (stapling) until it is "
              "out "
              "of date. `cert` must then hold the issuer's certificate too.")
            .example("/etc/sluice/example.com.ocsp"),
    };
  }
};

// Which certificates clients must have of their own.
struct ClientCertificatesConfig {
  config::Located<std::string> ca;
  net::tls::ClientAuth mode = net::tls::ClientAuth::required;
  std::uint32_t depth = 4;
  config::Located<std::string> crl;
  std::vector<std::string> names;
  std::vector<std::string> hosts;
  config::Place place;

  static constexpr const char* doc = "Certificates that clients have of their own.";
  static constexpr auto fields() {
    using config::field;
    return std::tuple{
        field("ca", &ClientCertificatesConfig::ca, "PEM file with the authorities that may vouch for clients.")
            .required()
            .non_empty()
            .example("/etc/sluice/clients-ca.pem"),
        field(
            "mode", &ClientCertificatesConfig::mode,
            "`required`: who has none gets no connection. `optional`: it may, but a bad one is refused all the same."),
        field("depth", &ClientCertificatesConfig::depth, 0u, 16u,
              "Most authorities between a client's certificate and the root."),
        field("crl", &ClientCertificatesConfig::crl,
              "PEM file with lists of revoked certificates, one for each authority that signs clients. One that is out "
              "of date lets nobody in."),
        field(
            "names", &ClientCertificatesConfig::names,
            "Subject alternative names (DNS, URI, mail), one of which a client must have. `*.a` stands for one label, "
            "a `*` at the end for anything. By default any will do.")
            .one_or_many()
            .non_empty()
            .example("[\"*.clients.internal\", \"spiffe://prod/*\"]"),
        field("hosts", &ClientCertificatesConfig::hosts,
              "Names asked for (SNI) for which this holds; by default all. A request for such a host on a connection "
              "made for another is answered 421.")
            .one_or_many()
            .non_empty()
            .example("[admin.example.com]"),
    };
  }
};

struct ListenerTlsConfig {
  std::vector<CertificateConfig> certificates;
  net::tls::Version min_version = net::tls::Version::v1_2;
  config::Located<std::string> ciphers;
  config::Located<std::string> cipher_suites;
  std::chrono::milliseconds handshake_timeout{10'000};
  config::Located<std::string> ticket_keys;
  bool staple = true;
  std::optional<ClientCertificatesConfig> client_certificates;

  static constexpr const char* doc = "How clients are spoken to in private: HTTPS.";
  static constexpr auto fields() {
    using config::field;
    using std::chrono::hours;
    using std::chrono::milliseconds;
    return std::tuple{
        field("certificates", &ListenerTlsConfig::certificates,
              "One or more, each for the names that stand in it. A client gets the one for the name that it asks for, "
              "exact before `*.`; the first one when it asks for none, or for an unknown one. Of several for one name "
              "it gets the ECDSA one where it can. Files that change are taken over at once.")
            .required()
            .non_empty()
            .one_or_many(),
        field("min_version", &ListenerTlsConfig::min_version, "Oldest TLS version that is spoken."),
        field("ciphers", &ListenerTlsConfig::ciphers,
              "Ciphers of TLS 1.2 in OpenSSL's words, the preferred first. By default those with forward secrecy and "
              "authenticated encryption.")
            .example("ECDHE+AESGCM"),
        field("cipher_suites", &ListenerTlsConfig::cipher_suites,
              "Cipher suites of TLS 1.3, the preferred first. By default all of them.")
            .example("TLS_AES_256_GCM_SHA384"),
        field("handshake_timeout", &ListenerTlsConfig::handshake_timeout, milliseconds{10}, hours{1},
              "Time for the TLS handshake, from the connection's first moment. Past it the connection is cut."),
        field(
            "ticket_keys", &ListenerTlsConfig::ticket_keys,
            "File with the keys that session tickets are sealed with, for gateways that resume each other's sessions: "
            "80 random bytes for each (as nginx has them), up to 16. The first seals, all open. Nobody else may be "
            "able "
            "to read it. By default they are random and replaced each hour.")
            .example("/etc/sluice/ticket.keys"),
        field(
            "staple", &ListenerTlsConfig::staple,
            "Whether the authority of a certificate that names an OCSP responder is asked about it, and its word shown "
            "to clients (stapling), so that they need not ask. `cert` must hold the issuer's certificate too. One that "
            "has a file for it, `ocsp`, is not asked about."),
        field("client_certificates", &ListenerTlsConfig::client_certificates,
              "Certificates that clients must, or may, show (mutual TLS). By default they are not asked."),
    };
  }
};

}  // namespace sluice::gateway
