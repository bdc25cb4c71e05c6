// A client of HTTP/1 whose connection has become a WebSocket's.
#include "client.h"

namespace sluice::sim {

bool Client::open_tunnel() {
  const RequestPlan& request = answered();
  Exchange& it = exchange();
  const Head& head = reader_.head;
  if (!request.is_websocket || request.status != 200) ledger_.violate(request.tag, "101 that nobody asked for or gave");
  if (!head.says("connection", "upgrade") || !head.says("upgrade", "websocket") ||
      !head.says("sec-websocket-accept", accept_of(socket_key)))
    ledger_.violate(request.tag, "a WebSocket opened in the wrong way");
  if (!head.says("x-tag", std::to_string(request.tag))) ledger_.violate(request.tag, "the 101 of another exchange");
  it.status = 101;
  it.answer = Exchange::Answer::cut;
  it.is_open = it.is_from_service = true;
  is_tunnel_ = true;
  if (!socket_) socket_.emplace(ledger_, request, Side::request);
  feed_tunnel(reader_.take_rest());
  return false;
}

void Client::feed_tunnel(std::string_view bytes) {
  renew_patience();
  socket_->feed(bytes);
  if (socket_->may_close() && !std::exchange(is_close_scheduled_, true))
    later(std::chrono::microseconds(answered().hold), &Client::close_tunnel);
  send_on_tunnel();
}

void Client::close_tunnel() {
  if (has_finished_) return;  // a fault came first
  socket_->close(WebSocketEnd::normal);
  send_on_tunnel();
}

void Client::send_on_tunnel() {
  out_ += socket_->take_output();
  if (has_finished_ || out_at_ == out_.size()) return;
  is_sending_ = true;
  send_more();
}

// The service closes the connection first.
void Client::tunnel_over(bool is_reset) {
  Exchange& it = exchange();
  if (!is_reset && !was_reset_) socket_->note_end();
  if (it.at_client.close == WebSocketEnd::normal && socket_->is_over()) it.answer = Exchange::Answer::whole;
  connection_over();
}

}  // namespace sluice::sim
