#include "h2_service.h"

#include <algorithm>
#include <cerrno>

namespace sluice::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration slow_gap = 20ms;
constexpr std::size_t slow_steps = 60;
constexpr std::size_t most_out = 16'384;
constexpr int usual_head = 60;  // a fault before that byte is one before the head

}  // namespace

H2ServiceConnection::H2ServiceConnection(net::sim::Network& network, Ledger& ledger, const EndpointPlan& endpoint,
                                         int descriptor)
    : network_(network),
      ledger_(ledger),
      endpoint_(endpoint),
      descriptor_(descriptor),
      session_(h2::Session::Role::service,
               {.window = std::max(endpoint.window, 1), .streams = std::max(endpoint.streams, 1)}, *this) {
  network_.set_watcher(descriptor, this);
}

void H2ServiceConnection::begin(std::string_view first_bytes) {
  if (receive(first_bytes)) read_more();
  wait_for_idleness();
  settle();
}

void H2ServiceConnection::close(bool is_reset) {
  if (descriptor_ >= 0) network_.close_end(std::exchange(descriptor_, -1), is_reset);
}

void H2ServiceConnection::later(Duration wait, std::int32_t id,
                                void (H2ServiceConnection::*what)(std::int32_t id, Stream& stream)) {
  network_.after(wait, [this, what, id] {
    if (descriptor_ < 0) return;
    if (Stream* const stream = find(id)) (this->*what)(id, *stream);
    settle();
  });
}

H2ServiceConnection::Stream* H2ServiceConnection::find(std::int32_t id) {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : &found->second;
}

// ---- the connection
// ------------------------------------------------------------------------------------------------

void H2ServiceConnection::on_ready(int descriptor) {
  if (descriptor != descriptor_ || descriptor < 0) return;
  read_more();
  settle();
}

void H2ServiceConnection::read_more() {
  while (descriptor_ >= 0) {
    char block[16'384];
    const ssize_t count = network_.receive(descriptor_, block, sizeof block);
    if (count == -EAGAIN) return;
    if (count <= 0) return close(false);  // the gateway is gone
    if (!receive({block, static_cast<std::size_t>(count)})) return;
  }
}

bool H2ServiceConnection::receive(std::string_view bytes) {
  if (session_.receive(bytes)) return true;
  if (!is_wild_) ledger_.violate(0, "what came to a service is not HTTP/2");
  close(true);
  return false;
}

void H2ServiceConnection::settle() {
  while (descriptor_ >= 0 && write_more()) {
  }
  if (descriptor_ < 0 || is_finished_ || out_at_ < out_.size()) return;
  if (!is_ending_ && !(is_leaving_ && streams_.empty())) return;
  is_finished_ = true;
  network_.shut_down_writing(descriptor_);
}

bool H2ServiceConnection::write_more() {
  if (is_finished_) return false;
  if (out_at_ == out_.size()) {
    out_.clear();
    out_at_ = 0;
    session_.take_output(out_, most_out);
    out_ += std::exchange(raw_, {});
    if (out_.empty()) return false;
  }
  const iovec piece{out_.data() + out_at_, out_.size() - out_at_};
  const ssize_t taken = network_.send(descriptor_, std::span(&piece, 1));
  if (taken == -EAGAIN) return false;
  if (taken < 0) {
    close(false);
    return false;
  }
  out_at_ += static_cast<std::size_t>(taken);
  return true;
}

void H2ServiceConnection::on_broken(const char* what) {
  if (!is_wild_) ledger_.violate(0, std::string("the gateway breaks a rule of HTTP/2 to a service: ") + what);
}

// In the right way: what has come is answered, what comes from now on is not looked at.
void H2ServiceConnection::leave() {
  if (std::exchange(is_leaving_, true)) return;
  session_.goaway();
}

void H2ServiceConnection::wait_for_idleness() {
  if (endpoint_.idle_close == 0) return;
  network_.after(std::chrono::microseconds(endpoint_.idle_close), [this, begun = begun_] {
    if (descriptor_ < 0 || begun != begun_ || !streams_.empty()) return;
    leave();
    settle();
  });
}

// ---- the requests
// --------------------------------------------------------------------------------------------------

void H2ServiceConnection::on_head(std::int32_t id, const Head& head) {
  if (is_leaving_) return;  // GOAWAY says so, or will when it is sent
  if (find(id) != nullptr) return ledger_.violate(streams_[id].plan->tag, "trailers, which nobody sent");
  const auto text = [&](std::string_view name) {
    const std::string* const found = head.find(name);
    return found == nullptr ? std::string() : *found;
  };
  Stream stream;
  const std::string* const tag = head.find("x-tag");
  Exchange* const seen = tag == nullptr ? nullptr : ledger_.find(std::atoi(tag->c_str()));
  const bool is_faulty = seen != nullptr && (!seen->plan->is_fault_once || seen->heads + seen->refusals == 0);
  if (is_faulty && seen->plan->service_fault == ServiceFault::refuse) {  // not looked at
    ++seen->refusals;
    seen->is_broken_by_service = true;
    return session_.reset(id, h2::Code::refused_stream);
  }
  stream.exchange = stream.check.begin(ledger_, head, text(":method"), text(":path"), text(":authority"));
  if (stream.exchange == nullptr) {
    ledger_.violate(0, "a request without a tag: " + text(":path"));
    return session_.reset(id, h2::Code::cancel);
  }
  stream.plan = stream.exchange->plan;
  stream.is_faulty = is_faulty && stream.plan->service_fault != ServiceFault::none;
  check_head(stream, head);
  ++stream.exchange->heads;
  stream.exchange->gateway_end = -1;
  if (is_ending_ || is_wild_) stream.exchange->is_broken_by_service = true;
  if (has_fault(stream, ServiceFault::deaf) && stream.plan->body > 0) stream.exchange->is_slowed_by_service = true;
  ++begun_;
  streams_[id] = std::move(stream);
  if (streams_.size() > static_cast<std::size_t>(std::max(endpoint_.streams, 1)))
    ledger_.violate(0, "more streams at once than a service has said it takes");
  if (endpoint_.leaves_after > 0 && begun_ == endpoint_.leaves_after) session_.announce_goaway();
  if (endpoint_.leaves_after > 0 && begun_ == endpoint_.leaves_after)
    network_.after(4 * network_.weather().most_delay + 1ms, [this] {
      leave();
      settle();
    });
  if (streams_[id].plan->early == 0) answer(id, streams_[id]);
}

void H2ServiceConnection::check_head(const Stream& stream, const Head& head) {
  for (const auto& [name, value] : head.fields) {
    if (name == "connection" || name == "host" || name == "transfer-encoding" || name == "upgrade")
      ledger_.violate(stream.plan->tag, "a field that HTTP/2 has not: " + name);
  }
  if (!head.says(":scheme", "http")) ledger_.violate(stream.plan->tag, "another scheme");
  if (!head.says("x-sim", "r" + std::to_string(stream.plan->route)))
    ledger_.violate(stream.plan->tag, "the field of its route's policy is not there");
}

void H2ServiceConnection::on_data(std::int32_t id, std::string_view bytes) {
  Stream* const stream = find(id);
  if (stream == nullptr) return;
  stream->check.body(bytes);
  if (!has_fault(*stream, ServiceFault::deaf)) session_.consume(id, bytes.size());
  const int early = stream->plan->early;
  if (early >= 0 && stream->check.bytes() >= static_cast<std::size_t>(early)) answer(id, *stream);
}

void H2ServiceConnection::on_last(std::int32_t id) {
  Stream* const stream = find(id);
  if (stream == nullptr) return;
  stream->check.over();
  if (!has_fault(*stream, ServiceFault::deaf) || stream->plan->body == 0) answer(id, *stream);
}

void H2ServiceConnection::on_closed(std::int32_t id, h2::Code) {
  if (streams_.erase(id) > 0 && streams_.empty()) wait_for_idleness();
}

// ---- the answers
// ---------------------------------------------------------------------------------------------------

bool H2ServiceConnection::is_cut(const Stream& stream) {
  return has_fault(stream, ServiceFault::reset) || has_fault(stream, ServiceFault::end) ||
         has_fault(stream, ServiceFault::stall);
}

// From which byte of the body on the answer is not sent.
std::size_t H2ServiceConnection::fault_at(const Stream& stream) {
  return std::min(stream.answer, static_cast<std::size_t>(std::max(stream.plan->service_fault_at - usual_head, 0)));
}

void H2ServiceConnection::answer(std::int32_t id, Stream& stream) {
  if (std::exchange(stream.is_answering, true)) return;
  later(std::chrono::microseconds(stream.plan->answer_delay), id, &H2ServiceConnection::write_answer);
}

void H2ServiceConnection::write_answer(std::int32_t id, Stream& stream) {
  const RequestPlan& plan = *stream.plan;
  const bool is_bodiless = plan.method == Method::head || plan.status == 204 || plan.status == 304;
  const bool is_garbage = has_fault(stream, ServiceFault::garbage);
  const int kind = plan.service_fault_at % 3;
  stream.answer = is_bodiless ? 0 : static_cast<std::size_t>(plan.answer);
  const bool is_leaving = has_fault(stream, ServiceFault::goaway);
  if (is_cut(stream) && plan.service_fault_at < usual_head) return ruin(id, stream);
  if (is_leaving && kind == 2) return ruin(id, stream);
  ++stream.exchange->answers_begun;
  for (int i = 0; i < plan.interims; ++i) session_.interim(id, {{":status", "103"}, {"link", "</style>"}});
  h2::Fields fields{{":status", std::to_string(plan.status)}, {"x-tag", std::to_string(plan.tag)}};
  const bool is_short = is_garbage && kind == 1 && stream.answer > 0;
  if (plan.status != 204 && (plan.answer_framing == AnswerFraming::length || is_short))
    fields.emplace_back("content-length", std::to_string(plan.answer + (is_short ? 7 : 0)));
  if (is_garbage && kind != 2 && !is_short) fields.emplace_back("connection", "close");
  if (is_garbage) stream.exchange->is_broken_by_service = true;
  if (is_garbage && kind == 2) {
    raw_ = std::string("\0\0\4\0\0\0\0\0\0oops", 13);  // DATA of no stream
    break_all();
    is_wild_ = true;
  }
  if (has_fault(stream, ServiceFault::slow)) stream.exchange->is_slowed_by_service = true;
  session_.answer(id, fields, !is_bodiless);
  if (is_leaving || (is_bodiless && is_cut(stream))) ruin(id, stream);
}

std::string H2ServiceConnection::next_piece(std::int32_t id, std::size_t most, bool& is_last) {
  Stream* const stream = find(id);
  if (stream == nullptr || stream->is_held) return {};
  const bool is_ruined = stream->is_ruined && !has_fault(*stream, ServiceFault::goaway);
  if (is_ruined) return {};
  const std::size_t limit = is_cut(*stream) ? fault_at(*stream) : stream->answer;
  const bool is_cut_here = limit < stream->answer;  // else the answer is whole, and nothing happens
  const auto piece = static_cast<std::size_t>(std::max(stream->plan->answer_piece, 1));
  std::size_t count = std::min({most, piece, limit - stream->sent});
  const bool is_slow = has_fault(*stream, ServiceFault::slow);
  if (is_slow) count = std::min(count, std::max<std::size_t>(stream->answer / slow_steps, 1));
  const std::size_t at = stream->sent;
  stream->sent += count;
  if (is_cut_here && stream->sent == limit) {
    stream->is_held = true;
    later(Duration(0), id, &H2ServiceConnection::ruin);
  } else {
    is_last = stream->sent == stream->answer;
  }
  if (is_slow && !is_last) {
    stream->is_held = true;
    later(slow_gap, id, &H2ServiceConnection::send_on);
  }
  return body_of(stream->plan->tag, Side::answer, at, count);
}

void H2ServiceConnection::send_on(std::int32_t id, Stream& stream) {
  stream.is_held = false;
  session_.resume(id);
}

void H2ServiceConnection::ruin(std::int32_t id, Stream& stream) {
  stream.is_ruined = true;
  switch (stream.plan->service_fault) {
    case ServiceFault::reset:
      stream.exchange->is_broken_by_service = true;
      return session_.reset(id, stream.plan->service_fault_at % 2 == 0 ? h2::Code::internal_error : h2::Code::cancel);
    case ServiceFault::end:
      break_all();
      is_ending_ = true;
      return;
    case ServiceFault::goaway:
      return leave_badly(id, stream);
    default:
      stream.exchange->is_slowed_by_service = true;
  }
}

// GOAWAY, and then all is answered; or the connection ends at once; or the stream, whose request was looked at, is
// reset.
void H2ServiceConnection::leave_badly(std::int32_t id, Stream& stream) {
  leave();
  switch (stream.plan->service_fault_at % 3) {
    case 1:
      break_all();
      is_ending_ = true;
      return;
    case 2:
      stream.exchange->is_broken_by_service = true;
      return session_.reset(id, h2::Code::cancel);
    default:
      return;
  }
}

void H2ServiceConnection::break_all() {
  for (auto& [id, stream] : streams_) stream.exchange->is_broken_by_service = true;
}

}  // namespace sluice::sim
