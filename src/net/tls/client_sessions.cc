#include "net/tls/client_sessions.h"

#include <openssl/ssl.h>

#include <utility>

namespace sluice::net::tls {

ClientSessions::~ClientSessions() { clear(); }

void ClientSessions::clear() {
  for (auto& [key, kept] : sessions_) SSL_SESSION_free(kept.session);
  sessions_.clear();
}

void ClientSessions::keep(const std::shared_ptr<const ClientContext>& context, const Address& peer,
                          ssl_session_st* session) {
  if (sessions_.size() >= most) clear();
  Kept& kept = sessions_[{context.get(), peer.ip, peer.port}];
  kept.context = context;
  SSL_SESSION_free(std::exchange(kept.session, session));
}

ssl_session_st* ClientSessions::take(const ClientContext& context, const Address& peer) {
  const auto found = sessions_.find({&context, peer.ip, peer.port});
  if (found == sessions_.end()) return nullptr;
  ssl_session_st* const session = found->second.session;
  sessions_.erase(found);
  return session;
}

}  // namespace sluice::net::tls
