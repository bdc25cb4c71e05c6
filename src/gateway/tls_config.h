#pragma once
// The key `tls` of a listener: what a user may write. In force it is a net::tls::ServerContext (tls_compiler.h).

#include <chrono>
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "config/value.h"
#include "net/tls/server_context.h"

namespace sluice::net::tls {
constexpr auto enum_names(Version) {
  using config::EnumName;
  return std::array{EnumName{Version::v1_2, "1.2"}, EnumName{Version::v1_3, "1.3"}};
}
}  // namespace sluice::net::tls

namespace sluice::gateway {

// Two PEM files that belong together.
struct CertificateConfig {
  config::Located<std::string> cert;
  config::Located<std::string> key;

  static constexpr const char* doc = "A certificate and its private key.";
  static constexpr auto fields() {
    using config::field;
    return std::tuple{
        field("cert", &CertificateConfig::cert,
              "PEM file with the certificate first, then those that lead to a root.")
            .required()
            .non_empty()
            .example("/etc/sluice/example.com.pem"),
        field("key", &CertificateConfig::key, "PEM file with its private key. Nobody else may be able to read it.")
            .required()
            .non_empty()
            .example("/etc/sluice/example.com.key"),
    };
  }
};

struct ListenerTlsConfig {
  std::vector<CertificateConfig> certificates;
  net::tls::Version min_version = net::tls::Version::v1_2;
  config::Located<std::string> ciphers;
  config::Located<std::string> cipher_suites;
  std::chrono::milliseconds handshake_timeout{10'000};

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
    };
  }
};

}  // namespace sluice::gateway
