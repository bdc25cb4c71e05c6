#include "control/channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "control/memory_file.h"
#include "control/socket_store.h"
#include "control/supervisor_state.h"

namespace sluice::control {
namespace {

TEST(Channel, CarriesMessagesWholeAndInOrder) {
  auto ends = Channel::make_pair();
  ASSERT_TRUE(ends);
  auto& [one, other] = *ends;
  const std::string big(60'000, 'x');
  EXPECT_TRUE(one.send("first"));
  EXPECT_TRUE(one.send(big));
  Message message;
  EXPECT_EQ(other.receive(message), Channel::Received::message);
  EXPECT_EQ(message.text, "first");
  EXPECT_EQ(other.receive(message), Channel::Received::message);
  EXPECT_EQ(message.text, big);
  EXPECT_EQ(other.receive(message), Channel::Received::nothing);
  one = Channel(Descriptor());
  EXPECT_EQ(other.receive(message), Channel::Received::closed);
  EXPECT_FALSE(other.send("nobody"));
}

TEST(Channel, HandsOverDescriptorsClosedOnExec) {
  auto ends = Channel::make_pair();
  ASSERT_TRUE(ends);
  std::vector<Descriptor> files;
  std::vector<int> numbers;
  for (std::size_t i = 0; i < Channel::most_descriptors; ++i) {
    files.push_back(make_memory_file("test", std::to_string(i)));
    numbers.push_back(files.back().number());
  }
  ASSERT_TRUE(ends->first.send("files", numbers));
  files.clear();
  Message message;
  ASSERT_EQ(ends->second.receive(message), Channel::Received::message);
  ASSERT_EQ(message.descriptors.size(), Channel::most_descriptors);
  for (std::size_t i = 0; i < message.descriptors.size(); ++i) {
    EXPECT_EQ(read_memory_file(message.descriptors[i].number(), 100), std::to_string(i));
    EXPECT_EQ(fcntl(message.descriptors[i].number(), F_GETFD), FD_CLOEXEC);
  }
}

TEST(Channel, AFullOneRefusesInsteadOfWaiting) {
  auto ends = Channel::make_pair();
  ASSERT_TRUE(ends);
  int sent = 0;
  while (sent < 100'000 && ends->first.send("beat")) ++sent;
  EXPECT_GT(sent, 10);
  EXPECT_LT(sent, 100'000);
}

TEST(Channel, WordsAndNumbers) {
  std::string_view text = "listen 12  x 99999999999999999999 -1";
  EXPECT_EQ(take_word(text), "listen");
  long long number = 0;
  EXPECT_TRUE(take_number(text, 1, 20, number));
  EXPECT_EQ(number, 12);
  EXPECT_FALSE(take_number(text, 1, 20, number)) << "not a number";
  EXPECT_FALSE(take_number(text, 1, 20, number)) << "past every number";
  EXPECT_FALSE(take_number(text, 0, 20, number)) << "out of range";
  EXPECT_EQ(take_word(text), "");
  EXPECT_FALSE(take_number(text, 0, 20, number)) << "nothing";
}

TEST(MemoryFile, CannotBeChanged) {
  const Descriptor file = make_memory_file("test", "text");
  EXPECT_EQ(write(file.number(), "x", 1), -1);
  EXPECT_EQ(ftruncate(file.number(), 0), -1);
  EXPECT_EQ(read_memory_file(file.number(), 4), "text");
  EXPECT_EQ(read_memory_file(file.number(), 3), std::nullopt);
  EXPECT_EQ(read_memory_file(-1, 3), std::nullopt);
}

SocketWish wish(std::string key, unsigned count) {
  return {.key = std::move(key), .address = *net::Address::parse("127.0.0.1:0"), .count = count};
}

TEST(SocketStore, GivesTheSameSocketsAgainAndMoreWhenMoreAreWanted) {
  SocketStore store;
  const auto first = store.want(1, wish("a", 2));
  ASSERT_TRUE(first);
  const net::Address bound = (*first)->address;
  const int descriptor = (*first)->sockets.front().descriptor();
  store.forget(1);  // it died
  const auto again = store.want(2, wish("a", 3));
  ASSERT_TRUE(again);
  EXPECT_EQ((*again)->address, bound);
  EXPECT_EQ((*again)->sockets.size(), 3);
  EXPECT_EQ((*again)->sockets.front().descriptor(), descriptor);
  const auto fewer = store.want(3, wish("a", 1));
  ASSERT_TRUE(fewer);
  EXPECT_EQ((*fewer)->sockets.size(), 3) << "none may be left with a queue and nobody who accepts";
}

TEST(SocketStore, ClosesWhatNobodyWants) {
  SocketStore store;
  ASSERT_TRUE(store.want(1, wish("a", 1)));
  ASSERT_TRUE(store.want(1, wish("b", 1)));
  ASSERT_TRUE(store.want(2, wish("a", 1)));
  store.release(1, "a");
  store.release(1, "b");
  ASSERT_EQ(store.entries().size(), 1) << "2 wants a";
  store.forget(2);
  EXPECT_EQ(store.entries().size(), 1) << "kept for the next process";
  store.close_unwanted();
  EXPECT_TRUE(store.entries().empty());
}

TEST(SocketStore, SaysWhyAnAddressCannotBeHad) {
  SocketStore store;
  const auto held = store.want(1, wish("a", 1));
  ASSERT_TRUE(held);
  const auto refused = store.want(1, {.key = "b", .address = (*held)->address});
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().contains("in use")) << refused.error();
}

TEST(SupervisorState, IsReadAsItWasWritten) {
  SocketStore sockets;
  ASSERT_TRUE(sockets.want(7, wish("127.0.0.1:0/61", 2)));
  sockets.forget(9);
  SupervisionState before;
  before.processes.push_back(
      {.id = 7, .role = Role::current, .is_ready = true, .has_spoken = true, .started_at = Instant(Duration(5))});
  before.processes.push_back(
      {.id = 8, .role = Role::predecessor, .is_upgrade = true, .ends_by = Instant(Duration(99))});
  before.active = {"aa", std::make_shared<const Descriptor>(make_memory_file("test", "config"))};
  before.active_since = Instant(Duration(77));
  before.has_fallen_back = true;
  before.fallback_reason = "it crashed: three times";
  before.young_crashes = 2;
  before.was_ever_ready = true;
  before.crashes = {Instant(Duration(1)), Instant(Duration(2))};
  before.counts = {.crashes = 1, .stuck = 2, .upgrades = 3, .failed_upgrades = 4};
  Descriptor channel = make_memory_file("test", "a channel");
  std::string text = write_state(before, sockets, {{7, channel.number()}, {8, -1}}, "/usr/bin/a b", 9);
  // exec closes nothing of this, so neither may the test: what is read owns it all.
  const int config = dup(before.active.file->number());
  text.replace(text.find(" aa ") + 4, std::to_string(before.active.file->number()).size(), std::to_string(config));
  for (const auto& socket : sockets.entries().front().sockets) {
    const std::string number = " " + std::to_string(socket.descriptor());
    text.replace(text.rfind(number, text.find("\nprocess")), number.size(),
                 " " + std::to_string(dup(socket.descriptor())));
  }
  (void)channel.take();

  auto after = read_state(text);
  ASSERT_TRUE(after) << text;
  EXPECT_EQ(after->executable, "/usr/bin/a b");
  EXPECT_EQ(after->outcomes, 9);
  ASSERT_EQ(after->supervision.processes.size(), 2);
  EXPECT_EQ(after->supervision.processes[0].role, Role::current);
  EXPECT_TRUE(after->supervision.processes[0].is_ready);
  EXPECT_EQ(after->supervision.processes[1].ends_by, Instant(Duration(99)));
  EXPECT_EQ(after->supervision.active.hash, "aa");
  EXPECT_EQ(read_memory_file(after->supervision.active.file->number(), 100), "config");
  EXPECT_FALSE(after->supervision.good);
  EXPECT_EQ(after->supervision.fallback_reason, before.fallback_reason);
  EXPECT_TRUE(after->supervision.has_fallen_back);
  EXPECT_EQ(after->supervision.young_crashes, 2);
  EXPECT_EQ(after->supervision.crashes, before.crashes);
  EXPECT_EQ(after->supervision.counts.failed_upgrades, 4);
  ASSERT_EQ(after->sockets.size(), 1);
  EXPECT_EQ(after->sockets[0].key, "127.0.0.1:0/61");
  EXPECT_EQ(after->sockets[0].sockets.size(), 2);
  EXPECT_EQ(after->sockets[0].address, sockets.entries().front().address);
  EXPECT_TRUE(after->sockets[0].wanted_by.contains(7));
  ASSERT_EQ(after->channels.size(), 2);
  EXPECT_EQ(after->channels[1].descriptor, -1) << "one that dies";
  close(after->channels[0].descriptor);
}

TEST(SupervisorState, WhatIsNoStateIsRefused) {
  for (const char* text :
       {"", "nonsense", "supervisor 2\nexecutable /a\n", "supervisor 1\n", "supervisor 1\nexecutable /a\nprocess 1 2\n",
        "supervisor 1\nexecutable /a\nfacts x\n", "supervisor 1\nexecutable /a\nactive aa\n"})
    EXPECT_FALSE(read_state(text)) << text;
}

}  // namespace
}  // namespace sluice::control
