// Counts heap allocations of a match: none but in the arena, once that is warm.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "route/sample_test.h"

namespace {
std::atomic<std::size_t> allocations{0};
}

#if !__has_feature(thread_sanitizer)  // which has operators of its own: there nothing is counted
void* operator new(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* const made = std::malloc(size)) return made;
  std::abort();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
#endif

namespace sluice::route {
namespace {

TEST(RouterAllocation, AMatchTakesNothingFromTheHeap) {
  const sample::TestTable table(
      {"path: /a/b", "path: '/users/{id}'", "path: '/files/{rest*}'", "{host: '*.example.com', path: /*}",
       "{path: /a/b, header: {x: '1'}, query: {q: 'a b'}}", "path: {regex: '/r/(?P<id>[0-9]+)'}"});
  for (const char* line : {"GET http://h/a/b?q=a+b", "GET http://h/users/42", "GET http://h/files/a/b/c",
                           "GET http://x.example.com/q", "GET http://h/r/12", "GET http://h/none"}) {
    sample::TestRequest asked(line, {{"x", "1"}});
    Match match;
    for (int warm = 0; warm < 3; ++warm) (void)table.router->match(asked.request, asked.arena, match);
    const std::size_t before = allocations.load();
    for (int n = 0; n < 10; ++n) (void)table.router->match(asked.request, asked.arena, match);
    EXPECT_EQ(allocations.load() - before, 0u) << line;
  }
}

}  // namespace
}  // namespace sluice::route
