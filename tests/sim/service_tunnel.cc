// A service whose connection has become a WebSocket's.
#include <algorithm>

#include "service.h"

namespace sluice::sim {

void ServiceConnection::check_upgrade() {
  const Head& head = reader_.head;
  const std::string* const key = head.find("sec-websocket-key");
  if (!head.says("connection", "upgrade") || !head.says("upgrade", "websocket") ||
      !head.says("sec-websocket-version", "13") || key == nullptr)
    return ledger_.violate(plan_->tag, "a WebSocket asked for in the wrong way");
  if (answers_end_ > 0) ledger_.violate(plan_->tag, "a WebSocket on a connection that has served others");
  socket_accept_ = accept_of(*key);
}

void ServiceConnection::accept_socket() {
  const bool is_wrong = has_fault(ServiceFault::garbage) && plan_->service_fault_at % 2 == 0;
  if (is_wrong) std::ranges::reverse(socket_accept_);
  out_ = "HTTP/1.1 101 Word\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: " + socket_accept_ +
         "\r\nx-tag: " + std::to_string(plan_->tag) + "\r\n\r\n";
  if (has_fault(ServiceFault::garbage)) exchange_->is_broken_by_service = true;
  exchange_->is_wrongly_accepted |= is_wrong;
  if (has_fault(ServiceFault::slow)) exchange_->is_slowed_by_service = true;
  out_at_ = 0;
  ++exchange_->answers_begun;
  socket_.emplace(ledger_, *plan_, Side::answer);
  feed_tunnel({});
}

void ServiceConnection::feed_tunnel(std::string_view bytes) {
  socket_->feed(bytes);
  if (socket_->may_close() && !std::exchange(is_close_scheduled_, true))
    later(std::chrono::microseconds(plan_->hold), &ServiceConnection::close_tunnel);
  send_on_tunnel();
}

void ServiceConnection::close_tunnel() {
  if (is_finished_) return;  // a fault came first
  socket_->close(WebSocketEnd::normal);
  send_on_tunnel();
}

void ServiceConnection::send_on_tunnel() {
  out_ += socket_->take_output();
  if (descriptor_ >= 0 && !is_finished_) send_more();
}

// A server closes the connection first (RFC 6455 section 7.1.1).
void ServiceConnection::tunnel_sent() {
  if (!socket_->is_over() || is_finished_) return;
  exchange_->at_service.has_ended = true;
  is_finished_ = true;
  network_.shut_down_writing(descriptor_);
}

}  // namespace sluice::sim
