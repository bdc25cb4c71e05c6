#include "net/shared_blocks.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "net/block_pool.h"

namespace sluice::net {
namespace {

class SharedBlocksTest : public ::testing::Test {
 protected:
  Buffer filled(std::string_view text) {
    Buffer buffer = blocks_.take(text.size());
    std::memcpy(buffer.block(), text.data(), text.size());
    buffer.set_size(text.size());
    return buffer;
  }
  BlockPool blocks_;
  SharedBlocks shares_;
};

TEST_F(SharedBlocksTest, BothHandlesReadTheSameBytesAndTheBlockGoesHomeWithTheLast) {
  Buffer sent = filled("head and body");
  sent.drop_front(9);
  Buffer kept = shares_.share(sent);
  EXPECT_EQ(sent.view(), "body");
  EXPECT_EQ(kept.view(), "body");
  EXPECT_EQ(sent.data(), kept.data());
  EXPECT_GT(blocks_.lent_bytes(), 0u);
  sent = Buffer();
  EXPECT_EQ(kept.view(), "body");
  EXPECT_GT(blocks_.lent_bytes(), 0u);
  kept = Buffer();
  EXPECT_EQ(blocks_.lent_bytes(), 0u);
}

TEST_F(SharedBlocksTest, WhatOneHandleDropsStaysWithTheOther) {
  Buffer sent = filled("0123456789");
  const Buffer kept = shares_.share(sent);
  sent.drop_front(4);
  sent.truncate(2);
  EXPECT_EQ(sent.view(), "45");
  EXPECT_EQ(kept.view(), "0123456789");
}

TEST_F(SharedBlocksTest, NobodyMayWriteBehindSharedBytes) {
  Buffer sent = filled("x");
  const Buffer kept = shares_.share(sent);
  EXPECT_EQ(sent.tail_room(), 0u);
  EXPECT_EQ(kept.tail_room(), 0u);
}

TEST_F(SharedBlocksTest, WhatIsSharedMayBeSharedAgain) {
  Buffer first = filled("again");
  Buffer second = shares_.share(first);
  Buffer third = shares_.share(second);
  first = Buffer();
  second = Buffer();
  EXPECT_EQ(third.view(), "again");
  third = Buffer();
  EXPECT_EQ(blocks_.lent_bytes(), 0u);
}

TEST_F(SharedBlocksTest, ManySharesAtOnce) {
  std::vector<Buffer> handles;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 200; ++i) {
      Buffer one = filled(std::to_string(i));
      handles.push_back(shares_.share(one));
      EXPECT_EQ(one.view(), handles.back().view());
    }
    handles.clear();
    EXPECT_EQ(blocks_.lent_bytes(), 0u);
  }
}

}  // namespace
}  // namespace sluice::net
