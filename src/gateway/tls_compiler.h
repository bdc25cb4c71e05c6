#pragma once
// From `tls` of a listener to what its handshakes use. Control thread, while a plan is made.

#include <map>
#include <memory>
#include <string>

#include "config/diagnostic.h"
#include "gateway/tls_config.h"
#include "net/tls/certificate_store.h"
#include "net/tls/client_context.h"
#include "upstream/tls_config.h"

namespace sluice::gateway {

// What outlives plans: certificates by their files, and the keys that tickets are sealed with.
struct KeptTls {
  net::tls::CertificateStore certificates;
  std::shared_ptr<net::tls::TicketKeys> tickets;  // random ones; made when a listener first needs them
  std::map<std::string, std::shared_ptr<net::tls::TicketKeys>> tickets_by_file;
  // Contexts and what files gave for them: all that was ever published and may still be in use, so that none is freed
  // on a worker's thread.
  std::vector<std::shared_ptr<const void>> published;

  // Those to upstreams, by what the config says of them: one that stays the same keeps its connections, also when its
  // files change.
  struct ToUpstream {
    std::string name;  // "upstreams.users.tls": the first that wants it
    std::shared_ptr<net::tls::ClientContext> context;
  };
  std::map<std::string, ToUpstream> client_contexts;

  // Frees those that nobody uses any more.
  void sweep();
};

inline constexpr auto expiry_warning = std::chrono::hours(24 * 14);

// Null when something is wrong, which was said, each file at its place. Certificates that expire within
// `expiry_warning` are warned of. `protocols`: for ALPN, the preferred first. `path`: "listeners[0].tls".
//   cost  ~0.1 ms a certificate that was not read before, ~5 us one that was
std::shared_ptr<net::tls::ServerContext> compile_tls(const ListenerTlsConfig& config,
                                                     std::vector<std::string> protocols, const std::string& path,
                                                     KeptTls& kept, config::Diagnostics& diagnostics);

// The same for `tls` of an upstream. Where nothing has changed it is the one that was made before.
// `protocols`: as above.
std::shared_ptr<const net::tls::ClientContext> compile_tls(const upstream::UpstreamTlsConfig& config,
                                                           std::vector<std::string> protocols, const std::string& path,
                                                           KeptTls& kept, config::Diagnostics& diagnostics);

// What a file of `ticket_keys` holds now.
//   errors  what is wrong with it: "can be read by everybody on this machine"
std::expected<std::shared_ptr<const net::tls::TicketKeyList>, net::tls::CertificateFault> load_ticket_keys(
    const std::string& file);

// Seconds since 1970.
std::int64_t wall_seconds();

}  // namespace sluice::gateway
