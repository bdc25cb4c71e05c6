#include "service.h"

#include <algorithm>
#include <cerrno>

namespace sluice::sim {
namespace {

using namespace std::chrono_literals;
using Found = MessageReader::Found;

constexpr Duration slow_gap = 20ms;
constexpr std::size_t slow_steps = 60;

std::string hex(std::size_t number) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string text;
  do text.insert(text.begin(), digits[number & 15]);
  while ((number >>= 4) != 0);
  return text;
}

}  // namespace

// ---- Service
// -------------------------------------------------------------------------------------------------------

Service::Service(net::sim::Network& network, Ledger& ledger, const EndpointPlan& plan, const net::Address& address)
    : network_(network), ledger_(ledger), plan_(plan), address_(address) {
  if (plan.is_black_hole) {
    network.set_black_hole(address, true);
    return;
  }
  open();
  if (plan.down_until == 0) return;
  network_.after(std::chrono::microseconds(plan.down_from), [this] { socket_.reset(); });
  network_.after(std::chrono::microseconds(plan.down_until), [this] { open(); });
}

void Service::open() {
  auto socket = network_.listen_on(address_);
  socket_.emplace(std::move(*socket));
  network_.watch(socket_->descriptor(), &door_);
}

void Service::accept(int listening) {
  net::Address peer;
  for (int descriptor; (descriptor = network_.accept(listening, peer)) >= 0;)
    connections_.emplace_back(*this, descriptor);
}

void Service::end() {
  socket_.reset();
  for (ServiceConnection& connection : connections_) connection.close(false);
  for (H2ServiceConnection& connection : h2_connections_) connection.close(false);
}

void Service::take_over(int descriptor, std::string_view first_bytes) {
  h2_connections_.emplace_back(network_, ledger_, plan_, descriptor).begin(first_bytes);
}

// ---- ServiceConnection
// ---------------------------------------------------------------------------------------------

ServiceConnection::ServiceConnection(Service& service, int descriptor)
    : service_(service), network_(service.network()), ledger_(service.ledger()), descriptor_(descriptor) {
  network_.set_watcher(descriptor, this);
  network_.after(Duration(0), [this] { on_ready(descriptor_); });
}

void ServiceConnection::close(bool is_reset) {
  ++serial_;
  if (descriptor_ >= 0) network_.close_end(std::exchange(descriptor_, -1), is_reset);
}

void ServiceConnection::later(Duration wait, void (ServiceConnection::*what)()) {
  network_.after(wait, [this, what, serial = serial_] {
    if (serial == serial_ && descriptor_ >= 0) (this->*what)();
  });
}

void ServiceConnection::on_ready(int descriptor) {
  if (descriptor != descriptor_ || descriptor < 0) return;
  if (is_answering_ && !out_.empty()) send_more();
  if (descriptor_ >= 0) read_more();
}

void ServiceConnection::read_more() {
  while (descriptor_ >= 0 && !is_deaf_) {
    char block[16'384];
    const ssize_t count = network_.receive(descriptor_, block, sizeof block);
    if (count == -EAGAIN) return;
    if (count <= 0) return close(false);  // the gateway is gone
    if (is_finished_) continue;           // read and dropped
    if (socket_) {
      feed_tunnel({block, static_cast<std::size_t>(count)});
      continue;
    }
    if (is_socket()) {
      ledger_.violate(plan_->tag, "a byte of the tunnel came before the WebSocket was accepted");
      return close(true);
    }
    if (!is_known_) {
      if (!read_preface({block, static_cast<std::size_t>(count)})) continue;
    } else {
      reader_.feed({block, static_cast<std::size_t>(count)});
    }
    while (descriptor_ >= 0 && !is_deaf_ && !is_finished_ && read_message()) {
    }
  }
}

// True: it is HTTP/1, and `reader_` has the bytes. HTTP/2 goes on elsewhere.
bool ServiceConnection::read_preface(std::string_view bytes) {
  static constexpr std::string_view preface = "PRI * HTTP/2.0\r\n";
  first_ += bytes;
  const std::size_t seen = std::min(first_.size(), preface.size());
  if (first_.compare(0, seen, preface, 0, seen) != 0) {
    is_known_ = true;
    reader_.feed(first_);
    return true;
  }
  if (seen == preface.size()) service_.take_over(std::exchange(descriptor_, -1), first_);
  return false;
}

bool ServiceConnection::read_message() {
  const std::uint64_t head_at = reader_.consumed;
  const Found found = reader_.next();
  if (found == Found::nothing) return false;
  if (found == Found::broken) {
    ledger_.violate(exchange_ != nullptr ? plan_->tag : 0,
                    std::string("a broken request at the service: ") + reader_.what);
    close(true);
    return false;
  }
  if (found == Found::head) {
    check_reuse(head_at);
    if (descriptor_ >= 0) take_head();
  }
  if (found == Found::body) take_body();
  if (found == Found::end) request_over();
  return true;
}

// Security invariant I3: no doubt about a connection that is used again.
void ServiceConnection::check_reuse(std::uint64_t head_at) {
  if (!is_answered_) {
    ledger_.violate(plan_->tag, "another request came before this one was answered");
    return close(true);
  }
  if (plan_ == nullptr) return;
  const std::uint64_t knew = network_.peer_had_read_at(descriptor_, head_at);
  if (!may_be_reused_)
    ledger_.violate(plan_->tag, "its connection was used again after the service had said that it closes");
  if (knew < answers_end_) ledger_.violate(plan_->tag, "its connection was used again before the answer was read");
  if (has_extra_ && knew > answers_end_)
    ledger_.violate(plan_->tag, "its connection was used again after bytes that nobody asked for were read");
}

void ServiceConnection::take_head() {
  const Head& head = reader_.head;
  const std::string method = head.start.substr(0, head.start.find(' '));
  std::string path = head.start.substr(std::min(head.start.size(), method.size() + 1));
  const std::string* const host = head.find("host");
  if (!path.ends_with(" HTTP/1.1") || host == nullptr) {
    ledger_.violate(0, "another request line, or no host: " + head.start);
    return close(true);
  }
  path.resize(path.size() - 9);
  exchange_ = check_.begin(ledger_, head, method, path, *host);
  if (exchange_ == nullptr) {
    ledger_.violate(0, "a request without a tag: " + head.start);
    return close(true);
  }
  ++serial_;
  plan_ = exchange_->plan;
  if (!reader_.start_body_by_fields(false)) ledger_.violate(plan_->tag, "a request with wrong framing");
  if (exchange_->heads++ > 0 && network_.read_total(exchange_->gateway_end) > exchange_->answer_from)
    ledger_.violate(plan_->tag, "sent again after a part of an answer had been read");
  exchange_->gateway_end = network_.peer_of(descriptor_);
  exchange_->answer_from = network_.sent_total(descriptor_);
  is_faulty_ = plan_->service_fault != ServiceFault::none && (!plan_->is_fault_once || exchange_->heads == 1);
  has_body_ = is_answered_ = is_answering_ = false;
  out_.clear();
  out_at_ = 0;
  if (plan_->is_websocket) check_upgrade();
  is_deaf_ = has_fault(ServiceFault::deaf) && plan_->body > 0;
  if (is_deaf_) exchange_->is_slowed_by_service = true;
  if (!is_deaf_ && plan_->early == 0) answer();
}

void ServiceConnection::take_body() {
  check_.body(reader_.body);
  if (plan_->early >= 0 && check_.bytes() >= static_cast<std::size_t>(plan_->early)) answer();
}

void ServiceConnection::request_over() {
  plan_->is_websocket ? void(++exchange_->wholes) : check_.over();
  if (is_socket() && !reader_.is_between_messages())
    ledger_.violate(plan_->tag, "a byte of the tunnel came before the WebSocket was accepted");
  has_body_ = true;
  answer();
}

// ---- the answer
// ----------------------------------------------------------------------------------------------------

void ServiceConnection::answer() {
  if (is_answering_) return;
  is_answering_ = true;
  later(std::chrono::microseconds(plan_->answer_delay), &ServiceConnection::write_answer);
}

void ServiceConnection::write_answer() {
  if (is_socket()) return accept_socket();
  const RequestPlan& plan = *plan_;
  const bool is_bodiless = plan.method == Method::head || plan.status == 204 || plan.status == 304;
  const auto body = static_cast<std::size_t>(plan.answer);
  for (int i = 0; i < plan.interims; ++i) out_ += "HTTP/1.1 103 Early Hints\r\nlink: </style>\r\n\r\n";
  const std::size_t head_at = out_.size();
  out_ += "HTTP/1.1 " + std::to_string(plan.status) + " Word\r\nx-tag: " + std::to_string(plan.tag) + "\r\n";
  if (plan.status != 204 && plan.answer_framing == AnswerFraming::length)
    out_ += "content-length: " + std::to_string(body) + "\r\n";
  if (plan.status != 204 && plan.answer_framing == AnswerFraming::chunked) out_ += "transfer-encoding: chunked\r\n";
  is_ending_ = plan.is_last || (!is_bodiless && plan.answer_framing == AnswerFraming::until_close);
  if (plan.is_last) out_ += "connection: close\r\n";
  out_ += "\r\n";
  const std::size_t body_at = out_.size();
  bool is_spoilt = false;
  const bool is_garbage = has_fault(ServiceFault::garbage);
  const auto piece = static_cast<std::size_t>(std::max(plan.answer_piece, 1));
  for (std::size_t at = 0; !is_bodiless && at < body; at += piece) {
    const std::size_t count = std::min(piece, body - at);
    const bool is_chunked = plan.answer_framing == AnswerFraming::chunked;
    if (is_chunked) {
      const bool spoils = is_garbage && !is_spoilt && out_.size() >= static_cast<std::size_t>(plan.service_fault_at);
      is_spoilt |= spoils;
      out_ += (spoils ? "zz" : hex(count)) + "\r\n";
    }
    out_ += body_of(plan.tag, Side::answer, at, count);
    if (is_chunked) out_ += "\r\n";
  }
  if (!is_bodiless && plan.answer_framing == AnswerFraming::chunked) out_ += "0\r\n\r\n";
  if (is_garbage && !is_spoilt)
    out_.insert(head_at + std::min(static_cast<std::size_t>(plan.service_fault_at), body_at - head_at - 4), "\x01");
  if (is_garbage) exchange_->is_broken_by_service = is_ending_ = true;
  if (has_fault(ServiceFault::slow)) exchange_->is_slowed_by_service = true;
  out_at_ = 0;
  ++exchange_->answers_begun;
  send_more();
}

// From where on the answer is not sent.
std::size_t ServiceConnection::fault_at() const {
  const bool is_cut = has_fault(ServiceFault::reset) || has_fault(ServiceFault::end) || has_fault(ServiceFault::stall);
  return is_cut ? std::min(out_.size(), static_cast<std::size_t>(plan_->service_fault_at)) : out_.size();
}

void ServiceConnection::send_more() {
  const std::size_t limit = fault_at();
  if (is_answered_) return;
  while (out_at_ < limit) {
    std::size_t count = limit - out_at_;
    if (has_fault(ServiceFault::slow)) count = std::min(count, std::max<std::size_t>(out_.size() / slow_steps, 1));
    const iovec piece{out_.data() + out_at_, count};
    const ssize_t taken = network_.send(descriptor_, std::span(&piece, 1));
    if (taken == -EAGAIN) return;
    if (taken < 0) return close(false);
    out_at_ += static_cast<std::size_t>(taken);
    if (has_fault(ServiceFault::slow) && out_at_ < limit) return later(slow_gap, &ServiceConnection::send_more);
    if (static_cast<std::size_t>(taken) < count) return;
  }
  limit < out_.size() || has_fault(ServiceFault::reset) ? apply_fault() : answer_sent();
}

void ServiceConnection::apply_fault() {
  if (has_fault(ServiceFault::stall)) {
    exchange_->is_slowed_by_service = true;
    is_answered_ = true;  // as far as this service goes
    is_finished_ = true;
    return;
  }
  exchange_->is_broken_by_service = true;
  // A truncated body without framing would look whole: nobody can tell it from a short one.
  const bool is_hidden = plan_->answer_framing == AnswerFraming::until_close;
  close(has_fault(ServiceFault::reset) || is_hidden);
}

void ServiceConnection::answer_sent() {
  if (socket_) return tunnel_sent();
  is_answered_ = true;
  answers_end_ = network_.sent_total(descriptor_);
  may_be_reused_ = !is_ending_;
  if (has_fault(ServiceFault::extra) && plan_->answer_framing != AnswerFraming::until_close) {
    const std::string_view extra = "\x01 nobody asked for this\r\n";
    const iovec piece{const_cast<char*>(extra.data()), extra.size()};
    has_extra_ = network_.send(descriptor_, std::span(&piece, 1)) > 0;
  }
  if (is_ending_) return network_.shut_down_writing(descriptor_);
  if (const int wait = service_.plan().idle_close; wait > 0)
    later(std::chrono::microseconds(wait), &ServiceConnection::close_if_idle);
}

void ServiceConnection::close_if_idle() {
  if (has_body_ && reader_.is_between_messages()) close(false);
}

}  // namespace sluice::sim
