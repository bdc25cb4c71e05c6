#pragma once
// The key `tls` of an upstream: what a user may write. In force it is a net::tls::ClientContext.

#include <array>
#include <string>
#include <tuple>

#include "config/value.h"
#include "upstream/tls_version.h"

namespace sluice::upstream {

struct UpstreamTlsConfig {
  config::Located<std::string> ca;
  config::Located<std::string> server_name;
  config::Located<std::string> cert;
  config::Located<std::string> key;
  net::tls::Version min_version = net::tls::Version::v1_2;
  bool insecure_skip_verify = false;
  config::Place place;

  static constexpr const char* doc = "How the endpoints are spoken to in private.";
  static constexpr auto fields() {
    using config::field;
    return std::tuple{
        field("ca", &UpstreamTlsConfig::ca,
              "PEM file with the authorities that may vouch for the endpoints. By default those that the system trusts.")
            .example("/etc/sluice/internal-ca.pem"),
        field("server_name", &UpstreamTlsConfig::server_name,
              "The name that is asked for (SNI) and that the endpoint's certificate must have. By default it must have "
              "the endpoint's address.")
            .example("users.internal"),
        field("cert", &UpstreamTlsConfig::cert,
              "PEM file with the gateway's own certificate, for endpoints that ask who it is."),
        field("key", &UpstreamTlsConfig::key, "PEM file with its private key. Nobody else may be able to read it."),
        field("min_version", &UpstreamTlsConfig::min_version, "Oldest TLS version that is spoken."),
        field("insecure_skip_verify", &UpstreamTlsConfig::insecure_skip_verify,
              "Takes any certificate from anybody: who stands between can read and change everything. For a try only."),
    };
  }
  static config::Fault check(const UpstreamTlsConfig& config);
};

}  // namespace sluice::upstream
