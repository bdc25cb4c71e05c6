// Loops as their users see them, on both backends: timers, tasks, accepting, limits of the process.
#include "net/loop.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "net/loop_fixture.h"

namespace sluice::net {
namespace {

using namespace std::chrono_literals;
using testing::End;
using testing::kind_name;

class LoopTest : public testing::LoopTest {};
SLUICE_ON_BOTH_LOOPS(LoopTest);

int open_descriptors() {
  int count = 0;
  DIR* const folder = opendir("/proc/self/fd");
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}

// A client made without the loop.
int connect_plainly(const Address& to) {
  sockaddr_storage storage{};
  const socklen_t length = to.to_sockaddr(storage);
  const int descriptor = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(::connect(descriptor, reinterpret_cast<const sockaddr*>(&storage), length), 0);
  return descriptor;
}

TEST_P(LoopTest, WorkForTheTurnsEndIsDoneOnceAndInOrder) {
  struct Work {
    void run() {
      order += name;
      if (again-- > 0) loop.at_turn_end(end);
    }
    Loop& loop;
    std::string& order;
    char name;
    int again = 0;
    TurnEnd end{TurnEnd::of<&Work::run>(this)};
  };
  std::string order;
  Work a{*loop, order, 'a'}, b{*loop, order, 'b', 2}, c{*loop, order, 'c'};
  {
    Work gone{*loop, order, 'x'};
    loop->at_turn_end(a.end);
    loop->at_turn_end(b.end);
    loop->at_turn_end(gone.end);
    loop->at_turn_end(a.end);
    loop->at_turn_end(c.end);
  }
  ASSERT_TRUE(run_until([&] { return order.size() >= 5; }));
  EXPECT_EQ(order, "abcbb") << "what is asked for meanwhile is for the next turn, which does not wait";
}

TEST_P(LoopTest, TimersFireInOrderAndNotEarly) {
  struct Note {
    void on_timer() { late.push_back(loop.now() - due); }
    Loop& loop;
    std::vector<Duration>& late;
    Instant due;
    Timer timer{Timer::of<&Note::on_timer>(this)};
  };
  std::vector<Duration> late;
  run_for(1ms);
  std::deque<Note> notes;
  for (const Duration after : {Duration(30ms), Duration(5ms), Duration(0ms), Duration(17ms)}) {
    Note& note = notes.emplace_back(*loop, late, loop->now() + after);
    loop->set_timer(note.timer, after);
  }
  ASSERT_TRUE(run_until([&] { return late.size() == 4; }));
  for (const Duration by : late) {
    EXPECT_GE(by, 0ns);
    EXPECT_LT(by, 2s);  // other work may have the core for long
  }
}

TEST_P(LoopTest, PostFromManyThreads) {
  constexpr int threads = 8, tasks = 2'000;
  int sum = 0;
  std::vector<int> last(threads, -1);
  bool in_order = true;
  std::vector<std::thread> posters;
  for (int t = 0; t < threads; ++t) {
    posters.emplace_back([&, t] {
      for (int i = 0; i < tasks; ++i) {
        loop->post([&, t, i] {
          in_order &= last[t] == i - 1;
          last[t] = i;
          if (++sum == threads * tasks) loop->stop();
        });
      }
    });
  }
  loop->run();
  for (auto& poster : posters) poster.join();
  EXPECT_EQ(sum, threads * tasks);
  EXPECT_TRUE(in_order);
}

TEST_P(LoopTest, APostedTaskWakesASleepingLoop) {
  acceptor.reset();
  std::thread runner([&] { loop->run(); });  // made on this thread, run on another
  std::this_thread::sleep_for(20ms);
  std::atomic<bool> is_done = false;
  loop->post([&] { is_done = true; });
  for (int i = 0; i < 2'000 && !is_done; ++i) std::this_thread::sleep_for(1ms);
  EXPECT_TRUE(is_done);
  loop->post([&] { loop->stop(); });
  runner.join();
}

TEST_P(LoopTest, ClocksMoveWithTheTurns) {
  run_for(2ms);
  const Instant before = loop->now();
  EXPECT_EQ(loop->now(), before);
  run_for(20ms);
  EXPECT_GE(loop->now() - before, 20ms);
  const auto wall = std::chrono::system_clock::now() - loop->wall_now();
  EXPECT_LT(std::chrono::abs(wall), 1s);
  EXPECT_NE(loop->random(), loop->random());
}

TEST_P(LoopTest, DroppingTheAcceptorAcceptsWhatIsQueued) {
  std::vector<int> plain;
  for (int i = 0; i < 50; ++i) plain.push_back(connect_plainly(address));
  acceptor.reset();
  EXPECT_EQ(accepted.size(), 50u);
  for (End& end : accepted) end.stream->write("served");
  run_for(20ms);
  for (const int descriptor : plain) {
    char text[16];
    EXPECT_EQ(recv(descriptor, text, sizeof text, MSG_DONTWAIT), 6);
    close(descriptor);
  }
  const int late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_storage storage{};
  const socklen_t length = address.to_sockaddr(storage);
  EXPECT_NE(::connect(late, reinterpret_cast<const sockaddr*>(&storage), length), 0);
  close(late);
}

TEST_P(LoopTest, AcceptingCanBePaused) {
  run_for(2ms);
  loop->pause_accepting(true);
  run_for(2ms);
  std::vector<int> plain;
  for (int i = 0; i < 5; ++i) plain.push_back(connect_plainly(address));
  run_for(20ms);
  EXPECT_LE(accepted.size(), 1u);
  loop->pause_accepting(false);
  EXPECT_TRUE(run_until([&] { return accepted.size() == 5; }));
  for (const int descriptor : plain) close(descriptor);
}

TEST_P(LoopTest, AConnectionWithoutAHandlerWaits) {
  StreamPtr waiting;
  at_accept = [&](End& end) { waiting = std::move(end.stream); };
  End& client = connect();
  client.stream->write("patience");
  ASSERT_TRUE(run_until([&] { return waiting != nullptr; }));
  run_for(5ms);
  End server;
  server.stream = std::move(waiting);
  server.stream->set_handler(server);
  EXPECT_EQ(server.received, 0u);
  EXPECT_TRUE(run_until([&] { return server.text == "patience"; }));
}

TEST_P(LoopTest, NoDescriptorIsLeaked) {
  const int before = open_descriptors();
  {
    auto other = *make_loop(GetParam());
    for (int round = 0; round < 3; ++round) {
      for (int i = 0; i < 40; ++i) {
        End& client = connect();
        client.stream->write("hello");
        client.at_data = [](Buffer) {};
      }
      at_accept = [this](End& end) {
        const auto how = static_cast<Stream::Goodbye>(accepted.size() % 3);
        end.at_data = [&end, how](Buffer) {
          end.stream->write("bye");
          end.goodbye(how);
        };
        end.at_end = [&end] { end.stream.reset(); };
      };
      ASSERT_TRUE(
          run_until([&] { return std::ranges::all_of(clients, [](End& end) { return end.ended + end.failed > 0; }); }));
      clients.clear();
      accepted.clear();
      run_for(10ms);
    }
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST_P(LoopTest, LoopsCloseWhatStillLingers) {
  const int before = open_descriptors();
  {
    const auto kept = std::move(loop);
    loop = *make_loop(GetParam());
    acceptor.reset();
    auto socket = listen_on(*Address::parse("127.0.0.1:0"));
    address = *bound_address(*socket);
    acceptor = loop->accept_from(std::move(*socket), *this);
    make_pair();
    accepted.front().goodbye(Stream::Goodbye::flush_and_close);
    run_for(5ms);
    clients.clear();
    accepted.clear();
    acceptor.reset();
    loop.reset();
  }
  for (int i = 0; i < 500 && open_descriptors() > before; ++i) std::this_thread::sleep_for(1ms);
  EXPECT_LE(open_descriptors(), before);
  loop = *make_loop(LoopKind::epoll);  // for TearDown
}

// In a child process: gtest's own process must keep its descriptors.
int survive_without_descriptors(LoopKind kind) {
  auto made = make_loop(kind);
  auto socket = listen_on(*Address::parse("127.0.0.1:0"));
  if (!made || !socket) return 10;
  Loop& loop = **made;
  const Address to = *bound_address(*socket);
  struct Server : AcceptHandler {
    void on_accept(StreamPtr stream) override { streams.push_back(std::move(stream)); }
    std::vector<StreamPtr> streams;
  } server;
  auto acceptor = loop.accept_from(std::move(*socket), server);
  std::vector<int> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(connect_plainly(to));
  const rlimit limit{static_cast<rlim_t>(clients.back() + 4), static_cast<rlim_t>(clients.back() + 4)};
  setrlimit(RLIMIT_NOFILE, &limit);
  Timer stop([](void* context) { static_cast<Loop*>(context)->stop(); }, &loop);
  loop.set_timer(stop, 450ms);
  loop.run();
  const auto counters = loop.counters();
  if (counters.accepts != 3) return 1;
  if (counters.accept_errors < 2 || counters.accept_errors > 8) return 2;  // every 100 ms
  if (counters.turns > 100) return 3;                                      // no busy loop
  End refused;
  refused.stream = loop.connect(to, refused);
  loop.set_timer(stop, 20ms);
  loop.run();
  if (refused.failed != 1 || refused.error.code != Code::exhausted || refused.error.side != Side::gateway) return 4;
  for (const int descriptor : clients) close(descriptor);
  server.streams.clear();
  loop.set_timer(stop, 300ms);
  loop.run();
  if (loop.counters().accepts != 8) return 5;
  refused.stream.reset();
  acceptor.reset();
  server.streams.clear();
  return 0;
}

TEST_P(LoopTest, OutOfDescriptorsBacksOff) {
  const pid_t child = fork();
  if (child == 0) _exit(survive_without_descriptors(GetParam()));
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// Whoever was answered and only has to say goodbye does not keep others out.
int make_room_by_lingerers(LoopKind kind) {
  auto made = make_loop(kind);
  auto socket = listen_on(*Address::parse("127.0.0.1:0"));
  if (!made || !socket) return 10;
  Loop& loop = **made;
  const Address to = *bound_address(*socket);
  struct Server : AcceptHandler {
    void on_accept(StreamPtr stream) override { stream.release()->let_go(Stream::Goodbye::flush_and_close); }
  } server;
  auto acceptor = loop.accept_from(std::move(*socket), server);
  std::vector<int> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(connect_plainly(to));
  const rlimit limit{static_cast<rlim_t>(clients.back() + 4), static_cast<rlim_t>(clients.back() + 4)};
  setrlimit(RLIMIT_NOFILE, &limit);
  Timer stop([](void* context) { static_cast<Loop*>(context)->stop(); }, &loop);
  loop.set_timer(stop, 1200ms);  // lingering ends by itself after 2 s
  loop.run();
  const auto counters = loop.counters();
  acceptor.reset();
  for (const int descriptor : clients) close(descriptor);
  if (counters.accept_errors == 0) return 1;  // it never was short of them: the test tests nothing
  return counters.accepts == 8 ? 0 : 2;
}

TEST_P(LoopTest, R25LingerersMakeRoomForOthers) {
  const pid_t child = fork();
  if (child == 0) _exit(make_room_by_lingerers(GetParam()));
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace sluice::net
