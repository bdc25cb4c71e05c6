// A keep-alive exchange allocates nothing once the connection has served another: counted at malloc, where operator
// new, arenas and containers all end.
#include <gtest/gtest.h>

#include <cstddef>
#include <string>

#include "http/h1/fake_net.h"
#include "http/h1/fake_relay.h"
#include "http/h1/server_connections.h"

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

namespace sluice::http::h1 {
namespace {

#ifdef SLUICE_COUNTS_MALLOC
std::size_t allocated() { return allocations; }

TEST(ConnectionAllocation, TheCounterCounts) {
  const std::size_t before = allocated();
  const FakeLoop loop;
  EXPECT_GT(allocated(), before);
}
#else
std::size_t allocated() { return 0; }  // sanitizers have a malloc of their own
#endif

// One client connection, relayed to one upstream connection; the test plays both peers.
TEST(ConnectionAllocation, ARelayedKeepAliveExchangeAllocatesNothing) {
  FakeLoop loop;
  FakeRelay relay(loop, net::Address{});
  ServerConnections connections(relay, ServerSettings{});
  FakeStream& client = loop.make_stream();
  connections.accept(net::StreamPtr(&client));
  const std::string requests[] = {
      "GET /a/b/c?d=e HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\nUser-Agent: x\r\n\r\n",
      "POST /a HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\n\r\nhello",
      "POST /a HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  };
  const std::string responses[] = {
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
      "HTTP/1.1 304 Not Modified\r\n\r\n",
  };
  client.give(requests[0]);
  FakeStream& upstream = loop.last_stream();
  upstream.handler->on_connected();
  upstream.give(responses[0]);
  for (FakeStream* const stream : {&client, &upstream}) stream->output.reserve(1 << 16);
  const auto exchange_all = [&] {
    for (const std::string& request : requests) {
      for (const std::string& response : responses) {
        client.output.clear();
        upstream.output.clear();
        client.give(request);
        upstream.give(response);
        ASSERT_TRUE(client.output.starts_with("HTTP/1.1 ")) << upstream.output;
      }
    }
  };
  exchange_all();
  const std::size_t before = allocated();
  for (int i = 0; i < 1000; ++i) exchange_all();
  EXPECT_EQ(allocated() - before, 0U);
  EXPECT_EQ(relay.opened, 1);
  EXPECT_EQ(relay.idle(), 1U);
}

TEST(ConnectionAllocation, PipelinedRequestsAllocateNothing) {
  FakeLoop loop;
  struct Hello final : Waist {
    explicit Hello(net::Loop& over) : loop_(over) {}
    ClientEvents* begin(ClientHalf& half, const Request&) override {
      ResponseHead head;
      head.body.bytes = 5;
      if (!half.send_head(head)) return nullptr;
      half.send_body("hello");
      half.send_end(nullptr);
      ++served;
      return nullptr;
    }
    void refuse(ClientHalf& half, const RefusedRequest&) override { half.abort(); }
    void on_connection_closed(std::uint32_t) override {}
    bool is_draining() const override { return false; }
    net::Loop& loop() override { return loop_; }
    net::Loop& loop_;
    int served = 0;
  } waist(loop);
  ServerConnections connections(waist, ServerSettings{});
  FakeStream& client = loop.make_stream();
  connections.accept(net::StreamPtr(&client));
  std::string batch;
  for (int i = 0; i < 100; ++i) batch += "GET /a HTTP/1.1\r\nHost: example.com\r\n\r\n";
  client.output.reserve(1 << 20);
  client.give(batch);
  const std::size_t before = allocated();
  for (int i = 0; i < 50; ++i) {
    client.output.clear();
    client.give(batch);
  }
  EXPECT_EQ(allocated() - before, 0U);
  EXPECT_EQ(waist.served, 5100);
}

}  // namespace
}  // namespace sluice::http::h1
