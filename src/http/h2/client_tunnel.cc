#include "http/h2/client_tunnel.h"

#include <cstring>
#include <utility>

#include "http/h2/client_connection.h"

namespace sluice::http::h2 {

void ClientTunnel::pull() { stream_.pull_body(); }

void ClientTunnel::send(net::Buffer bytes) { stream_.send_body(std::move(bytes)); }

void ClientTunnel::send(std::string_view bytes) {
  net::Buffer copy = stream_.loop().make_buffer(bytes.size());
  std::memcpy(copy.block(), bytes.data(), bytes.size());
  copy.set_size(bytes.size());
  stream_.send_body(std::move(copy));
}

void ClientTunnel::finish() { stream_.send_end(nullptr); }

std::size_t ClientTunnel::unsent_bytes() const { return stream_.unsent_bytes(); }

void ClientTunnel::want_room() { stream_.want_room(); }

void ClientTunnel::close(Goodbye how) { how == Goodbye::flush ? stream_.leave() : stream_.cancel(); }

std::uint64_t ClientTunnel::sent_bytes() const { return stream_.sent_bytes(); }

std::uint64_t ClientTunnel::received_bytes() const { return stream_.received_bytes(); }

}  // namespace sluice::http::h2
