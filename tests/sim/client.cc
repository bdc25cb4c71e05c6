#include "client.h"

#include <algorithm>
#include <cerrno>

namespace sluice::sim {
namespace {

using namespace std::chrono_literals;
using Found = MessageReader::Found;

constexpr Duration slow_gap = 20ms;
constexpr int slow_steps = 60;
constexpr Duration continue_patience = 300ms;

std::string hex(std::size_t number) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  do text.insert(text.begin(), digits[number & 15]);
  while ((number >>= 4) != 0);
  return text;
}

}  // namespace

Client::Client(net::sim::Network& network, Ledger& ledger, const ClientPlan& plan, const net::Address& to, bool is_tls)
    : network_(network), ledger_(ledger), plan_(plan), to_(to), is_tls_(is_tls), wire_(network) {}

void Client::start() {
  network_.after(std::chrono::microseconds(plan_.at), [this] { connect(); });
}

void Client::later(Duration wait, void (Client::*what)()) {
  network_.after(wait, [this, what, epoch = epoch_] {
    if (epoch == epoch_) (this->*what)();
  });
}

void Client::renew_patience() {
  network_.after(patience, [this, mine = ++patience_] {
    if (mine == patience_) give_up();
  });
}

// ---- the connection
// ------------------------------------------------------------------------------------------------

void Client::connect() {
  if (!has_request_left()) {
    is_done_ = true;
    return;
  }
  if (++tries_ > 3) {  // the listener is gone: this request is not made
    tries_ = 0;
    ++next_;
    return connect();
  }
  ++epoch_;
  ++connections_;
  reader_ = {};
  out_.clear();
  out_at_ = 0;
  answering_ = next_;
  is_sending_ = is_begin_scheduled_ = has_finished_ = is_stalled_ = is_tick_scheduled_ = is_closing_ = was_reset_ =
      false;
  answer_from_ = 0;
  socket_.reset();
  is_tunnel_ = is_close_scheduled_ = false;
  descriptor_ = network_.connect(to_, *this);
  wire_.open(descriptor_, !is_tls_ ? "" : "http/1.1");
  renew_patience();
}

void Client::close(bool is_reset) {
  ++epoch_;
  ++patience_;
  network_.close_end(std::exchange(descriptor_, -1), is_reset);
}

void Client::connection_over() {
  for (int i = answering_; i < next_; ++i) {
    Exchange& it = ledger_.at(plan_.requests[static_cast<std::size_t>(i)].tag);
    it.answered_at = network_.now();
  }
  if (descriptor_ >= 0) close(false);
  network_.after(1ms, [this] { connect(); });
}

void Client::give_up() {
  if (next_ > answering_)
    ledger_.violate(answered().tag, "no answer and no end of the connection in 30 s");
  else if (!has_request_left())
    ledger_.violate(0, "an idle connection was not closed in 30 s");
  close(true);
  connection_over();
}

void Client::on_ready(int descriptor) {
  if (descriptor != descriptor_) return;
  using Connect = net::sim::Network::Connect;
  switch (network_.connect_state(descriptor)) {
    case Connect::pending:
      return;
    case Connect::failed:
      return connection_over();
    case Connect::made:
      break;
  }
  switch (wire_.advance()) {
    case Wire::State::opening:
      return;
    case Wire::State::failed:
      return connection_over();
    case Wire::State::open:
      break;
  }
  if (!is_sending_ && next_ == answering_) begin_request();
  if (is_sending_) send_more();
  if (descriptor == descriptor_ && !is_tick_scheduled_) read_more();
}

// ---- the requests
// --------------------------------------------------------------------------------------------------

void Client::begin_request() {
  if (!has_request_left() || is_closing_ || has_finished_ || is_sending_ || is_stalled_ || is_begin_scheduled_) return;
  const RequestPlan& request = plan_.requests[static_cast<std::size_t>(next_)];
  is_begin_scheduled_ = true;
  network_.after(std::chrono::microseconds(request.think), [this, epoch = epoch_, &request] {
    if (epoch != epoch_ || is_closing_) return;
    is_begin_scheduled_ = false;
    Exchange& it = ledger_.at(request.tag);
    it.oldest_generation = ledger_.live_generation();
    it.begun_at = network_.now();
    it.is_begun = true;
    it.connection = connections_;
    tries_ = 0;
    ++next_;
    is_sending_ = true;
    write_request(request);
    renew_patience();
    send_more();
  });
}

void Client::write_request(const RequestPlan& request) {
  const std::string tag = std::to_string(request.tag);
  out_ = std::string(method_names[static_cast<std::size_t>(request.method)]) + " /r" + std::to_string(request.route) +
         "/t" + tag + (request.is_http10 ? "- HTTP/1.0\r\n" : "- HTTP/1.1\r\n") + "Host: sim.example\r\nX-Tag: " + tag +
         "\r\n";
  if (request.expects_continue) out_ += "Expect: 100-continue\r\n";
  if (request.is_websocket)
    out_ += "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
            std::string(socket_key) + "\r\n";
  const auto body = static_cast<std::size_t>(request.is_websocket ? 0 : request.body);
  if (request.is_chunked)
    out_ += "Transfer-Encoding: chunked\r\n";
  else if (body > 0)
    out_ += "Content-Length: " + std::to_string(body) + "\r\n";
  out_ += "\r\n";
  const std::size_t head = out_.size();
  held_at_ = request.expects_continue ? head : std::string::npos;
  const auto piece = static_cast<std::size_t>(std::max(request.piece, 1));
  const bool is_garbage = request.fault == ClientFault::garbage && !request.is_websocket;
  bool is_spoilt = false;
  for (std::size_t at = 0; at < body; at += piece) {
    const std::size_t count = std::min(piece, body - at);
    if (request.is_chunked) {
      const bool spoils = is_garbage && !is_spoilt && out_.size() >= static_cast<std::size_t>(request.fault_at);
      is_spoilt |= spoils;
      out_ += (spoils ? "zz" : hex(count)) + "\r\n";
    }
    out_ += body_of(request.tag, Side::request, at, count);
    if (request.is_chunked) out_ += "\r\n";
  }
  if (request.is_chunked) out_ += "0\r\n\r\n";
  if (is_garbage && !is_spoilt)
    out_.insert(std::min<std::size_t>(static_cast<std::size_t>(request.fault_at), head - 4), "\x01");
  out_at_ = 0;
  if (request.is_websocket && request.is_eager) out_ += socket_.emplace(ledger_, request, Side::request).take_output();
  if (request.expects_continue) later(continue_patience, &Client::continue_anyway);
}

void Client::continue_anyway() {
  held_at_ = std::string::npos;
  if (is_sending_) send_more();
}

void Client::send_more() {
  const RequestPlan& request = sending();
  const ClientFault fault = request.fault;
  const bool is_cut =
      fault == ClientFault::reset_sending || fault == ClientFault::end_sending || fault == ClientFault::stall_sending;
  const std::size_t limit = is_cut ? std::min(out_.size(), static_cast<std::size_t>(request.fault_at)) : out_.size();
  while (!is_stalled_ && out_at_ < std::min(limit, held_at_)) {
    std::size_t count = std::min(limit, held_at_) - out_at_;
    if (fault == ClientFault::slow_sending) count = std::min(count, std::max<std::size_t>(out_.size() / slow_steps, 1));
    const ssize_t taken = wire_.send(std::string_view(out_).substr(out_at_, count));
    if (taken == -EAGAIN) return;
    if (taken < 0) {      // the gateway takes no more: its answer may still be there
      was_reset_ = true;  // told once: what can still be read ends like an orderly end
      is_sending_ = false;
      has_finished_ = true;
      return;
    }
    out_at_ += static_cast<std::size_t>(taken);
    if (fault == ClientFault::slow_sending && out_at_ < limit) return later(slow_gap, &Client::send_more);
    if (static_cast<std::size_t>(taken) < count) return;
  }
  if (!is_sending_ || is_stalled_ || out_at_ < limit) return;
  is_cut&& limit < out_.size() ? apply_sending_fault() : request_sent();
}

void Client::request_sent() {
  is_sending_ = false;
  if (is_tunnel_) return;
  Exchange& it = ledger_.at(sending().tag);
  it.is_sent = true;
  it.sent_at = network_.now();
  if (sending().ends_after) {
    has_finished_ = true;
    wire_.shut_down_writing();
    return;
  }
  if (has_request_left() && plan_.requests[static_cast<std::size_t>(next_)].is_pipelined) return begin_request();
  if (answering_ == next_) begin_request();  // the answer was quicker than the request
}

void Client::apply_sending_fault() {
  const ClientFault fault = sending().fault;
  abandon();
  is_sending_ = false;
  has_finished_ = true;
  if (fault == ClientFault::reset_sending) {
    close(true);
    return connection_over();
  }
  if (fault == ClientFault::end_sending) return wire_.shut_down_writing();
  network_.after(stall, [this, epoch = epoch_] {
    if (epoch != epoch_) return;
    close(true);
    connection_over();
  });
}

void Client::abandon() {
  for (int i = answering_; i < next_; ++i)
    ledger_.at(plan_.requests[static_cast<std::size_t>(i)].tag).is_abandoned = true;
}

// ---- the answers
// ---------------------------------------------------------------------------------------------------

std::size_t Client::most_to_read() {
  if (next_ <= answering_) return 16'384;
  const RequestPlan& request = answered();
  if (request.fault == ClientFault::slow_receiving)
    return std::max<std::size_t>(static_cast<std::size_t>(request.answer) / slow_steps, 64);
  if (request.fault != ClientFault::reset_receiving && request.fault != ClientFault::stall_receiving) return 16'384;
  const std::uint64_t until = answer_from_ + static_cast<std::uint64_t>(request.fault_at);
  return until > reader_.consumed ? std::min<std::size_t>(until - reader_.consumed, 16'384) : 0;
}

void Client::read_more() {
  is_tick_scheduled_ = false;
  while (descriptor_ >= 0 && !is_stalled_) {
    const std::size_t most = most_to_read();
    if (most == 0) {
      const ClientFault fault = answered().fault;
      abandon();
      if (fault == ClientFault::stall_receiving) {
        is_stalled_ = true;
        return later(stall, &Client::give_up_stalling);
      }
      close(true);
      return connection_over();
    }
    char block[16'384];
    const ssize_t count = wire_.receive(block, most);
    if (count == -EAGAIN) return;
    if (count <= 0) return input_ended(count < 0);
    const std::string_view bytes(block, static_cast<std::size_t>(count));
    if (is_tunnel_) reader_.consumed += bytes.size();
    is_tunnel_ ? feed_tunnel(bytes) : reader_.feed(bytes);
    while (descriptor_ >= 0 && !is_tunnel_ && read_message()) {
    }
    if (descriptor_ >= 0 && next_ > answering_ && answered().fault == ClientFault::slow_receiving) {
      is_tick_scheduled_ = true;
      network_.after(slow_gap, [this, fd = descriptor_] {
        if (fd == descriptor_ && is_tick_scheduled_) read_more();
      });
      return;
    }
  }
}

void Client::give_up_stalling() {
  close(true);
  connection_over();
}

bool Client::read_message() {
  const Found found = reader_.next();
  if (found == Found::nothing) return false;
  if (next_ == answering_) {
    const bool is_turned_away = found == Found::head && reader_.head.start.starts_with("HTTP/1.1 503 ");
    // Turned away: before a request is read, so that HEAD gets a body too.
    if (!ledger_.has_caps() || (!is_turned_away && !is_closing_))
      ledger_.violate(0, "bytes came that no request asked for");
    close(true);
    connection_over();
    return false;
  }
  if (found == Found::broken) {
    ledger_.violate(answered().tag, std::string("a broken answer: ") + reader_.what);
    close(true);
    connection_over();
    return false;
  }
  if (found == Found::head) return take_head();
  if (found == Found::body) check_.body(reader_.body);
  if (found == Found::end) answer_over();
  return true;
}

bool Client::take_head() {
  const RequestPlan& request = answered();
  const Head& head = reader_.head;
  const int status = head.start.size() > 12 ? std::atoi(head.start.c_str() + 9) : 0;
  if (!head.start.starts_with("HTTP/1.1 ") || status < 100)
    ledger_.violate(request.tag, "a status line: " + head.start);
  if (status == 101) return open_tunnel();
  if (status < 200) {
    reader_.start_body(MessageReader::Framing::none, 0);
    (void)reader_.next();  // its end
    if (request.is_http10) ledger_.violate(request.tag, "an interim answer to HTTP/1.0");
    if (status == 100) {
      if (!request.expects_continue) ledger_.violate(request.tag, "100 Continue that was not asked for");
      continue_anyway();
    }
    return true;
  }
  check_.start(ledger_, request);
  check_.head(status, head);
  is_closing_ |= head.says("connection", "close");
  if (!check_.has_body()) {
    reader_.start_body(MessageReader::Framing::none, 0);
  } else if (!reader_.start_body_by_fields(true) || (request.is_http10 && head.find("transfer-encoding") != nullptr)) {
    ledger_.violate(request.tag, "an answer with wrong framing");
  }
  is_closing_ |= reader_.ends_by_close();
  return true;
}

void Client::answer_over() {
  const bool was_eager = answered().is_websocket && answered().is_eager;
  check_.over();
  exchange().answered_at = network_.now();
  ++answering_;
  answer_from_ = reader_.consumed;
  renew_patience();
  if (was_eager) {  // its frames may be taken for the next request
    close(true);
    return connection_over();
  }
  if (is_closing_) {
    for (int i = answering_; i < next_; ++i)
      ledger_.at(plan_.requests[static_cast<std::size_t>(i)].tag).is_excused = true;
    if (is_sending_) send_more();
    return;
  }
  if (answering_ == next_ && !is_sending_) {
    if (!has_request_left() || has_finished_) {
      if (!has_finished_) wire_.shut_down_writing();
      has_finished_ = true;
      return;
    }
    begin_request();
  } else if (is_sending_) {
    send_more();
  }
}

void Client::input_ended(bool is_reset) {
  if (is_tunnel_) return tunnel_over(is_reset);
  if (next_ > answering_ && exchange().answer == Exchange::Answer::cut && !is_reset && !was_reset_ &&
      reader_.ends_by_close())
    answer_over();
  connection_over();
}

}  // namespace sluice::sim
