#include "gateway/tls_handshakes.h"

#include <utility>

#include "net/security.h"
#include "net/tls/fault.h"

namespace sluice::gateway {

TlsHandshakes::Handshake::Handshake(TlsHandshakes& of, net::StreamPtr made, Ticket number)
    : owner(of), stream(std::move(made)), ticket(number), timer(net::Timer::of<&Handshake::on_timeout>(this)) {}

void TlsHandshakes::Handshake::on_connected() { owner.succeed(*this); }

// The peer may be told why by an alert, which is on its way.
void TlsHandshakes::Handshake::on_failed(Error error) {
  const bool is_crowded = owner.loop_.leaving() >= most_goodbyes;
  owner.fail(*this, error, is_crowded ? net::Stream::Goodbye::abort : net::Stream::Goodbye::flush_and_close);
}

void TlsHandshakes::Handshake::on_timeout() {
  owner.fail(*this, error_of(net::tls::fault_timeout), net::Stream::Goodbye::abort);
}

void TlsHandshakes::begin(net::StreamPtr stream, Ticket ticket, Duration timeout) {
  Handshake& handshake = all_.emplace_front(*this, std::move(stream), ticket);
  handshake.place = all_.begin();
  metrics_.tls_handshakes_open.add();
  loop_.set_timer(handshake.timer, timeout);
  handshake.stream->set_handler(handshake);
}

void TlsHandshakes::hurry(Duration most) {
  for (Handshake& handshake : all_)
    if (handshake.timer.due() > loop_.now() + most) loop_.set_timer(handshake.timer, most);
}

void TlsHandshakes::close_all() {
  while (!all_.empty()) fail(all_.front(), error_of(net::tls::fault_closed), net::Stream::Goodbye::abort);
}

void TlsHandshakes::succeed(Handshake& handshake) {
  net::StreamPtr stream = std::move(handshake.stream);
  const Ticket ticket = handshake.ticket;
  remove(handshake);
  const net::Security& security = *stream->security();
  metrics_.tls_handshakes[security.version == "1.3"][security.is_resumed].add();
  owner_.on_secured(std::move(stream), ticket);
}

void TlsHandshakes::fail(Handshake& handshake, const Error& error, net::Stream::Goodbye how) {
  const Ticket ticket = handshake.ticket;
  const net::Address client = handshake.stream->peer();
  metrics_.tls_failures[WorkerMetrics::tls_fault_number(error)].add();
  handshake.stream.release()->let_go(how);
  remove(handshake);
  owner_.on_handshake_failed(client, error, ticket);
}

void TlsHandshakes::remove(Handshake& handshake) {
  metrics_.tls_handshakes_open.subtract();
  all_.erase(handshake.place);
}

}  // namespace sluice::gateway
