#pragma once
// What all connections to one upstream have in common: whom they trust, which name they expect, who they say they are.
// Made by the control thread with a plan, shared by the workers; immutable.

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "net/tls/certificate.h"
#include "net/tls/server_context.h"

struct ssl_ctx_st;

namespace sluice::net::tls {

struct ClientSettings {
  Version min_version = Version::v1_2;
  std::string authorities;             // PEM; "": those that the system trusts
  std::string server_name;             // asked for (SNI) and expected; "": the address is expected, and no name asked for
  bool verifies = true;                // false: any certificate will do
  std::shared_ptr<const Certificate> certificate;  // shown when the peer asks for one; may be null
  std::vector<std::string> protocols;  // for ALPN, the preferred first; empty: none are offered
};

class ClientContext {
 public:
  // errors  what cannot be used, as text: no certificate in `authorities`, no authorities of the system
  static std::expected<std::shared_ptr<const ClientContext>, std::string> make(const ClientSettings& settings);
  ClientContext(const ClientContext&) = delete;
  ~ClientContext();

  ssl_ctx_st* native() const { return context_; }
  const ClientSettings& settings() const { return settings_; }
  const std::string& protocols() const { return protocols_; }  // in wire form

 private:
  explicit ClientContext(const ClientSettings& settings);
  const char* set_up();

  const ClientSettings settings_;
  const std::string protocols_;
  ssl_ctx_st* context_;
};

}  // namespace sluice::net::tls
