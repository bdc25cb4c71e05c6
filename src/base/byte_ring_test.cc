#include "base/byte_ring.h"

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <random>
#include <string>
#include <thread>

namespace sluice {
namespace {

bool put(ByteRing& ring, std::string_view record, std::size_t reserve = 0) {
  char* const at = ring.try_reserve(std::max(reserve, record.size()));
  if (at == nullptr) return false;
  std::memcpy(at, record.data(), record.size());
  ring.commit(record.size());
  return true;
}

std::string take_all(ByteRing& ring) {
  const auto [first, second] = ring.peek();
  std::string text(first);
  text += second;
  ring.consume(text.size());
  return text;
}

TEST(ByteRing, HandsOverRecordsInOrder) {
  ByteRing ring(64);
  EXPECT_EQ(ring.capacity_bytes(), 64u);
  EXPECT_EQ(take_all(ring), "");
  EXPECT_TRUE(put(ring, "one\n"));
  EXPECT_TRUE(put(ring, "two\n", 20));  // reserves more than it uses
  EXPECT_EQ(take_all(ring), "one\ntwo\n");
  EXPECT_EQ(take_all(ring), "");
}

TEST(ByteRing, AReservationThatIsNotCommittedIsForgotten) {
  ByteRing ring(64);
  put(ring, std::string(60, 'a'));
  EXPECT_EQ(take_all(ring).size(), 60u);
  ASSERT_NE(ring.try_reserve(20), nullptr);  // would skip to the start
  EXPECT_EQ(take_all(ring), "");
  EXPECT_TRUE(put(ring, "abcd"));  // still fits at the end
  EXPECT_EQ(take_all(ring), "abcd");
}

TEST(ByteRing, DropsAndCountsWhatDoesNotFit) {
  ByteRing ring(64);
  EXPECT_TRUE(put(ring, std::string(40, 'a')));
  EXPECT_FALSE(put(ring, std::string(30, 'b')));
  EXPECT_FALSE(put(ring, std::string(65, 'c')));
  EXPECT_EQ(ring.dropped_records(), 2u);
  EXPECT_EQ(ring.dropped_bytes(), 95u);
  EXPECT_EQ(take_all(ring), std::string(40, 'a'));
  EXPECT_TRUE(put(ring, std::string(30, 'b')));
  EXPECT_EQ(take_all(ring), std::string(30, 'b'));
}

TEST(ByteRing, SkipsTheEndOfTheRingAndFillsItExactly) {
  ByteRing ring(64);
  put(ring, std::string(40, 'a'));
  EXPECT_EQ(ring.peek()[0].size(), 40u);
  ring.consume(39);
  EXPECT_TRUE(put(ring, std::string(30, 'b')));  // 24 bytes at the end are skipped
  EXPECT_EQ(ring.peek()[0], "a");
  EXPECT_EQ(ring.peek()[1], std::string(30, 'b'));
  ring.consume(1);
  EXPECT_EQ(ring.peek()[0], std::string(30, 'b'));
  EXPECT_TRUE(put(ring, std::string(34, 'c')));  // up to the very end: no skip
  EXPECT_TRUE(put(ring, "") && ring.dropped_records() == 0);
  EXPECT_EQ(take_all(ring), std::string(30, 'b') + std::string(34, 'c'));
  EXPECT_TRUE(put(ring, "d"));
  EXPECT_EQ(take_all(ring), "d");
}

TEST(ByteRing, AgreesWithAModelOverManyLaps) {
  std::mt19937 random(7);
  ByteRing ring(256);
  std::string expected;
  std::string seen;
  for (int step = 0; step < 200'000; ++step) {
    if (random() % 2 == 0) {
      const std::string record(1 + random() % 60, static_cast<char>('a' + random() % 26));
      if (put(ring, record, record.size() + random() % 60)) expected += record;
    } else {
      const auto [first, second] = ring.peek();
      const std::size_t all = first.size() + second.size();
      const std::size_t part = all == 0 ? 0 : random() % (all + 1);
      seen += (std::string(first) + std::string(second)).substr(0, part);
      ring.consume(part);
    }
  }
  seen += take_all(ring);
  EXPECT_EQ(seen, expected);
}

TEST(ByteRing, CarriesWholeRecordsBetweenThreads) {
  ByteRing ring(1024);
  constexpr int most = 200'000;
  std::uint64_t sent = 0;
  std::atomic<bool> is_done{false};
  std::thread producer([&] {
    for (int i = 0; i < most; ++i) {
      const std::string record = std::to_string(i) + ":" + std::string(static_cast<std::size_t>(i % 90), 'x') + "\n";
      if (put(ring, record, 100)) ++sent;
    }
    is_done = true;
  });
  std::uint64_t seen = 0;
  int last = -1;
  std::string line;
  for (bool is_last_look = false; !is_last_look;) {
    is_last_look = is_done;
    for (const char c : take_all(ring)) {
      line += c;
      if (c != '\n') continue;
      const int number = std::stoi(line);
      ASSERT_GT(number, last);
      ASSERT_EQ(line, std::to_string(number) + ":" + std::string(static_cast<std::size_t>(number % 90), 'x') + "\n");
      last = number;
      line.clear();
      ++seen;
    }
  }
  producer.join();
  EXPECT_EQ(line, "");
  EXPECT_EQ(seen, sent);
  EXPECT_EQ(seen + ring.dropped_records(), static_cast<std::uint64_t>(most));
}

}  // namespace
}  // namespace sluice
