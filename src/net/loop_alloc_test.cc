// Counts heap allocations: this binary's operator new is replaced.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "net/epoll/epoll_stream.h"
#include "net/loop_fixture.h"
#include "net/uring/uring_stream.h"

namespace {
std::size_t allocations = 0;
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

namespace sluice::net {
namespace {

using testing::End;
using testing::kind_name;

class LoopAllocTest : public testing::LoopTest {};
SLUICE_ON_BOTH_LOOPS(LoopAllocTest);

TEST_P(LoopAllocTest, PingPongAllocatesNothingAfterWarmUp) {
  const auto [client, server] = make_pair();
  int left = 0;
  server->at_data = [s = server](Buffer bytes) {
    s->stream->write("head");
    s->stream->write(std::move(bytes));
    s->stream->want_drained();
  };
  client->at_data = [&, c = client](Buffer bytes) {
    if (--left <= 0) return loop->stop();
    bytes.truncate(128);
    c->stream->write(std::move(bytes));
  };
  const auto play = [&, c = client](int rounds) {
    left = rounds;
    c->stream->write(std::string(128, 'p'));
    loop->run();
  };
  play(300);
  const std::size_t before = allocations;
  play(1'000);
  EXPECT_LE(allocations - before, 1u);  // the std::string of the first ping
}

TEST(LoopSizes, AnIdleStreamIsSmall) {
  EXPECT_LE(sizeof(EpollStream), 400u);
  EXPECT_LE(sizeof(UringStream), 400u);
}

}  // namespace
}  // namespace sluice::net
