#include "upstream/pool.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <new>

#include "http/h1/fake_net.h"
#include "upstream/fixture.h"

namespace {
std::size_t allocations = 0;  // of this binary: its operator new is replaced
}

#if !__has_feature(thread_sanitizer)  // which has operators of its own: there nothing is counted
void* operator new(std::size_t size) {
  ++allocations;
  void* const memory = std::malloc(size);
  if (memory == nullptr) std::abort();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
#endif

namespace sluice::upstream {
namespace {

using namespace testing;

// A connection that does what the test says.
struct FakeConnection final : http::UpstreamConnection {
  FakeConnection(const net::Address& to, http::UpstreamConnectionOwner& its_owner, int& alive_count)
      : address(to), owner(&its_owner), alive(alive_count) {
    ++alive;
  }
  ~FakeConnection() override { --alive; }
  http::UpstreamHalf& start(const http::RequestHead&, Arena&, http::UpstreamEvents&) override { std::abort(); }

  bool is_shared() const override { return is_many; }
  std::uint32_t room() const override { return takes; }

  void connected() { owner->on_connected(*this); }
  void refused() { owner->on_connect_failed(*this, {Code::refused, Side::upstream}); }
  void idle() { owner->on_idle(*this); }
  void unusable() { owner->on_unusable(*this); }

  net::Address address;
  http::UpstreamConnectionOwner* owner;
  int& alive;
  std::uint32_t takes = 0;
  bool is_many = false;
};

struct FakeConnector final : Connector {
  std::unique_ptr<http::UpstreamConnection> connect(const net::Address& to, const Manner& manner,
                                                    http::UpstreamConnectionOwner& owner) override {
    auto made = std::make_unique<FakeConnection>(to, owner, alive);
    made->is_many = manner.protocol == Protocol::http2;
    made->takes = room;
    last = made.get();
    last_protocol = manner.protocol;
    last_first_bytes = manner.first_bytes;
    ++made_count;
    return made;
  }
  FakeConnection* last = nullptr;
  Protocol last_protocol = Protocol::automatic;
  std::string last_first_bytes;
  std::uint32_t room = 0;  // of connections that speak HTTP/2
  int made_count = 0;
  int alive = 0;
};

struct Waiter final : AttemptEvents {
  void on_connection(http::UpstreamConnection& got, bool reused) override {
    connection = static_cast<FakeConnection*>(&got);
    is_reused = reused;
    ++events;
    if (at_connection) at_connection();
  }
  void on_no_connection(Error what) override {
    connection = nullptr;
    error = what;
    ++events;
    if (at_failure) at_failure();
  }
  FakeConnection* take() { return std::exchange(connection, nullptr); }

  FakeConnection* connection = nullptr;
  bool is_reused = false;
  Error error{};
  int events = 0;
  std::function<void()> at_failure, at_connection;
  Attempt attempt;
};

class PoolTest : public ::testing::Test {
 protected:
  PoolTest() { make_plan(config_of({1, 1})); }

  void make_plan(const UpstreamConfig& config) {
    groups.clear();
    groups.push_back(Group::make("users", config, store));
    pool.adopt(groups);
  }
  Endpoint& endpoint(std::size_t at = 0) { return *groups[0]->members()[at].endpoint; }

  void start(Waiter& waiter, std::size_t at = 0, Wanted wanted = Wanted::any) {
    waiter.attempt.start(pool, endpoint(at), groups[0]->timeouts(), wanted, client, waiter);
  }
  // A connection in use that was opened for it.
  FakeConnection* open(std::size_t at = 0) {
    Waiter waiter;
    start(waiter, at, Wanted::fresh);
    connector.last->connected();
    return waiter.take();
  }
  FakeConnection* take(std::size_t at = 0) {
    Waiter waiter;
    start(waiter, at);
    return waiter.take();
  }
  std::int64_t idle() const { return pool.counters().idle.value(); }

  EndpointStore store;
  net::Address client = net::Address::parse("192.0.2.7:4711").value();
  std::vector<std::unique_ptr<const Group>> groups;
  http::h1::FakeLoop loop;
  FakeConnector connector;
  Pool pool{loop, connector};
};

// ---- connections that many exchanges share

class SharedPoolTest : public PoolTest {
 protected:
  SharedPoolTest() {
    UpstreamConfig config = config_of({1});
    config.protocol = Protocol::http2;
    make_plan(config);
    connector.room = 2;
  }
};

TEST_F(SharedPoolTest, WhoAsksMeanwhileWaitsForTheSameConnection) {
  Waiter first, second, third;
  start(first);
  start(second);
  start(third);
  EXPECT_EQ(connector.made_count, 1);
  FakeConnection& connection = *connector.last;
  second.attempt.cancel();
  connection.connected();
  EXPECT_EQ(first.events + second.events + third.events, 2);
  EXPECT_EQ(first.connection, &connection);
  EXPECT_EQ(third.connection, &connection);
  EXPECT_EQ(take(), &connection) << "it has room still, as it says";
  connection.takes = 0;
  Waiter more;
  start(more);
  EXPECT_EQ(connector.made_count, 2);
  connector.last->connected();
  EXPECT_EQ(more.connection, connector.last);
  EXPECT_EQ(pool.counters().open.value(), 2);
}

TEST_F(SharedPoolTest, APeerThatTakesFewerThanHaveComeGetsAnotherConnection) {
  Waiter first, second;
  start(first);
  start(second);
  FakeConnection& connection = *connector.last;
  first.at_connection = [&] { connection.takes = 0; };
  connection.connected();
  EXPECT_EQ(first.events, 1);
  EXPECT_EQ(second.events, 0);
  EXPECT_EQ(connector.made_count, 2);
  connector.last->connected();
  EXPECT_EQ(second.connection, connector.last);
}

TEST_F(SharedPoolTest, AFailedConnectIsToldToAllWhoWait) {
  Waiter first, second;
  start(first);
  start(second);
  connector.last->refused();
  EXPECT_EQ(first.error.code, Code::refused);
  EXPECT_EQ(second.error.code, Code::refused);
  EXPECT_EQ(connector.alive, 0);
  EXPECT_EQ(endpoint().totals().pending, 0);
  Waiter late;
  start(late);
  loop.pass(6s);
  EXPECT_EQ(late.error.code, Code::timed_out);
  EXPECT_EQ(connector.alive, 0);
}

TEST_F(SharedPoolTest, IdleOnesGrowOldAndGoneOnesGo) {
  FakeConnection* const one = open();
  one->idle();
  EXPECT_EQ(idle(), 1);
  EXPECT_EQ(take(), one);
  EXPECT_EQ(idle(), 0);
  one->idle();
  loop.pass(62s);
  EXPECT_EQ(connector.alive, 0);
  EXPECT_EQ(pool.counters().closed_idle.value(), 1U);
  FakeConnection* const other = open();
  other->unusable();
  EXPECT_EQ(connector.alive, 0);
  EXPECT_EQ(pool.counters().open.value(), 0);
  FakeConnection* const last = open();
  pool.close_idle();
  EXPECT_EQ(connector.alive, 1) << "in use";
  last->idle();
  EXPECT_EQ(connector.alive, 0);
}

TEST_F(SharedPoolTest, AnotherProtocolTakesTheirPlace) {
  FakeConnection* const shared = open();
  shared->idle();
  make_plan(config_of({1}));
  EXPECT_EQ(connector.alive, 0);
  open()->idle();
  EXPECT_FALSE(connector.last->is_shared());
}

// ---- connections whose handshake tells what they speak

class NegotiatedPoolTest : public PoolTest {
 protected:
  NegotiatedPoolTest() {
    connector.room = 2;
    adopt(Protocol::automatic);
  }
  void adopt(Protocol protocol, std::uint32_t max_pending = 1024) {
    UpstreamConfig config = config_of({1});
    config.protocol = protocol;
    config.max_pending = max_pending;
    groups.clear();
    groups.push_back(Group::make("users", config, store, tls));
    pool.adopt(groups);
  }
  FakeConnection& connected(bool is_http2) {
    FakeConnection& connection = *connector.last;
    connection.is_many = is_http2;
    connection.connected();
    return connection;
  }

  Connector::TlsPtr tls =
      net::tls::ClientContext::make({.verifies = false}, std::make_shared<const net::tls::ClientCredentials>()).value();
};

TEST_F(NegotiatedPoolTest, Http2IsSharedByAllWhoWaited) {
  Waiter first, second;
  start(first);
  start(second);
  EXPECT_EQ(connector.made_count, 1);
  FakeConnection& connection = connected(true);
  EXPECT_EQ(first.connection, &connection);
  EXPECT_EQ(second.connection, &connection);
  EXPECT_EQ(take(), &connection);
  connection.idle();
  EXPECT_EQ(idle(), 1);
  EXPECT_EQ(take(), &connection);
}

TEST_F(NegotiatedPoolTest, WithHttp1WhoHasWaitedGetsOneOfItsOwn) {
  Waiter first, second, third, late;
  for (Waiter* const waiter : {&first, &second, &third}) start(*waiter);
  FakeConnection& connection = connected(false);
  EXPECT_EQ(first.take(), &connection);
  EXPECT_EQ(second.events + third.events, 0);
  EXPECT_EQ(connector.made_count, 3);
  FakeConnection& for_third = connected(false);
  EXPECT_EQ(third.take(), &for_third);
  EXPECT_EQ(second.events, 0);
  start(late);  // it is known by now: nobody waits for another's
  EXPECT_EQ(connector.made_count, 4);
  connection.idle();
  EXPECT_EQ(take(), &connection);
}

TEST_F(NegotiatedPoolTest, WithHttp1NoMoreThanMaxPendingAreMadeAtOnce) {
  adopt(Protocol::automatic, 1);
  Waiter first, second, third;
  for (Waiter* const waiter : {&first, &second, &third}) start(*waiter);
  second.at_failure = third.at_failure = [&] { first.attempt.cancel(); };  // whatever they may do
  FakeConnection& connection = connected(false);
  EXPECT_EQ(second.events, 0);
  EXPECT_EQ(third.error.code, Code::exhausted);
  EXPECT_EQ(first.events, 0);
  EXPECT_EQ(take(), &connection) << "nobody needed it any more: it is idle";
  connected(false);
  EXPECT_EQ(second.events, 1);
  EXPECT_EQ(endpoint().totals().pending, 0);
}

TEST_F(NegotiatedPoolTest, AnEndpointMayChangeItsMind) {
  Waiter first, second, third;
  start(first);
  connected(false);
  FakeConnection* const old = first.take();
  start(second);
  connected(true);
  EXPECT_EQ(second.connection, connector.last);
  start(third);
  EXPECT_EQ(third.take(), second.connection);
  old->idle();
  EXPECT_EQ(take(), second.connection) << "shared ones first";
  connector.last->takes = 0;
  EXPECT_EQ(take(), old);
}

TEST_F(NegotiatedPoolTest, OneOfItsOwnIsNeitherWaitedForNorShared) {
  Waiter shared, own, late;
  start(shared);
  start(own, 0, Wanted::own);
  EXPECT_EQ(connector.made_count, 2);
  EXPECT_EQ(connector.last_protocol, Protocol::http1);
  connected(false);
  EXPECT_EQ(own.events, 1);
  start(late);
  EXPECT_EQ(connector.made_count, 2) << "what it speaks says nothing of the others";
  own.take()->idle();
  EXPECT_EQ(connector.alive, 1);
}

TEST_F(NegotiatedPoolTest, OtherTermsForgetWhatWasLearnt) {
  Waiter first, second, third;
  start(first);
  connected(false);
  adopt(Protocol::http1);
  first.take()->idle();
  EXPECT_EQ(connector.alive, 0);
  adopt(Protocol::automatic);
  start(second);
  start(third);
  EXPECT_EQ(connector.made_count, 2);
}

TEST_F(PoolTest, OneThatTellsOfItsClientIsForOneExchange) {
  open()->idle();
  UpstreamConfig config = config_of({1, 1});
  config.proxy_protocol = ProxyProtocol::v1;
  make_plan(config);
  EXPECT_EQ(connector.alive, 0) << "nobody was told of on it";
  open()->idle();
  EXPECT_EQ(connector.last_first_bytes, "PROXY TCP4 192.0.2.7 127.0.0.1 4711 7001\r\n");
  EXPECT_EQ(connector.last_protocol, Protocol::http1);
  EXPECT_EQ(connector.alive, 0);
  FakeConnection* const busy = open();
  make_plan(config_of({1, 1}));
  busy->idle();
  EXPECT_EQ(connector.alive, 0) << "it tells of another client";
}

TEST_F(PoolTest, WhoWaitsWhenItIsSwitchedOnIsToldOf) {
  Waiter waiter;
  start(waiter);
  EXPECT_EQ(connector.last_first_bytes, "");
  UpstreamConfig config = config_of({1, 1});
  config.proxy_protocol = ProxyProtocol::v1;
  make_plan(config);
  connector.last->connected();
  EXPECT_EQ(waiter.events, 0);
  EXPECT_EQ(connector.last_first_bytes, "PROXY TCP4 192.0.2.7 127.0.0.1 4711 7001\r\n");
  FakeConnection* const second = connector.last;
  second->connected();
  EXPECT_EQ(waiter.take(), second);
  EXPECT_EQ(connector.alive, 1);
}

TEST_F(PoolTest, OpensOneAndUsesItAgain) {
  Waiter waiter;
  start(waiter);
  EXPECT_TRUE(waiter.attempt.is_waiting());
  EXPECT_EQ(waiter.events, 0);
  EXPECT_EQ(connector.last->address, endpoint().address());
  connector.last->connected();
  ASSERT_NE(waiter.connection, nullptr);
  EXPECT_FALSE(waiter.is_reused);
  EXPECT_FALSE(waiter.attempt.is_waiting());

  FakeConnection* const first = waiter.take();
  first->idle();
  EXPECT_EQ(idle(), 1);
  start(waiter);
  EXPECT_EQ(waiter.connection, first);
  EXPECT_TRUE(waiter.is_reused);
  EXPECT_EQ(waiter.events, 2);
  const Pool::Counters& counters = pool.counters();
  EXPECT_EQ(counters.connects.value(), 1u);
  EXPECT_EQ(counters.opened.value(), 1u);
  EXPECT_EQ(counters.reused.value(), 1u);
  EXPECT_EQ(counters.open.value(), 1);
  EXPECT_EQ(idle(), 0);
  EXPECT_EQ(endpoint().totals().connects, 1u);
}

TEST_F(PoolTest, GivesTheLastOneThatBecameIdle) {
  FakeConnection* const a = open();
  FakeConnection* const b = open();
  FakeConnection* const c = open();
  b->idle();
  c->idle();
  a->idle();
  EXPECT_EQ(take(), a);
  EXPECT_EQ(take(), c);
  a->idle();
  EXPECT_EQ(take(), a);
  EXPECT_EQ(take(), b);
}

TEST_F(PoolTest, KeepsEndpointsApart) {
  open(0)->idle();
  EXPECT_EQ(take(1), nullptr);
  EXPECT_NE(take(0), nullptr);
}

TEST_F(PoolTest, FreshOnlyPassesByThePooledOnes) {
  FakeConnection* const pooled = open();
  pooled->idle();
  FakeConnection* const fresh = open();
  EXPECT_NE(fresh, pooled);
  EXPECT_EQ(idle(), 1);
}

TEST_F(PoolTest, ReportsARefusedConnect) {
  Waiter waiter;
  start(waiter);
  connector.last->refused();
  EXPECT_EQ(waiter.events, 1);
  EXPECT_EQ(waiter.error.code, Code::refused);
  EXPECT_TRUE(waiter.error.retryable);
  EXPECT_EQ(connector.alive, 0);
  loop.pass(1min);
  EXPECT_EQ(waiter.events, 1);
  EXPECT_EQ(pool.counters().connect_failures.value(), 1u);
  EXPECT_EQ(pool.counters().open.value(), 0);
}

TEST_F(PoolTest, TheGatewaysOwnFailureIsNotRetryable) {
  Waiter waiter;
  start(waiter);
  connector.last->owner->on_connect_failed(*connector.last, {Code::exhausted, Side::gateway, true});
  EXPECT_FALSE(waiter.error.retryable);
}

TEST_F(PoolTest, R26WithoutALocalPortAnotherEndpointMayStillBeReached) {
  Waiter waiter;
  start(waiter);
  connector.last->owner->on_connect_failed(*connector.last, {Code::unavailable, Side::gateway});
  EXPECT_TRUE(waiter.error.retryable);
  EXPECT_EQ(waiter.error.side, Side::gateway);  // so that the endpoint is not blamed
}

TEST_F(PoolTest, GivesUpAfterConnectTimeout) {
  Waiter waiter;
  start(waiter);
  loop.pass(4999ms);
  EXPECT_EQ(waiter.events, 0);
  loop.pass(2ms);
  EXPECT_EQ(waiter.events, 1);
  EXPECT_EQ(waiter.error.code, Code::timed_out);
  EXPECT_TRUE(waiter.error.retryable);
  EXPECT_EQ(connector.alive, 0);
}

TEST_F(PoolTest, R11NoMoreThanMaxPendingWaitForOneEndpoint) {
  UpstreamConfig config = config_of({1, 1});
  config.max_pending = 2;
  make_plan(config);
  Waiter first;
  Waiter second;
  Waiter third;
  start(first);
  start(second);
  EXPECT_EQ(endpoint().totals().pending, 2u);
  EXPECT_EQ(first.events + second.events, 0);  // at the limit

  start(third);  // one past it
  EXPECT_EQ(third.events, 1);
  EXPECT_EQ(third.error.code, Code::exhausted);
  EXPECT_EQ(third.error.side, Side::upstream);
  EXPECT_TRUE(third.error.retryable);
  EXPECT_EQ(connector.made_count, 2);
  EXPECT_EQ(endpoint().totals().pending_refused, 1u);
  start(third, 1);  // the other endpoint has a limit of its own
  EXPECT_TRUE(third.attempt.is_waiting());
}

TEST_F(PoolTest, R11HoweverAConnectEndsAnotherMayBegin) {
  UpstreamConfig config = config_of({1});
  config.max_pending = 1;
  make_plan(config);
  Waiter waiter;
  FakeConnection* const used = open();
  EXPECT_EQ(endpoint().totals().pending, 0u) << "connected";
  start(waiter);
  connector.last->refused();
  start(waiter);
  waiter.attempt.cancel();
  start(waiter);
  loop.pass(5001ms);
  EXPECT_EQ(endpoint().totals().pending, 0u) << "refused, cancelled, timed out";
  EXPECT_EQ(endpoint().totals().pending_refused, 0u);
  used->idle();
  start(waiter);
  Waiter other;
  start(other);
  EXPECT_TRUE(waiter.is_reused && other.attempt.is_waiting()) << "what is pooled does not count";
}

TEST_F(PoolTest, R11AReloadChangesMaxPending) {
  UpstreamConfig config = config_of({1});
  config.max_pending = 1;
  make_plan(config);
  Waiter first;
  Waiter second;
  start(first);
  config.max_pending = 2;
  make_plan(config);
  start(second);
  EXPECT_TRUE(second.attempt.is_waiting());
}

TEST_F(PoolTest, AFailureMayBeFollowedByAnotherAttemptAtOnce) {
  Waiter waiter;
  waiter.at_failure = [&] {
    if (waiter.events == 1) start(waiter, 1);
  };
  start(waiter, 0);
  connector.last->refused();
  EXPECT_TRUE(waiter.attempt.is_waiting());
  EXPECT_EQ(connector.last->address, endpoint(1).address());
  loop.pass(5001ms);
  EXPECT_EQ(waiter.events, 2);
}

TEST_F(PoolTest, CancelDropsTheConnect) {
  Waiter waiter;
  start(waiter);
  waiter.attempt.cancel();
  waiter.attempt.cancel();
  loop.pass(1min);
  EXPECT_EQ(waiter.events, 0);
  EXPECT_EQ(connector.alive, 0);
  EXPECT_EQ(pool.counters().connects_cancelled.value(), 1u);
  {
    Waiter gone;
    start(gone);
  }
  EXPECT_EQ(connector.alive, 0);
  start(waiter);  // usable again
  connector.last->connected();
  EXPECT_EQ(waiter.events, 1);
}

TEST_F(PoolTest, ClosesWhatIsIdleTooLong) {
  FakeConnection* const a = open();
  FakeConnection* const b = open();
  a->idle();
  loop.pass(30s);
  b->idle();
  loop.pass(29s);
  EXPECT_EQ(idle(), 2);
  loop.pass(2100ms);
  EXPECT_EQ(idle(), 1);
  EXPECT_EQ(pool.counters().closed_idle.value(), 1u);
  loop.pass(40s);
  EXPECT_EQ(idle(), 0);
  EXPECT_EQ(connector.alive, 0);
  EXPECT_EQ(pool.counters().open.value(), 0);
  const std::size_t timers = loop.timers_set;
  loop.pass(10min);
  EXPECT_EQ(loop.timers_set, timers);  // an empty pool sleeps
}

TEST_F(PoolTest, NeverHandsOutWhatIsPastItsTime) {
  UpstreamConfig config = config_of({1, 1});
  config.keep_alive.idle_timeout = 10ms;
  make_plan(config);
  open()->idle();
  loop.pass(11ms);  // long before the sweep
  EXPECT_EQ(take(), nullptr);
  EXPECT_EQ(pool.counters().closed_idle.value(), 1u);
}

TEST_F(PoolTest, ReplacesOldConnections) {
  FakeConnection* const busy = open();
  for (int i = 0; i < 20; ++i) {  // in use all the time, never idle for long
    busy->idle();
    loop.pass(25s);
    ASSERT_EQ(take(), busy);
  }
  loop.pass(101s);  // past max_age, in the middle of an exchange
  EXPECT_EQ(connector.alive, 1);
  busy->idle();
  EXPECT_EQ(connector.alive, 0);
  EXPECT_EQ(pool.counters().closed_age.value(), 1u);
}

TEST_F(PoolTest, MaxAgeZeroIsNoLimit) {
  UpstreamConfig config = config_of({1, 1});
  config.keep_alive.max_age = 0ms;
  make_plan(config);
  FakeConnection* const connection = open();
  loop.pass(1000h);
  connection->idle();
  EXPECT_EQ(take(), connection);
}

TEST_F(PoolTest, KeepsNoMoreThanMaxIdleAndPrefersTheFreshest) {
  UpstreamConfig config = config_of({1, 1});
  config.keep_alive.max_idle = 2;
  make_plan(config);
  std::vector<FakeConnection*> all{open(), open(), open()};
  for (FakeConnection* const connection : all) connection->idle();
  EXPECT_EQ(idle(), 2);
  EXPECT_EQ(pool.counters().closed_surplus.value(), 1u);
  EXPECT_EQ(take(), all[2]);
  EXPECT_EQ(take(), all[1]);

  config.keep_alive.max_idle = 0;
  make_plan(config);
  all[1]->idle();
  EXPECT_EQ(idle(), 0);
}

TEST_F(PoolTest, DropsWhatTheUpstreamClosed) {
  FakeConnection* const a = open();
  FakeConnection* const b = open();
  FakeConnection* const c = open();
  a->idle();
  b->idle();
  c->idle();
  b->unusable();  // from the middle of the shelf
  EXPECT_EQ(pool.counters().lost.value(), 1u);
  EXPECT_EQ(take(), c);
  EXPECT_EQ(take(), a);
  EXPECT_EQ(take(), nullptr);
  a->unusable();  // in use: the exchange hears of it from the codec
  EXPECT_EQ(pool.counters().lost.value(), 1u);
  EXPECT_EQ(pool.counters().open.value(), 1);
}

TEST_F(PoolTest, ForgetsEndpointsThatLeftThePlan) {
  open(0)->idle();
  FakeConnection* const busy = open(0);
  FakeConnection* const other = open(1);
  other->idle();
  const std::weak_ptr<const Endpoint> gone = endpoint(0).weak_from_this();

  UpstreamConfig config = config_of({1, 1});
  config.endpoints.erase(config.endpoints.begin());
  make_plan(config);
  EXPECT_EQ(idle(), 1);
  EXPECT_EQ(pool.counters().closed_removed.value(), 1u);
  EXPECT_FALSE(gone.expired()) << "a request still uses it";
  busy->idle();
  EXPECT_EQ(connector.alive, 1);
  EXPECT_TRUE(gone.expired());
  EXPECT_EQ(take(0), other);
}

TEST_F(PoolTest, AReloadThatLeavesTheEndpointsKeepsTheirConnections) {
  FakeConnection* const kept = open();
  kept->idle();
  UpstreamConfig config = config_of({1, 5});
  config.connect_timeout = 1s;
  config.health.failures = 1;
  make_plan(config);
  EXPECT_EQ(take(), kept);
  endpoint().begin();
  Tried tried;
  endpoint().end(Outcome::reset, loop.now(), tried);
  EXPECT_TRUE(endpoint().is_set_aside()) << "the new plan's settings are in force";
}

TEST_F(PoolTest, ServesExchangesOfAnOldPlanWithoutKeeping) {
  const auto old = std::move(groups);
  groups.clear();
  pool.adopt(groups);
  Waiter waiter;
  waiter.attempt.start(pool, *old[0]->members()[0].endpoint, old[0]->timeouts(), Wanted::any, client, waiter);
  connector.last->connected();
  waiter.take()->idle();
  EXPECT_EQ(connector.alive, 0);
  EXPECT_EQ(idle(), 0);
}

TEST_F(PoolTest, DrainKeepsNothing) {
  FakeConnection* const busy = open();
  open()->idle();
  pool.close_idle();
  EXPECT_EQ(connector.alive, 1);
  busy->idle();
  EXPECT_EQ(connector.alive, 0);
}

TEST_F(PoolTest, ReuseAllocatesNothing) {
  open()->idle();
  Waiter waiter;
  const std::size_t before = allocations;
  for (int i = 0; i < 1'000; ++i) {
    Tried tried;
    Endpoint* const picked = groups[0]->pick(tried, loop.now(), 0);
    picked->begin();
    start(waiter);
    waiter.take()->idle();
    picked->end(Outcome::success, loop.now(), tried);
    loop.pass(5ms);
  }
  EXPECT_EQ(allocations - before, 0u);
  EXPECT_EQ(pool.counters().reused.value(), 1'000u);
}

TEST_F(PoolTest, ManyConnectionsComeAndGo) {
  Random random(11);
  std::vector<FakeConnection*> busy;
  for (int i = 0; i < 20'000; ++i) {
    const std::size_t at = random.next() % 2;
    Waiter waiter;
    start(waiter, at, random.next() % 8 == 0 ? Wanted::fresh : Wanted::any);
    if (waiter.attempt.is_waiting()) random.next() % 8 == 0 ? connector.last->refused() : connector.last->connected();
    if (FakeConnection* const got = waiter.take()) {
      ASSERT_EQ(got->address, endpoint(at).address());
      busy.push_back(got);
    }
    while (busy.size() > random.next() % 40) {
      std::swap(busy[random.next() % busy.size()], busy.back());
      random.next() % 4 == 0 ? busy.back()->unusable() : busy.back()->idle();
      busy.pop_back();
    }
    if (i % 64 == 0) loop.pass(std::chrono::seconds(random.next() % 70));
    ASSERT_EQ(pool.counters().open.value(), connector.alive);
    ASSERT_EQ(idle(), connector.alive - static_cast<int>(busy.size()));
  }
}

}  // namespace
}  // namespace sluice::upstream
