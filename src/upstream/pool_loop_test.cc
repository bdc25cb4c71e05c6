// The pool with the real HTTP/1 codec on all loops.
#include <gtest/gtest.h>

#include "net/loop_fixture.h"
#include "upstream/codec_connector.h"
#include "upstream/fixture.h"
#include "upstream/pool.h"

namespace sluice::upstream {
namespace {

using net::LoopKind;
using net::testing::End;
using net::testing::kind_name;

// One GET after the other, as the exchange driver makes them.
struct Client final : AttemptEvents, http::UpstreamEvents {
  Client(Pool& its_pool, const Group& its_group) : pool(its_pool), group(its_group) {}

  void get() {
    Tried fresh;
    tried = fresh;
    endpoint = group.pick(tried, pool.loop().now(), pool.loop().random());
    endpoint->begin();
    attempt.start(pool, *endpoint, group.timeouts(), Wanted::any, net::Address{}, *this);
  }
  void over(Outcome outcome) {
    endpoint->end(outcome, pool.loop().now(), tried);
    if (outcome == Outcome::success) ++answers;
    if (outcome != Outcome::success) ++failures;
    if (--left > 0) get();
  }

  void on_connection(http::UpstreamConnection& connection, bool is_reused) override {
    reused += is_reused ? 1 : 0;
    arena.reset();
    half = &connection.start({.method = "GET", .authority = "a", .path = "/"}, arena, *this);
  }
  void on_no_connection(Error what) override {
    error = what;
    over(Outcome::connect_failed);
  }
  void on_interim(const http::ResponseHead&) override {}
  void on_response_head(const http::ResponseHead&) override { half->pull_body(); }
  void on_response_body(net::Buffer bytes) override {
    body += bytes.view();
    half->pull_body();
  }
  // The connection is the pool's again only after this returns: the next attempt waits for a later callback.
  void on_response_end(const http::FieldList&) override { pool.loop().set_timer(next, Duration(0)); }
  void on_upstream_room() override {}
  void on_upstream_failed(Error what) override {
    error = what;
    over(Outcome::reset);
  }
  void on_next() { over(Outcome::success); }

  Pool& pool;
  const Group& group;
  Tried tried;
  Endpoint* endpoint = nullptr;
  http::UpstreamHalf* half = nullptr;
  Arena arena;
  Attempt attempt;
  net::Timer next{net::Timer::of<&Client::on_next>(this)};
  std::string body;
  Error error{};
  int left = 0, answers = 0, failures = 0, reused = 0;
};

class PoolLoopTest : public net::testing::LoopTest {
 protected:
  void SetUp() override {
    LoopTest::SetUp();
    if (loop == nullptr) return;
    at_accept = [](End& end) {
      end.at_data = [&end](net::Buffer) { end.stream->write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"); };
    };
    connector = std::make_unique<CodecConnector>(*loop);
    pool = std::make_unique<Pool>(*loop, *connector);
  }
  void TearDown() override {
    pool.reset();
    LoopTest::TearDown();
  }
  void make_plan(const net::Address& to) {
    UpstreamConfig config = testing::config_of({1});
    config.endpoints[0].address = {.address = to, .text = to.text(), .place = {}};
    groups.push_back(Group::make("users", config, store));
    pool->adopt(groups);
  }

  EndpointStore store;
  std::vector<std::unique_ptr<const Group>> groups;
  std::unique_ptr<CodecConnector> connector;
  std::unique_ptr<Pool> pool;
};
SLUICE_ON_ALL_LOOPS(PoolLoopTest);

TEST_P(PoolLoopTest, OneConnectionServesManyRequests) {
  make_plan(address);
  Client client(*pool, *groups[0]);
  client.left = 50;
  client.get();
  EXPECT_TRUE(run_until([&] { return client.left == 0; }));
  EXPECT_EQ(client.answers, 50);
  EXPECT_EQ(client.reused, 49);
  EXPECT_EQ(client.body.size(), 100u);
  EXPECT_EQ(accepted.size(), 1u);
  EXPECT_EQ(pool->counters().idle.value(), 1);
}

TEST_P(PoolLoopTest, AnIdleConnectionThatTheUpstreamClosesLeavesThePool) {
  make_plan(address);
  Client client(*pool, *groups[0]);
  client.left = 1;
  client.get();
  EXPECT_TRUE(run_until([&] { return client.left == 0; }));
  EXPECT_EQ(pool->counters().idle.value(), 1);
  accepted.front().stream.reset();
  EXPECT_TRUE(run_until([&] { return pool->counters().idle.value() == 0; }));
  EXPECT_EQ(pool->counters().lost.value(), 1u);
  EXPECT_EQ(pool->counters().open.value(), 0);
}

TEST_P(PoolLoopTest, RefusedConnectsAreToldAndSetTheEndpointAside) {
  auto closed = net::listen_on(*net::Address::parse("127.0.0.1:0"));
  ASSERT_TRUE(closed);
  const net::Address nobody = *net::bound_address(*closed);
  {
    const net::ListenSocket gone = std::move(*closed);
  }
  make_plan(nobody);
  Client client(*pool, *groups[0]);
  client.left = 5;
  client.get();
  EXPECT_TRUE(run_until([&] { return client.left == 0; }));
  EXPECT_EQ(client.failures, 5);
  EXPECT_EQ(client.error.code, Code::refused);
  EXPECT_TRUE(client.error.retryable);
  EXPECT_TRUE(client.endpoint->is_set_aside());
  EXPECT_EQ(pool->counters().connect_failures.value(), 5u);
}

}  // namespace
}  // namespace sluice::upstream
