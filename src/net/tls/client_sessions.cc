#include "net/tls/client_sessions.h"

#include <openssl/ssl.h>

#include <utility>

namespace sluice::net::tls {

ClientSessions::~ClientSessions() { clear(); }

void ClientSessions::clear() {
  for (auto& [key, kept] : sessions_) SSL_SESSION_free(kept.session);
  sessions_.clear();
}

void ClientSessions::keep(const Origin& origin, const Address& peer, ssl_session_st* session) {
  if (sessions_.size() >= most) clear();
  Kept& kept = sessions_[{origin.context.get(), peer.ip, peer.port}];
  kept.origin = origin;
  SSL_SESSION_free(std::exchange(kept.session, session));
}

ssl_session_st* ClientSessions::take(const Origin& origin, const Address& peer) {
  const auto found = sessions_.find({origin.context.get(), peer.ip, peer.port});
  if (found == sessions_.end()) return nullptr;
  const Kept kept = std::move(found->second);
  sessions_.erase(found);
  if (kept.origin.credentials == origin.credentials) return kept.session;
  SSL_SESSION_free(kept.session);
  return nullptr;
}

}  // namespace sluice::net::tls
