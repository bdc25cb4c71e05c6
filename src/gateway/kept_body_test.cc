#include "gateway/kept_body.h"

#include <gtest/gtest.h>

#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "net/loop.h"

namespace sluice::gateway {
namespace {

class KeptBodyTest : public ::testing::Test {
 protected:
  net::Buffer piece(std::string_view text) {
    net::Buffer buffer = loop_->make_buffer(text.size());
    std::memcpy(buffer.block(), text.data(), text.size());
    buffer.set_size(text.size());
    return buffer;
  }
  // Adds all pieces, lets them go as sending them would, and returns what is kept.
  std::string kept_of(std::span<const std::string> pieces) {
    std::size_t size = 0;
    for (const std::string& text : pieces) size += text.size();
    body_.start(http::BodySize{static_cast<std::int64_t>(size)});
    for (const std::string& text : pieces) {
      net::Buffer sent = piece(text);
      body_.add(*loop_, sent);
      EXPECT_EQ(sent.view(), text);
    }
    EXPECT_TRUE(body_.is_kept());
    std::string all;
    for (const net::Buffer& one : body_.take()) all += one.view();
    EXPECT_FALSE(body_.is_kept());
    return all;
  }

  std::unique_ptr<net::Loop> loop_ = net::make_loop(net::LoopKind::epoll).value();
  KeptBody body_;
};

std::string letters(std::size_t count, char first) {
  std::string text(count, first);
  for (std::size_t i = 0; i < count; ++i) text[i] = static_cast<char>('a' + (i + static_cast<std::size_t>(first)) % 26);
  return text;
}

TEST_F(KeptBodyTest, HoweverItIsCutItComesBackWhole) {
  const std::vector<std::vector<std::string>> cuts{
      {letters(1, 'q')},
      {letters(10'240, 'a')},
      {letters(16'384, 'b')},
      {letters(4096, 'a'), letters(4096, 'h'), letters(4096, 'p'), letters(4096, 'z')},
      {letters(4096, 'a'), letters(4095, 'h'), letters(4096, 'p'), letters(4097, 'z')},
      {letters(8192, 'a'), letters(2100, 'k')},
      {letters(100, 'a'), letters(8192, 'k'), letters(1, 'q')},
      std::vector<std::string>(1'000, letters(16, 'm')),
  };
  for (const auto& pieces : cuts) {
    std::string whole;
    for (const std::string& text : pieces) whole += text;
    EXPECT_EQ(kept_of(pieces), whole) << pieces.size() << " pieces, the first of " << pieces[0].size();
    EXPECT_EQ(loop_->lent_bytes(), 0u);
  }
}

TEST_F(KeptBodyTest, WhatIsTooLargeOrOfUnknownSizeIsNotKept) {
  body_.start(http::BodySize{KeptBody::most_bytes + 1});
  EXPECT_FALSE(body_.is_kept());
  body_.start(http::BodySize{http::BodySize::unknown});
  EXPECT_FALSE(body_.is_kept());
  net::Buffer sent = piece("x");
  body_.add(*loop_, sent);
  EXPECT_TRUE(body_.take()[0].empty());
  body_.start(http::BodySize{KeptBody::most_bytes});
  EXPECT_TRUE(body_.is_kept());
}

TEST_F(KeptBodyTest, DroppingItGivesTheBlocksBack) {
  body_.start(http::BodySize{10'000});
  {
    net::Buffer large = piece(letters(9'000, 'a'));
    body_.add(*loop_, large);
    net::Buffer small = piece(letters(1'000, 'a'));
    body_.add(*loop_, small);
  }
  EXPECT_GT(loop_->lent_bytes(), 0u);
  body_.drop();
  EXPECT_EQ(loop_->lent_bytes(), 0u);
  EXPECT_FALSE(body_.is_kept());
}

}  // namespace
}  // namespace sluice::gateway
