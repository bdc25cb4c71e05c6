#pragma once
// The sessions of one worker's connections to upstreams: the last that each endpoint gave, so that the next handshake
// is a short one. Only on the loop's thread; outlives the streams that refer to it.

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>

#include "net/address.h"
#include "net/tls/client_context.h"

struct ssl_session_st;

namespace sluice::net::tls {

class ClientSessions {
 public:
  static constexpr std::size_t most = 1024;  // of all endpoints; past it all are forgotten

  ClientSessions() = default;
  ClientSessions(const ClientSessions&) = delete;
  ~ClientSessions();

  // What a session is good for: who trusted whom when the peer was verified, which a short handshake does not do again.
  struct Origin {
    std::shared_ptr<const ClientContext> context;
    std::shared_ptr<const ClientCredentials> credentials;
  };

  // Takes the session over.
  void keep(const Origin& origin, const Address& peer, ssl_session_st* session);
  // Null when there is none. The caller frees it; it is kept no more, since a session should be used once only
  // (RFC 8446 appendix C.4).
  ssl_session_st* take(const Origin& origin, const Address& peer);

 private:
  struct Key {
    const ClientContext* context;
    std::array<std::uint8_t, 16> ip;
    std::uint16_t port;
    auto operator<=>(const Key&) const = default;
  };
  struct Kept {
    Origin origin;  // held, so that its addresses stay its own
    ssl_session_st* session = nullptr;
  };
  void clear();

  std::map<Key, Kept> sessions_;
};

}  // namespace sluice::net::tls
