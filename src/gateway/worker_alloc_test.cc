// A keep-alive request through six policies, from the client's socket to the upstream's and back: after warm-up no heap
// allocation, and one receive and one send per side. Counted at malloc, where operator new and arenas end.
#include <gtest/gtest.h>

#include <cstddef>
#include <string>

#include "gateway/causes.h"
#include "gateway/plan_compiler.h"
#include "gateway/worker.h"
#include "http/causes.h"

#if !defined(__SANITIZE_ADDRESS__) && !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
#define SLUICE_COUNTS_MALLOC 1
namespace {
thread_local std::size_t allocations = 0;
}
extern "C" void* __libc_malloc(std::size_t size);
extern "C" __attribute__((visibility("default"))) void* malloc(std::size_t size) {
  ++allocations;
  return __libc_malloc(size);
}
#endif

namespace sluice::gateway {
namespace {

#ifdef SLUICE_COUNTS_MALLOC
std::size_t allocated() { return allocations; }
#else
std::size_t allocated() { return 0; }  // sanitizers have a malloc of their own
#endif

constexpr const char* config_text = R"(
listeners: [{name: public, bind: "127.0.0.1:0"}]
admin: {bind: "127.0.0.1:1"}
global_policies:
  - request_id: {}
  - forwarded: {rfc7239: true}
  - body_limit: {max: 1KiB}
upstreams:
  users: {endpoints: ["UPSTREAM"]}
routes:
  - name: user
    match: {path: "/users/{id}"}
    policies:
      - rewrite: {path: "/v2/users/{id}"}
      - headers: {request: {set: {x-user: "user {id}", x-team: edge}}, response: {remove: [server], set: {x-gateway: sluice}}}
    to: users
)";

// Answers every request with "hello", as a service on the same loop.
class Service final : private http::Waist, private net::AcceptHandler {
 public:
  explicit Service(net::Loop& loop) : loop_(loop), connections_(*this, {}) {
    auto socket = net::listen_on(net::Address::parse("127.0.0.1:0").value()).value();
    address_ = net::bound_address(socket).value();
    acceptor_ = loop.accept_from(std::move(socket), *this);
  }
  std::string address() const { return address_.text(); }

 private:
  void on_accept(net::StreamPtr stream) override { connections_.accept(std::move(stream)); }
  http::ClientEvents* begin(http::ClientHalf& half, const http::Request& request) override {
    EXPECT_EQ(request.path, "/v2/users/42");
    EXPECT_EQ(request.fields.find("x-user")->value, "user 42");
    http::ResponseHead head{.status = 200, .fields = {}, .body = {5}};
    head.fields.add(half.arena(), "server", "secret");
    if (half.send_head(head)) {
      half.send_body("hello");
      half.send_end(nullptr);
    }
    return nullptr;
  }
  void refuse(http::ClientHalf& half, const http::RefusedRequest&) override { half.abort(); }
  void on_connection_closed(std::uint32_t) override {}
  bool is_draining() const override { return false; }
  net::Loop& loop() override { return loop_; }

  net::Loop& loop_;
  http::h1::ServerConnections connections_;
  net::Address address_;
  std::unique_ptr<net::Acceptor> acceptor_;
};

// Sends one request after the other on one connection.
class Client final : private net::StreamHandler {
 public:
  Client(net::Loop& loop, const net::Address& to) : loop_(loop), stream_(loop.connect(to, *this)) {}
  void play(int rounds) {
    left_ = rounds;
    ask();
    loop_.run();
  }
  std::string first_answer;

 private:
  void ask() {
    stream_->write("GET /users/42 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n");
  }
  void on_data(net::Buffer bytes) override {
    if (first_answer.empty()) first_answer = bytes.view();
    if (!bytes.view().ends_with("hello")) return;
    if (--left_ == 0) return loop_.stop();
    ask();
  }
  void on_end() override { loop_.stop(); }
  void on_failed(Error error) override { ADD_FAILURE() << error.what, loop_.stop(); }

  net::Loop& loop_;
  net::StreamPtr stream_;
  int left_ = 0;
};

class WorkerAllocation : public testing::TestWithParam<net::LoopKind> {};

TEST_P(WorkerAllocation, AKeepAliveGetThroughSixPoliciesAllocatesNothing) {
  auto loop = net::make_loop(GetParam());
  if (!loop) GTEST_SKIP() << loop.error().what;
  const std::span<const Cause* const> lists[] = {http::causes(), causes()};
  const CauseTable table(lists);
  Kept kept(1, table);
  ByteRing ring(1 << 16);
  Worker worker(0, std::move(*loop), table, ring, {});
  Service service(worker.loop());

  std::string text = config_text;
  text.replace(text.find("UPSTREAM"), 8, service.address());
  config::Diagnostics diagnostics;
  const auto document = config::parse(text, "test.yaml", diagnostics);
  RootConfig config;
  ASSERT_TRUE(document && config::read(*document, config, diagnostics)) << diagnostics.render();
  std::shared_ptr<const Plan> plan = compile_plan(config, kept, diagnostics);
  ASSERT_NE(plan, nullptr) << diagnostics.render();
  auto socket = net::listen_on(plan->listeners[0].bind).value();
  const net::Address address = net::bound_address(socket).value();
  std::vector<Worker::NewSocket> sockets;
  sockets.push_back({.listener = "public", .socket = std::move(socket)});
  worker.publish(plan, std::move(sockets));

  Client client(worker.loop(), address);
  client.play(100);
  EXPECT_NE(client.first_answer.find("x-gateway: sluice"), std::string::npos) << client.first_answer;
  EXPECT_EQ(client.first_answer.find("secret"), std::string::npos);

  constexpr int rounds = 1'000;
  ring.consume(ring.peek()[0].size());
  const std::size_t before = allocated();
#ifdef SLUICE_COUNTS_MALLOC
  ASSERT_GT(before, 0u);  // the counter counts
#endif
  const auto counters = worker.loop().counters();
  client.play(rounds);
  EXPECT_EQ(allocated() - before, 0u);
  // Four messages a round on this loop: each is received once and sent once.
  EXPECT_EQ(worker.loop().counters().receives - counters.receives, 4u * rounds);
  EXPECT_EQ(worker.loop().counters().sends - counters.sends, 4u * rounds);
  EXPECT_EQ(worker.metrics().requests_begun.value(), 100u + rounds);
  EXPECT_EQ(worker.metrics().requests_in_flight.value(), 0);
  EXPECT_EQ(worker.pool_counters().opened.value(), 1u);
}

INSTANTIATE_TEST_SUITE_P(Loops, WorkerAllocation, testing::Values(net::LoopKind::epoll, net::LoopKind::uring),
                         [](const auto& info) { return info.param == net::LoopKind::epoll ? "epoll" : "uring"; });

}  // namespace
}  // namespace sluice::gateway
