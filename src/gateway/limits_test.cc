#include "gateway/limits.h"

#include <gtest/gtest.h>

#include "gateway/client_connections.h"

namespace sluice::gateway {
namespace {

using Verdict = ClientConnections::Verdict;

net::Address address(const char* text) { return net::Address::parse_ip(text).value(); }

TEST(Limits, WhatTheMachineHasIsShared) {
  const Machine machine{.descriptors = 20'000, .memory_bytes = std::uint64_t{4} << 30};
  const Limits limits = Limits::of({}, machine, 4, true);
  EXPECT_EQ(limits.connections.all, (20'000u - 128u) / 2);
  EXPECT_EQ(limits.connections.per_client, 1'000u);
  EXPECT_EQ(limits.worker.requests, 9'936) << "not shared unless it is set: connections spread unevenly";
  EXPECT_EQ(limits.worker.normal_requests, 8'942);
  EXPECT_EQ(limits.worker.memory_bytes, 512 << 20);
  EXPECT_EQ(limits.worker.loop_lag, std::chrono::milliseconds(100));
  EXPECT_EQ(limits.exchange_buffer_bytes, 64u * 1024);
}

TEST(Limits, WhatTheConfigSaysCounts) {
  SharedLimitsConfig config;
  config.max_connections = 10;
  config.max_requests = 1;
  config.max_memory = config::Size{3 << 20};
  const Limits limits = Limits::of(config, {}, 2, true);
  EXPECT_EQ(limits.connections.all, 10u);
  EXPECT_EQ(limits.worker.requests, 1);
  EXPECT_EQ(limits.worker.normal_requests, 1);
  EXPECT_EQ(limits.worker.memory_bytes, 3 << 19);
}

TEST(Limits, NothingIsKeptForCriticalRoutesWhereThereAreNone) {
  EXPECT_EQ(Limits::of({}, {}, 1, false).worker.normal_requests, Limits::of({}, {}, 1, false).worker.requests);
}

TEST(Limits, ATinyMachineStillServes) {
  const Limits limits = Limits::of({}, {.descriptors = 64, .memory_bytes = 1 << 20}, 1, false);
  EXPECT_EQ(limits.connections.all, 16u);
  EXPECT_EQ(limits.worker.memory_bytes, 32 << 20);
}

class Connections : public testing::Test {
 protected:
  Verdict enter(const char* ip) {
    const Verdict verdict = counts.enter(address(ip), caps, ticket);
    if (verdict == Verdict::admitted) tickets.push_back(ticket);
    return verdict;
  }
  ClientConnections counts{7};
  ConnectionCaps caps{.all = 100, .per_client = 3, .exempt = {net::AddressBlock::parse("10.0.0.0/8").value()}};
  ClientConnections::Ticket ticket = 0;
  std::vector<ClientConnections::Ticket> tickets;
};

TEST_F(Connections, D03OneClientHasItsCapAndNotOneMore) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(enter("192.0.2.1"), Verdict::admitted);
  EXPECT_EQ(enter("192.0.2.1"), Verdict::too_many_of_client);
  EXPECT_EQ(counts.open(), 3u) << "who was turned away does not count";
  EXPECT_EQ(enter("192.0.2.2"), Verdict::admitted);
  counts.leave(tickets[0]);
  EXPECT_EQ(enter("192.0.2.1"), Verdict::admitted);
  EXPECT_EQ(enter("192.0.2.1"), Verdict::too_many_of_client);
}

TEST_F(Connections, D03AllTogetherHaveTheirsAndNotOneMore) {
  for (int i = 0; i < 100; ++i) EXPECT_EQ(enter(("192.0.2." + std::to_string(i)).c_str()), Verdict::admitted);
  EXPECT_EQ(enter("198.51.100.1"), Verdict::too_many);
  EXPECT_EQ(enter("10.0.0.1"), Verdict::too_many) << "nobody is exempt from the cap of all";
  counts.leave(tickets[0]);
  EXPECT_EQ(enter("198.51.100.1"), Verdict::admitted);
}

TEST_F(Connections, AnIPv6ClientIsItsNetworkOf64Bits) {
  EXPECT_EQ(enter("2001:db8:0:1::1"), Verdict::admitted);
  EXPECT_EQ(enter("2001:db8:0:1::2"), Verdict::admitted);
  EXPECT_EQ(enter("2001:db8:0:1:ffff::3"), Verdict::admitted);
  EXPECT_EQ(enter("2001:db8:0:1:8000::4"), Verdict::too_many_of_client);
  EXPECT_EQ(enter("2001:db8:0:2::1"), Verdict::admitted);
}

TEST_F(Connections, ExemptAddressesAreOnlyCountedInAll) {
  for (int i = 0; i < 50; ++i) EXPECT_EQ(enter("10.1.2.3"), Verdict::admitted);
  EXPECT_EQ(counts.open(), 50u);
  caps.per_client = 0;
  for (int i = 0; i < 50; ++i) EXPECT_EQ(enter("192.0.2.1"), Verdict::admitted);
  for (const auto one : tickets) counts.leave(one);
  EXPECT_EQ(counts.open(), 0u);
}

// Crowds that fill both tables to a hundredth must not make a stranger pay.
TEST_F(Connections, CollisionsAreRare) {
  caps.all = 1'000'000;
  for (int crowd = 0; crowd < 160; ++crowd)
    for (int i = 0; i < 3; ++i) ASSERT_EQ(enter(("192.0.2." + std::to_string(crowd)).c_str()), Verdict::admitted);
  int refused = 0;
  for (int i = 0; i < 60'000; ++i) {
    const std::string ip =
        "198." + std::to_string(i / 65536) + "." + std::to_string(i / 256 % 256) + "." + std::to_string(i % 256);
    if (enter(ip.c_str()) != Verdict::admitted) {
      ++refused;
    } else {
      counts.leave(tickets.back());
    }
  }
  EXPECT_LE(refused, 30);  // 60000 * (160 / 16384)^2 = 6
}

}  // namespace
}  // namespace sluice::gateway
