#include "http/h1/body_reader.h"

#include <gtest/gtest.h>

#include <string>

#include "http/h1/fake_net.h"

namespace sluice::http::h1 {
namespace {

class BodyReaderTest : public ::testing::Test {
 protected:
  net::Buffer buffer(std::string_view bytes) {
    net::Buffer made = loop_.make_buffer(bytes.size());
    bytes.copy(made.block(), bytes.size());
    made.set_size(bytes.size());
    return made;
  }
  // Reads until the body is complete or the input is used up.
  std::string read(net::Buffer& input) {
    std::string body;
    while (!input.empty() && !reader_.is_complete()) {
      const Result<net::Buffer> piece = reader_.take(input, loop_);
      if (!piece) return "error";
      body.append(piece->view());
    }
    return body;
  }
  FakeLoop loop_;
  Arena arena_;
  HeadLimits limits_;
  BodyReader reader_;
};

TEST_F(BodyReaderTest, ABufferThatIsAllBodyPassesThrough) {
  reader_.start(Framing::length, 10, limits_, arena_);
  net::Buffer input = buffer("hello");
  const char* const at = input.data();
  const Result<net::Buffer> piece = reader_.take(input, loop_);
  EXPECT_EQ(piece->data(), at);
  EXPECT_TRUE(input.empty());
  EXPECT_EQ(reader_.remaining(), 5);
}

TEST_F(BodyReaderTest, TheSmallerPartIsCopied) {
  for (const std::size_t body : {1U, 99U, 200'000U}) {
    for (const std::size_t rest : {0U, 1U, 100U, 70'000U, 200'000U}) {
      reader_.start(Framing::length, static_cast<std::int64_t>(body), limits_, arena_);
      net::Buffer input = buffer(std::string(body, 'b') + std::string(rest, 'r'));
      EXPECT_EQ(read(input), std::string(body, 'b'));
      EXPECT_EQ(input.view(), std::string(rest, 'r'));
      EXPECT_EQ(reader_.wire_bytes(), body);
    }
  }
}

TEST_F(BodyReaderTest, ChunksWithMoreBehindThem) {
  for (const std::size_t chunk : {1U, 4000U, 200'000U}) {
    for (const std::size_t rest : {0U, 1U, 100U, 70'000U, 200'000U}) {
      char size[20];
      (void)snprintf(size, sizeof size, "%zx\r\n", chunk);
      const std::string wire = size + std::string(chunk, 'b') + "\r\n0\r\n\r\n";
      reader_.start(Framing::chunked, BodySize::unknown, limits_, arena_);
      net::Buffer input = buffer(wire + std::string(rest, 'r'));
      EXPECT_EQ(read(input), std::string(chunk, 'b'));
      EXPECT_TRUE(reader_.is_complete());
      EXPECT_EQ(input.view(), std::string(rest, 'r'));
      EXPECT_EQ(reader_.wire_bytes(), wire.size());
    }
  }
}

TEST_F(BodyReaderTest, UntilCloseTakesAll) {
  reader_.start(Framing::until_close, BodySize::unknown, limits_, arena_);
  net::Buffer input = buffer("all");
  EXPECT_EQ(read(input), "all");
  EXPECT_FALSE(reader_.is_complete());
  EXPECT_TRUE(reader_.end_of_input());
  reader_.start(Framing::length, 4, limits_, arena_);
  EXPECT_FALSE(reader_.end_of_input());
}

}  // namespace
}  // namespace sluice::http::h1
