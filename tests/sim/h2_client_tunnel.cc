// A WebSocket as a stream of HTTP/2.
#include <algorithm>

#include "h2_client.h"

namespace sluice::sim {

void H2Client::open_tunnel(std::int32_t id, Stream& stream) {
  Exchange& it = exchange(stream);
  if (!it.is_from_service || stream.plan->status != 200)
    ledger_.violate(stream.plan->tag, "a WebSocket that no service has accepted");
  it.status = 101;
  it.is_open = stream.is_open = true;
  if (!stream.socket) stream.socket.emplace(ledger_, *stream.plan, Side::request);
  feed_tunnel(id, stream, {});
}

void H2Client::feed_tunnel(std::int32_t id, Stream& stream, std::string_view bytes) {
  const bool was_over = stream.socket->is_over();
  stream.socket->feed(bytes);
  if (stream.socket->may_close() && !std::exchange(stream.is_close_scheduled, true))
    later(std::chrono::microseconds(stream.plan->hold), id, &H2Client::close_tunnel);
  stream.frames += stream.socket->take_output();
  if (stream.sent < stream.frames.size() || was_over != stream.socket->is_over()) session_->resume(id);
}

void H2Client::close_tunnel(std::int32_t id, Stream& stream) {
  stream.socket->close(WebSocketEnd::normal);
  feed_tunnel(id, stream, {});
}

std::string H2Client::next_frames(std::int32_t id, Stream& stream, std::size_t most, bool& is_last) {
  if (!stream.socket) return {};
  const RequestPlan& plan = *stream.plan;
  const ClientFault fault = plan.fault;
  const bool is_cut =
      fault == ClientFault::reset_sending || fault == ClientFault::end_sending || fault == ClientFault::stall_sending;
  const auto fault_at = static_cast<std::size_t>(plan.fault_at);
  const std::size_t limit = is_cut ? std::min(stream.frames.size(), fault_at) : stream.frames.size();
  std::size_t count = std::min({most, static_cast<std::size_t>(std::max(plan.piece, 1)), limit - stream.sent});
  const bool is_slow = fault == ClientFault::slow_sending;
  if (is_slow) count = std::min(count, std::max<std::size_t>(stream.frames.size() / 60, 1));
  const std::string piece = stream.frames.substr(stream.sent, count);
  stream.sent += count;
  if (is_cut && stream.sent == fault_at) {
    stream.is_ruined = true;
    later(Duration(0), id, &H2Client::ruin_sending);
    return piece;
  }
  is_last = stream.sent == stream.frames.size() && stream.socket->is_over();
  if (is_slow && !is_last && count > 0) {
    stream.is_held = true;
    later(std::chrono::milliseconds(20), id, &H2Client::send_on);
  }
  return piece;
}

// END_STREAM of the gateway.
void H2Client::tunnel_over(Stream& stream) {
  Exchange& it = exchange(stream);
  stream.socket->note_end();
  if (it.at_client.close == WebSocketEnd::normal && stream.socket->is_over()) it.answer = Exchange::Answer::whole;
}

}  // namespace sluice::sim
