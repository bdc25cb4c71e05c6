#pragma once
// For tests: a gateway of a few lines. Each request is recorded and answered by a function that the test sets.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "http/exchange.h"

namespace sluice::http::h1 {

inline ResponseHead head_of(int status, std::int64_t body_bytes) {
  ResponseHead head;
  head.status = status;
  head.body.bytes = body_bytes;
  return head;
}

// One exchange as the gateway would hold it. Pulls by itself unless told otherwise.
struct FakeExchange final : ClientEvents {
  ClientHalf* half = nullptr;
  bool pulls = true;
  std::string body, trailers;
  int chunks = 0, ends = 0, rooms = 0, failures = 0;
  Refusal refusal{};
  std::function<void(FakeExchange&)> at_chunk, at_end, at_failure, at_room;

  void on_request_body(net::Buffer bytes) override {
    ++chunks;
    EXPECT_FALSE(bytes.empty());
    body.append(bytes.view());
    if (at_chunk) return at_chunk(*this);
    if (pulls) half->pull_body();
  }
  void on_request_end(const FieldList& fields) override {
    ++ends;
    for (const Field& field : fields) trailers.append(field.name).append("=").append(field.value).append(";");
    if (at_end) at_end(*this);
  }
  void on_client_room() override {
    ++rooms;
    if (at_room) at_room(*this);
  }
  void on_client_failed(Refusal why) override {
    ++failures;
    refusal = why;
    if (at_failure) return at_failure(*this);
    half->abort();
  }
  void answer(std::string_view text, int status = 200) {
    if (!half->send_head(head_of(status, static_cast<std::int64_t>(text.size())))) return;
    half->send_body(text);
    half->send_end(nullptr);
  }
};

struct FakeWaist final : Waist {
  explicit FakeWaist(net::Loop& over) : loop_(over) {}

  // Prepares the exchange; the answer may be given at once, then it returns true.
  std::function<bool(FakeExchange&, const Request&)> at_begin;
  std::vector<std::unique_ptr<FakeExchange>> exchanges;
  std::vector<std::string> requests, refusals;
  std::string refused_details;
  int depth = 0, deepest = 0, closed = 0;
  std::uint32_t last_ticket = 0;
  bool draining = false;

  ClientEvents* begin(ClientHalf& half, const Request& request) override {
    deepest = std::max(deepest, ++depth);
    std::string line(request.method_name);
    line.append(" ").append(request.path);
    for (const Field& field : request.fields) line.append("|").append(field.name).append("=").append(field.value);
    requests.push_back(std::move(line));
    FakeExchange& exchange = *exchanges.emplace_back(std::make_unique<FakeExchange>());
    exchange.half = &half;
    const bool is_over = at_begin(exchange, request);
    --depth;
    return is_over ? nullptr : &exchange;
  }
  void refuse(ClientHalf& half, const RefusedRequest& refused) override {
    refusals.emplace_back(refused.refusal.cause->code);
    refused_details = std::string(refused.method) + " " + std::string(refused.target);
    FakeExchange exchange;
    exchange.half = &half;
    exchange.answer("no", refused.refusal.cause->status);
  }
  void on_connection_closed(std::uint32_t ticket) override {
    ++closed;
    last_ticket = ticket;
  }
  bool is_draining() const override { return draining; }
  net::Loop& loop() override { return loop_; }

 private:
  net::Loop& loop_;
};

// Ready-made behaviours.
inline bool say_hello(FakeExchange& exchange, const Request&) {
  exchange.answer("hello");
  return true;
}
// Answers with the body once it is there.
inline bool echo(FakeExchange& exchange, const Request&) {
  exchange.at_end = [](FakeExchange& self) { self.answer(self.body); };
  exchange.half->pull_body();
  return false;
}
inline bool do_nothing(FakeExchange&, const Request&) { return false; }

}  // namespace sluice::http::h1
