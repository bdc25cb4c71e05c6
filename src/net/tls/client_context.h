#pragma once
// What all connections to one upstream have in common: whom they trust, which name they expect, who they say they are.
// Made by the control thread with a plan, shared by the workers. What files gave may be replaced while it is in use;
// connections that stand, and handshakes in progress, go on with what they began with.

#include <expected>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "net/tls/certificate.h"
#include "net/tls/server_context.h"
#include "net/tls/trust.h"

struct ssl_ctx_st;

namespace sluice::net::tls {

struct ClientSettings {
  Version min_version = Version::v1_2;
  std::string server_name;  // asked for (SNI) and expected; "": the address is expected, and no name asked for
  bool verifies = true;     // false: any certificate will do
  std::vector<std::string> protocols;  // for ALPN, the preferred first; empty: none are offered
};

// What files give, at one time.
struct ClientCredentials {
  std::shared_ptr<const Trust> trust;              // null where nothing is verified
  std::shared_ptr<const Certificate> certificate;  // shown when the peer asks for one; may be null
  bool operator==(const ClientCredentials&) const = default;
};

class ClientContext {
 public:
  // errors  what OpenSSL cannot use, as text
  static std::expected<std::shared_ptr<ClientContext>, const char*> make(
      const ClientSettings& settings, std::shared_ptr<const ClientCredentials> credentials);
  ClientContext(const ClientContext&) = delete;
  ~ClientContext();

  ssl_ctx_st* native() const { return context_; }
  const ClientSettings& settings() const { return settings_; }
  const std::string& protocols() const { return protocols_; }  // in wire form
  // Any thread. Behind a lock: once for each connection, never for a request.
  std::shared_ptr<const ClientCredentials> credentials() const;
  void replace_credentials(std::shared_ptr<const ClientCredentials> credentials);

 private:
  explicit ClientContext(const ClientSettings& settings);
  const char* set_up();

  const ClientSettings settings_;
  const std::string protocols_;
  ssl_ctx_st* context_;
  mutable std::mutex mutex_;
  std::shared_ptr<const ClientCredentials> credentials_;
};

}  // namespace sluice::net::tls
