#pragma once
// For tests: the smallest gateway. Every request goes to one endpoint over pooled connections, bodies stream both ways.

#include <memory>
#include <optional>
#include <vector>

#include "http/h1/client_connection.h"

namespace sluice::http::h1 {

class FakeRelay final : public Waist, public UpstreamConnectionOwner {
 public:
  FakeRelay(net::Loop& over, const net::Address& to) : loop_(over), to_(to) {}

  int opened = 0, closed = 0;
  bool draining = false;
  std::size_t idle() const { return idle_.size(); }

  ClientEvents* begin(ClientHalf& half, const Request& request) override {
    Exchange& exchange = take_exchange();
    exchange.client = &half;
    exchange.request = {};
    exchange.request.method = request.method_name;
    exchange.request.authority = request.authority;
    exchange.request.path = request.path;
    exchange.request.has_query = request.has_query;
    exchange.request.query = request.query;
    exchange.request.fields = request.fields;
    exchange.request.body = request.body;
    if (request.expects_continue) half.send_continue();
    if (idle_.empty()) {
      Connection& connection = *connections_.emplace_back(std::make_unique<Connection>());
      connection.waiting = &exchange;
      connection.h1.emplace(loop_, to_, settings_, *this);
      ++opened;
    } else {
      Connection& connection = *idle_.back();
      idle_.pop_back();
      exchange.start(*connection.h1);
    }
    return &exchange;
  }
  void refuse(ClientHalf& half, const RefusedRequest&) override { answer(half, 400); }
  void on_connection_closed(std::uint32_t) override { ++closed; }
  bool is_draining() const override { return draining; }
  net::Loop& loop() override { return loop_; }

 private:
  static constexpr std::size_t most_unsent = 256 * 1024;

  static void answer(ClientHalf& half, int status) {
    ResponseHead head;
    head.status = status;
    if (half.send_head(head)) half.send_end(nullptr);
  }

  struct Exchange final : ClientEvents, UpstreamEvents {
    FakeRelay* relay = nullptr;
    ClientHalf* client = nullptr;
    UpstreamHalf* upstream = nullptr;
    RequestHead request;

    void start(ClientConnection& connection) {
      upstream = &connection.start(request, client->arena(), *this);
      if (!request.body.is_empty()) client->pull_body();
    }
    void over() {
      if (upstream == nullptr) relay->stop_waiting(*this);
      client = nullptr;
      upstream = nullptr;
      relay->spare_.push_back(this);
    }
    void on_request_body(net::Buffer bytes) override {
      upstream->send_body(std::move(bytes));
      if (upstream->unsent_bytes() > most_unsent) return upstream->want_room();
      client->pull_body();
    }
    void on_request_end(const FieldList& trailers) override { upstream->send_end(&trailers); }
    void on_client_room() override { upstream->pull_body(); }
    void on_client_failed(Refusal) override {
      if (upstream != nullptr) upstream->cancel();
      ClientHalf& half = *client;
      over();
      half.abort();
    }
    void on_interim(const ResponseHead& head) override { client->send_interim(head); }
    void on_response_head(const ResponseHead& head) override {
      (void)client->send_head(head);
      if (!head.body.is_empty()) upstream->pull_body();
    }
    void on_response_body(net::Buffer bytes) override {
      client->send_body(std::move(bytes));
      if (client->unsent_bytes() > most_unsent) return client->want_room();
      upstream->pull_body();
    }
    void on_response_end(const FieldList& trailers) override {
      ClientHalf& half = *client;
      over();
      half.send_end(&trailers);
    }
    void on_upstream_room() override { client->pull_body(); }
    void on_upstream_failed(Error) override {
      ClientHalf& half = *client;
      over();
      half.can_answer() ? answer(half, 502) : half.abort();
    }
  };
  struct Connection {
    std::optional<ClientConnection> h1;
    Exchange* waiting = nullptr;
  };

  Exchange& take_exchange() {
    if (spare_.empty()) {
      exchanges_.push_back(std::make_unique<Exchange>());
      exchanges_.back()->relay = this;
      spare_.push_back(exchanges_.back().get());
    }
    Exchange& exchange = *spare_.back();
    spare_.pop_back();
    return exchange;
  }
  Connection& of(UpstreamConnection& connection) {
    for (const auto& one : connections_) {
      if (&*one->h1 == &connection) return *one;
    }
    std::abort();
  }
  void on_connected(UpstreamConnection& connection) override {
    Connection& one = of(connection);
    Exchange* const exchange = std::exchange(one.waiting, nullptr);
    if (exchange == nullptr) return idle_.push_back(&one);  // the client left in the meantime
    exchange->start(*one.h1);
  }
  void on_connect_failed(UpstreamConnection& connection, Error error) override {
    Exchange* const exchange = of(connection).waiting;
    on_unusable(connection);
    if (exchange != nullptr) exchange->on_upstream_failed(error);
  }
  void stop_waiting(const Exchange& exchange) {
    for (const auto& one : connections_) {
      if (one->waiting == &exchange) one->waiting = nullptr;
    }
  }
  void on_idle(UpstreamConnection& connection) override { idle_.push_back(&of(connection)); }
  void on_unusable(UpstreamConnection& connection) override {
    Connection& one = of(connection);
    std::erase(idle_, &one);
    std::erase_if(connections_, [&](const auto& other) { return other.get() == &one; });
  }

  net::Loop& loop_;
  net::Address to_;
  ClientSettings settings_;
  std::vector<std::unique_ptr<Exchange>> exchanges_;
  std::vector<Exchange*> spare_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> idle_;
};

}  // namespace sluice::http::h1
