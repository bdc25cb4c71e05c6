#pragma once
// TLS over any stream: a net::Stream that encrypts what is written and decrypts what comes, on every backend alike.
//
//   - on_connected() says that the handshake is done; security() tells what came of it. Until then nothing else is
//     heard but on_failed(). There is no deadline here: whoever waits has one.
//   - The peer's close_notify is on_end(); a connection that ends without one is on_failed(), however it ended, so that
//     nobody takes a truncated message for a whole one (row S27).
//   - What one turn of the loop writes leaves in as few records as hold it.
//   - Between messages a connection holds no buffer.

#include <memory>
#include <string_view>

#include "net/loop.h"
#include "net/security.h"
#include "net/stream.h"
#include "net/tls/client_context.h"
#include "net/tls/client_sessions.h"
#include "net/tls/server_context.h"

namespace sluice::net::tls {

// Takes over a connection that was accepted. It is not read before set_handler().
StreamPtr accept(Loop& loop, StreamPtr stream, std::shared_ptr<const ServerContext> context);

// What one connection has for itself. Views for the call.
struct Opening {
  std::string_view protocol{};     // offered by ALPN in place of the context's; empty: those
  std::string_view first_bytes{};  // sent in the clear before the handshake
};

// Connects, and shakes hands. A peer that is not who it should be is on_failed() with Code::denied and the check that
// failed as its text; nothing was sent to it then. `sessions` is of this loop and outlives the stream.
StreamPtr connect(Loop& loop, const Address& to, StreamHandler& handler, std::shared_ptr<const ClientContext> context,
                  ClientSessions& sessions, const Opening& opening = {});

}  // namespace sluice::net::tls
