// A keep-alive request through six policies, from the client's socket to the upstream's and back: after warm-up no heap
// allocation, and one receive and one send per side. Counted at malloc, where operator new and arenas end.
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <string>

#include "gateway/causes.h"
#include "gateway/plan_compiler.h"
#include "gateway/worker.h"
#include "http/causes.h"
#include "http/h2/session.h"

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

// Speaks HTTP/2 with prior knowledge: several requests at once, one batch after the other.
class Http2Client final : private net::StreamHandler, private http::h2::SessionEvents {
 public:
  static constexpr int streams = 8;
  Http2Client(net::Loop& loop, const net::Address& to)
      : loop_(loop), stream_(loop.connect(to, *this)), session_(http::h2::Session::Role::client, {}, memory_, *this) {}
  void play(int rounds) {
    left_ = rounds;
    ask();
    loop_.run();
  }
  int whole = 0;

 private:
  struct Asked final : http::h2::SessionStream {
    Piece next_piece(std::size_t) override { return {}; }
    void write_piece(net::Stream&, std::size_t) override {}
  };
  void ask() {
    static constexpr std::array<http::h2::HeaderField, 5> fields{{{":method", "GET"},
                                                                  {":scheme", "http"},
                                                                  {":path", "/users/42"},
                                                                  {":authority", "api.example.com"},
                                                                  {"user-agent", "test"}}};
    open_ = streams;
    for (Asked& one : asked_) EXPECT_TRUE(session_.submit_request(one, fields, false));
    EXPECT_TRUE(session_.write(*stream_, SIZE_MAX));
  }
  void on_data(net::Buffer bytes) override {
    EXPECT_TRUE(session_.receive(bytes.view()));
    EXPECT_TRUE(session_.write(*stream_, SIZE_MAX));
    if (open_ > 0) return;
    if (--left_ == 0) return loop_.stop();
    ask();
  }
  void on_end() override { loop_.stop(); }
  void on_failed(Error error) override { ADD_FAILURE() << error.what, loop_.stop(); }

  http::h2::SessionStream* on_open(std::int32_t) override { return nullptr; }
  void on_block_begin(http::h2::SessionStream&) override {}
  void on_field(http::h2::SessionStream&, std::string_view, std::string_view) override {}
  void on_block_end(http::h2::SessionStream&, bool) override {}
  void on_data(http::h2::SessionStream& stream, std::string_view bytes) override {
    EXPECT_EQ(bytes, "hello");
    session_.consume_connection(bytes.size());
    session_.consume_stream(stream, bytes.size());
  }
  void on_last(http::h2::SessionStream&) override { ++whole; }
  void on_malformed(http::h2::SessionStream&) override { ADD_FAILURE(); }
  void on_closed(http::h2::SessionStream&, http::h2::ErrorCode, bool) override { --open_; }
  void on_sent_last(http::h2::SessionStream&) override {}
  void on_frame(std::size_t, http::h2::SessionStream*) override {}
  void on_frame_sent(std::size_t, http::h2::SessionStream*, bool) override {}
  void on_odd(http::h2::Oddity) override {}
  void on_goaway(std::int32_t, http::h2::ErrorCode) override { ADD_FAILURE(); }
  void on_settings() override {}

  net::Loop& loop_;
  net::StreamPtr stream_;
  http::h2::SessionMemory memory_;
  http::h2::Session session_;
  std::array<Asked, streams> asked_;
  int left_ = 0, open_ = 0;
};

class WorkerAllocation : public testing::TestWithParam<net::LoopKind> {};

// A gateway on one loop, with its service.
struct Setting {
  explicit Setting(std::unique_ptr<net::Loop> loop)
      : worker(0, std::move(loop), table, ring, {}), service(worker.loop()) {
    std::string text = config_text;
    text.replace(text.find("UPSTREAM"), 8, service.address());
    config::Diagnostics diagnostics;
    const auto document = config::parse(text, "test.yaml", diagnostics);
    RootConfig config;
    EXPECT_TRUE(document && config::read(*document, config, diagnostics)) << diagnostics.render();
    std::shared_ptr<const Plan> plan = compile_plan(config, kept, diagnostics);
    EXPECT_NE(plan, nullptr) << diagnostics.render();
    auto socket = net::listen_on(plan->listeners[0].bind).value();
    address = net::bound_address(socket).value();
    std::vector<Worker::NewSocket> sockets;
    sockets.push_back({.listener = "public", .socket = std::move(socket)});
    worker.publish(plan, std::move(sockets));
  }
  void empty_log() { ring.consume(ring.peek()[0].size()); }

  static inline const std::span<const Cause* const> lists[] = {http::causes(), causes()};
  const CauseTable table{lists};
  Kept kept{1, table};
  ByteRing ring{1 << 16};
  Worker worker;
  Service service;
  net::Address address;
};

TEST_P(WorkerAllocation, AKeepAliveGetThroughSixPoliciesAllocatesNothing) {
  auto loop = net::make_loop(GetParam());
  if (!loop) GTEST_SKIP() << loop.error().what;
  Setting setting(std::move(*loop));
  Worker& worker = setting.worker;
  Client client(worker.loop(), setting.address);
  client.play(100);
  EXPECT_NE(client.first_answer.find("x-gateway: sluice"), std::string::npos) << client.first_answer;
  EXPECT_EQ(client.first_answer.find("secret"), std::string::npos);

  constexpr int rounds = 1'000;
  setting.empty_log();
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

// libnghttp2 included, on both sides of the connection: its memory comes from blocks that are kept.
TEST_P(WorkerAllocation, Http2RequestsAllocateNothing) {
  auto loop = net::make_loop(GetParam());
  if (!loop) GTEST_SKIP() << loop.error().what;
  Setting setting(std::move(*loop));
  Http2Client client(setting.worker.loop(), setting.address);
  client.play(50);
  setting.empty_log();
  const std::size_t before = allocated();
  client.play(100);
  EXPECT_EQ(allocated() - before, 0u);
  EXPECT_EQ(client.whole, 150 * Http2Client::streams);
  EXPECT_EQ(setting.worker.metrics().requests_begun.value(), 150u * Http2Client::streams);
  EXPECT_EQ(setting.worker.metrics().http2.streams_open.value(), 0);
}

INSTANTIATE_TEST_SUITE_P(Loops, WorkerAllocation, testing::Values(net::LoopKind::epoll, net::LoopKind::uring),
                         [](const auto& info) { return info.param == net::LoopKind::epoll ? "epoll" : "uring"; });

}  // namespace
}  // namespace sluice::gateway
