#include "h2_client.h"

#include <algorithm>
#include <cerrno>

namespace sluice::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration slow_gap = 20ms;
constexpr std::size_t slow_steps = 60;
constexpr Duration continue_patience = 300ms;
constexpr std::size_t most_out = 16'384;

bool is_any(ClientFault fault, std::initializer_list<ClientFault> of) { return std::ranges::count(of, fault) > 0; }

}  // namespace

H2Client::H2Client(net::sim::Network& network, Ledger& ledger, const ClientPlan& plan, const net::Address& to,
                   bool is_tls)
    : network_(network), ledger_(ledger), plan_(plan), to_(to), is_tls_(is_tls), wire_(network) {}

void H2Client::start() {
  network_.after(std::chrono::microseconds(plan_.at), [this] { connect(); });
}

void H2Client::later(Duration wait, void (H2Client::*what)()) {
  network_.after(wait, [this, what, epoch = epoch_] {
    if (epoch != epoch_) return;
    (this->*what)();
    settle();
  });
}

void H2Client::later(Duration wait, std::int32_t id, void (H2Client::*what)(std::int32_t id, Stream& stream)) {
  network_.after(wait, [this, what, id, epoch = epoch_] {
    if (epoch != epoch_) return;
    if (const auto found = streams_.find(id); found != streams_.end()) (this->*what)(id, found->second);
    settle();
  });
}

void H2Client::renew_patience() {
  network_.after(patience, [this, mine = ++patience_] {
    if (mine == patience_) give_up();
  });
}

// ---- the connection
// ------------------------------------------------------------------------------------------------

void H2Client::connect() {
  if (next_ >= plan_.requests.size()) {
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
  streams_.clear();
  session_.emplace(h2::Session::Role::client, h2::Session::Settings{.window = std::max(plan_.window, 1)},
                   static_cast<h2::Events&>(*this));
  out_.clear();
  raw_.clear();
  out_at_ = 0;
  received_ = 0;
  is_begin_scheduled_ = is_leaving_ = has_finished_ = is_wild_ = is_ending_ = false;
  descriptor_ = network_.connect(to_, *this);
  wire_.open(descriptor_, !is_tls_ ? "" : "h2");
  renew_patience();
}

void H2Client::close(bool is_reset) {
  ++epoch_;
  ++patience_;
  network_.close_end(std::exchange(descriptor_, -1), is_reset);
}

void H2Client::connection_over() {
  for (auto& [id, stream] : streams_) exchange(stream).answered_at = network_.now();
  if (descriptor_ >= 0) close(false);
  network_.after(1ms, [this] { connect(); });
}

void H2Client::give_up() {
  for (auto& [id, stream] : streams_)
    ledger_.violate(stream.plan->tag, "no answer and no end of the connection in 30 s");
  if (streams_.empty() && next_ >= plan_.requests.size())
    ledger_.violate(0, "an idle connection was not closed in 30 s");
  close(true);
  connection_over();
}

void H2Client::on_ready(int descriptor) {
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
  if (streams_.empty()) begin_request();
  read_more();
  settle();
}

// The gateway ends whole connections by RST, GOAWAY or FIN: what is under way on this one is cut by the client.
void H2Client::abandon_all() {
  is_leaving_ = true;
  for (auto& [id, stream] : streams_) exchange(stream).is_abandoned = true;
}

void H2Client::settle() {
  while (descriptor_ >= 0 && write_more()) {
  }
  if (descriptor_ < 0 || has_finished_ || out_at_ < out_.size()) return;
  const bool is_idle = streams_.empty() && !is_begin_scheduled_;
  const bool has_all = next_ >= plan_.requests.size() && !plan_.is_left;
  if (!is_ending_ && !(is_idle && (has_all || is_leaving_))) return;
  has_finished_ = true;
  wire_.shut_down_writing();
}

// False when there is nothing more to write, or the network takes no more.
bool H2Client::write_more() {
  if (network_.connect_state(descriptor_) != net::sim::Network::Connect::made || has_finished_) return false;
  if (out_at_ == out_.size()) {
    out_.clear();
    out_at_ = 0;
    session_->take_output(out_, most_out);
    out_ += std::exchange(raw_, {});
    if (out_.empty()) return false;
  }
  const ssize_t taken = wire_.send(std::string_view(out_).substr(out_at_));
  if (taken < 0) {
    if (taken != -EAGAIN) has_finished_ = true;  // the gateway takes no more: what it said may still be there
    return false;
  }
  out_at_ += static_cast<std::size_t>(taken);
  return true;
}

// ---- the requests
// --------------------------------------------------------------------------------------------------

void H2Client::begin_request() {
  if (next_ >= plan_.requests.size() || is_leaving_ || has_finished_ || is_begin_scheduled_) return;
  const RequestPlan& request = plan_.requests[next_];
  if (!request.is_pipelined && !streams_.empty()) return;
  is_begin_scheduled_ = true;
  network_.after(std::chrono::microseconds(request.think), [this, epoch = epoch_, &request] {
    if (epoch != epoch_) return;
    is_begin_scheduled_ = false;
    if (!is_leaving_ && !has_finished_) open(request);
    settle();
  });
}

void H2Client::open(const RequestPlan& request) {
  const std::string tag = std::to_string(request.tag);
  h2::Fields fields{{":method", std::string(method_names[static_cast<std::size_t>(request.method)])},
                    {":scheme", is_tls_ ? "https" : "http"},
                    {":path", "/r" + std::to_string(request.route) + "/t" + tag + '-'},
                    {":authority", "sim.example"},
                    {"x-tag", tag}};
  const bool is_garbage = request.fault == ClientFault::garbage && !request.is_websocket;
  const int kind = request.fault_at % 3;
  const bool has_body = request.body > 0 && !request.is_websocket;
  if (request.is_websocket) {
    fields[0].second = "CONNECT";
    fields.insert(fields.begin() + 1, {":protocol", "websocket"});
    fields.emplace_back("sec-websocket-version", "13");
  }
  if (request.expects_continue) fields.emplace_back("expect", "100-continue");
  if (has_body && (!request.is_chunked || (is_garbage && kind == 1)))
    fields.emplace_back("content-length", std::to_string(request.body + (is_garbage && kind == 1 ? 7 : 0)));
  if (is_garbage && (kind == 0 || (kind == 1 && request.body == 0))) fields.emplace_back("connection", "close");
  const std::int32_t id = session_->open(fields, has_body || request.is_websocket);
  if (id == 0) {  // the gateway is leaving
    is_leaving_ = true;
    return;
  }
  if (is_garbage && kind == 2) {
    raw_ = std::string("\0\0\4\0\0\0\0\0\0oops", 13);  // DATA of no stream
    is_wild_ = true;
  }
  Stream& stream = streams_[id];
  stream.plan = &request;
  stream.check.start(ledger_, request);
  stream.waits_for_continue = request.expects_continue;
  if (request.is_websocket && request.is_eager)
    stream.frames = stream.socket.emplace(ledger_, request, Side::request).take_output();
  Exchange& it = ledger_.at(request.tag);
  it.oldest_generation = ledger_.live_generation();
  it.begun_at = network_.now();
  it.is_begun = true;
  it.connection = connections_;
  tries_ = 0;
  ++next_;
  renew_patience();
  if (request.expects_continue) later(continue_patience, id, &H2Client::continue_anyway);
  if (is_wild_) abandon_all();
  if (!has_body && !request.is_websocket &&
      is_any(request.fault, {ClientFault::reset_sending, ClientFault::end_sending}))
    later(std::chrono::microseconds(request.fault_at), id, &H2Client::ruin_sending);
  if (request.fault_at == 0 && is_any(request.fault, {ClientFault::reset_receiving, ClientFault::drop_receiving}))
    later(Duration(0), id, &H2Client::ruin_receiving);
  if (next_ < plan_.requests.size() && plan_.requests[next_].is_pipelined) begin_request();
}

void H2Client::continue_anyway(std::int32_t id, Stream& stream) {
  stream.waits_for_continue = false;
  session_->resume(id);
}

void H2Client::send_on(std::int32_t id, Stream& stream) {
  stream.is_held = false;
  session_->resume(id);
}

std::string H2Client::next_piece(std::int32_t id, std::size_t most, bool& is_last) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return {};
  Stream& stream = found->second;
  const RequestPlan& plan = *stream.plan;
  if (stream.waits_for_continue || stream.is_held || stream.is_ruined) return {};
  if (plan.is_websocket) return next_frames(id, stream, most, is_last);
  const auto body = static_cast<std::size_t>(plan.body);
  const auto fault_at = std::min(body, static_cast<std::size_t>(plan.fault_at));
  const bool is_cut =
      is_any(plan.fault, {ClientFault::reset_sending, ClientFault::end_sending, ClientFault::stall_sending});
  const std::size_t limit = is_cut ? fault_at : body;
  std::size_t count = std::min({most, static_cast<std::size_t>(std::max(plan.piece, 1)), limit - stream.sent});
  if (plan.fault == ClientFault::slow_sending) count = std::min(count, std::max<std::size_t>(body / slow_steps, 1));
  const std::size_t at = stream.sent;
  stream.sent += count;
  if (is_cut && stream.sent == limit) {
    stream.is_ruined = true;
    later(Duration(0), id, &H2Client::ruin_sending);
  } else {
    is_last = stream.sent == body;
  }
  if (plan.fault == ClientFault::slow_sending && !is_last) {
    stream.is_held = true;
    later(slow_gap, id, &H2Client::send_on);
  }
  return body_of(plan.tag, Side::request, at, count);
}

void H2Client::ruin_sending(std::int32_t id, Stream& stream) {
  stream.is_ruined = true;
  exchange(stream).is_abandoned = true;
  switch (stream.plan->fault) {
    case ClientFault::reset_sending:
      return reset(id, stream);
    case ClientFault::end_sending:
      abandon_all();
      is_ending_ = true;
      return;
    default:
      return later(stall, id, &H2Client::reset);
  }
}

void H2Client::reset(std::int32_t id, Stream& stream) {
  exchange(stream).is_abandoned = true;
  session_->reset(id, h2::Code::cancel);
}

// ---- the answers
// ---------------------------------------------------------------------------------------------------

void H2Client::read_more() {
  while (descriptor_ >= 0) {
    char block[16'384];
    const ssize_t count = wire_.receive(block, sizeof block);
    if (count == -EAGAIN) return;
    if (count <= 0) return connection_over();
    const std::string_view bytes(block, static_cast<std::size_t>(count));
    if (received_ == 0 && is_turned_away(bytes)) {
      close(true);
      return connection_over();
    }
    received_ += bytes.size();
    renew_patience();
    const int epoch = epoch_;
    if (session_->receive(bytes) || epoch != epoch_) continue;
    if (!is_wild_) ledger_.violate(0, "the gateway's bytes are not HTTP/2");
    close(true);
    return connection_over();
  }
}

// Before a byte of it was read, in the words of HTTP/1.
bool H2Client::is_turned_away(std::string_view bytes) const {
  return ledger_.has_caps() && bytes.front() == 'H';  // a frame of SETTINGS begins with its length, 0
}

void H2Client::on_head(std::int32_t id, const Head& head) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  Stream& stream = found->second;
  const RequestPlan& plan = *stream.plan;
  const std::string* const text = head.find(":status");
  const int status = text == nullptr ? 0 : std::atoi(text->c_str());
  if (status < 100) return ledger_.violate(plan.tag, "a head without a status, or trailers, which nobody sent");
  if (status >= 200) {
    stream.check.head(status, head);
    if (plan.is_websocket && status == 200) open_tunnel(id, stream);
    return;
  }
  if (status != 100) return;
  if (!plan.expects_continue) ledger_.violate(plan.tag, "100 that was not asked for");
  continue_anyway(id, stream);
}

void H2Client::on_data(std::int32_t id, std::string_view bytes) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  Stream& stream = found->second;
  const RequestPlan& plan = *stream.plan;
  stream.is_open ? feed_tunnel(id, stream, bytes) : stream.check.body(bytes);
  stream.received += bytes.size();
  stream.owed += bytes.size();
  if (stream.is_ruined) return;
  const bool is_cut =
      is_any(plan.fault, {ClientFault::reset_receiving, ClientFault::drop_receiving, ClientFault::stall_receiving});
  if (is_cut && stream.received >= static_cast<std::size_t>(plan.fault_at)) {
    stream.is_ruined = true;
    return later(Duration(0), id, &H2Client::ruin_receiving);
  }
  if (plan.fault != ClientFault::slow_receiving) return give_back(id, stream);
  if (!std::exchange(stream.is_ticking, true)) later(slow_gap, id, &H2Client::give_back);
}

// Opens the window again: for all that came, or, when it takes slowly, for a part.
void H2Client::give_back(std::int32_t id, Stream& stream) {
  const auto answer = static_cast<std::size_t>(stream.plan->answer);
  const bool is_slow = stream.plan->fault == ClientFault::slow_receiving;
  const std::size_t count =
      is_slow ? std::min(stream.owed, std::max<std::size_t>(answer / slow_steps, 64)) : stream.owed;
  stream.owed -= count;
  session_->consume(id, count);
  stream.is_ticking = stream.owed > 0;
  if (stream.is_ticking) later(slow_gap, id, &H2Client::give_back);
}

void H2Client::ruin_receiving(std::int32_t id, Stream& stream) {
  stream.is_ruined = true;
  exchange(stream).is_abandoned = true;
  switch (stream.plan->fault) {
    case ClientFault::reset_receiving:
      return reset(id, stream);
    case ClientFault::drop_receiving:
      abandon_all();
      close(true);
      return connection_over();
    default:
      return later(stall, id, &H2Client::reset);
  }
}

void H2Client::on_last(std::int32_t id) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  Stream& stream = found->second;
  if (!stream.check.has_head()) return ledger_.violate(stream.plan->tag, "an end without a head");
  exchange(stream).answered_at = network_.now();
  if (stream.is_open) return tunnel_over(stream);
  stream.check.over();
  if (stream.plan->is_websocket) session_->reset(id, h2::Code::cancel);  // it is not open, and has no body
}

void H2Client::on_closed(std::int32_t id, h2::Code code) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  Exchange& it = exchange(found->second);
  it.answered_at = network_.now();
  // It was not looked at, the gateway says, and may be sent again.
  if (code == h2::Code::refused_stream && !it.is_abandoned) it.is_refused = it.is_excused = true;
  streams_.erase(found);
  if (streams_.empty()) begin_request();
}

// Twice, as a rule: the first says that the end is near.
void H2Client::on_goaway(std::int32_t) { is_leaving_ = true; }

void H2Client::on_broken(const char* what) {
  if (!is_wild_) ledger_.violate(0, std::string("the gateway breaks a rule of HTTP/2: ") + what);
}

}  // namespace sluice::sim
