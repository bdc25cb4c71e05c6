// Client -> server connection -> relay -> client connection -> server connection -> echo, all over loopback sockets, on
// each loop. The client is a thread with blocking sockets.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <thread>

#include "http/h1/fake_relay.h"
#include "http/h1/server_connections.h"

namespace sluice::http::h1 {
namespace {

// Sends every body back, chunk by chunk, with the framing of the request.
struct EchoWaist final : Waist {
  explicit EchoWaist(net::Loop& over) : loop_(over) {}
  struct Exchange final : ClientEvents {
    ClientHalf* half = nullptr;
    void on_request_body(net::Buffer bytes) override {
      half->send_body(std::move(bytes));
      if (half->unsent_bytes() > 256 * 1024) return half->want_room();
      half->pull_body();
    }
    void on_request_end(const FieldList&) override {
      ClientHalf& mine = *half;
      delete this;
      mine.send_end(nullptr);
    }
    void on_client_room() override { half->pull_body(); }
    void on_client_failed(Refusal) override {
      ClientHalf& mine = *half;
      delete this;
      mine.abort();
    }
  };
  ClientEvents* begin(ClientHalf& half, const Request& request) override {
    ResponseHead head;
    head.body = request.body;
    if (request.method == Method::get) {
      head.body.bytes = 5;
      if (half.send_head(head)) half.send_body("hello"), half.send_end(nullptr);
      return nullptr;
    }
    if (!half.send_head(head)) return nullptr;
    auto* const exchange = new Exchange;
    exchange->half = &half;
    half.pull_body();
    return exchange;
  }
  void refuse(ClientHalf& half, const RefusedRequest&) override {
    ResponseHead head;
    head.status = 400;
    if (half.send_head(head)) half.send_end(nullptr);
  }
  void on_connection_closed(std::uint32_t) override {}
  bool is_draining() const override { return false; }
  net::Loop& loop() override { return loop_; }

 private:
  net::Loop& loop_;
};

struct Door final : net::AcceptHandler {
  Door(Waist& waist, const ServerSettings& settings) : connections(waist, settings) {
    net::ListenSocket socket = *net::listen_on(*net::Address::parse("127.0.0.1:0"));
    address = *net::bound_address(socket);
    acceptor = waist.loop().accept_from(std::move(socket), *this);
  }
  void on_accept(net::StreamPtr stream) override { connections.accept(std::move(stream)); }
  ServerConnections connections;
  net::Address address;
  std::unique_ptr<net::Acceptor> acceptor;
};

// A blocking client; a minute of silence fails the test instead of hanging it.
class Client {
 public:
  explicit Client(const net::Address& to) : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    (void)setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    (void)setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    sockaddr_storage storage{};
    const socklen_t length = to.to_sockaddr(storage);
    EXPECT_EQ(::connect(descriptor_, reinterpret_cast<sockaddr*>(&storage), length), 0);
  }
  Client(const Client&) = delete;
  ~Client() { ::close(descriptor_); }
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  void finish() { ::shutdown(descriptor_, SHUT_WR); }
  // Reads one response of known length or chunked; "" when the connection ended.
  std::string receive_body() {
    std::string head;
    while (!head.ends_with("\r\n\r\n")) {
      const std::string one = take(1);
      if (one.empty()) return {};
      head += one;
    }
    const std::size_t at = head.find("content-length: ");
    if (at != head.npos) return take(std::stoul(head.substr(at + 16)));
    std::string body;
    for (;;) {
      std::string line;
      while (!line.ends_with("\r\n")) line += take(1);
      const std::size_t size = std::stoul(line, nullptr, 16);
      body += take(size);
      (void)take(2);
      if (size == 0) return body;
    }
  }
  bool is_at_end() {
    char byte;
    return input_.empty() && ::recv(descriptor_, &byte, 1, 0) == 0;
  }

 private:
  std::string take(std::size_t size) {
    char block[65536];
    while (input_.size() - at_ < size) {
      if (at_ > 0) input_.erase(0, std::exchange(at_, 0));
      const ssize_t got = ::recv(descriptor_, block, sizeof block, 0);
      if (got <= 0) return {};
      input_.append(block, static_cast<std::size_t>(got));
    }
    std::string taken = input_.substr(at_, size);
    at_ += size;
    if (at_ == input_.size()) input_.clear(), at_ = 0;
    return taken;
  }
  int descriptor_;
  std::string input_;
  std::size_t at_ = 0;
};

class RealConnectionTest : public ::testing::TestWithParam<net::LoopKind> {
 protected:
  void SetUp() override {
    auto made = net::make_loop(GetParam());
    if (!made) GTEST_SKIP() << made.error().what;
    loop_ = std::move(*made);
    echo_.emplace(*loop_);
    back_.emplace(*echo_, ServerSettings{});
    relay_.emplace(*loop_, back_->address);
    front_.emplace(*relay_, ServerSettings{});
  }
  // Runs the loop here and `talk` on a thread of its own.
  void run(std::move_only_function<void()> talk) {
    std::thread client([&] {
      talk();
      loop_->post([&] { loop_->stop(); });
    });
    loop_->run();
    client.join();
  }

  std::unique_ptr<net::Loop> loop_;
  std::optional<EchoWaist> echo_;
  std::optional<Door> back_;
  std::optional<FakeRelay> relay_;
  std::optional<Door> front_;
};

TEST_P(RealConnectionTest, KeepAliveCostsOneReceiveAndOneSendPerSide) {
  run([&] {
    Client client(front_->address);
    for (int i = 0; i < 10; ++i) {
      client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
      ASSERT_EQ(client.receive_body(), "hello");
    }
    const net::Loop::Counters before = loop_->counters();
    for (int i = 0; i < 1000; ++i) {
      client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
      ASSERT_EQ(client.receive_body(), "hello");
    }
    const net::Loop::Counters after = loop_->counters();
    // Four messages pass this loop in each exchange: the back end lives on it too.
    EXPECT_LE(after.sends - before.sends, 4010U);
    EXPECT_LE(after.receives - before.receives, 4010U);
  });
  EXPECT_EQ(relay_->opened, 1);
}

TEST_P(RealConnectionTest, PipelinedRequestsAreAnsweredInOrder) {
  run([&] {
    Client client(front_->address);
    std::string batch;
    for (int i = 0; i < 500; ++i) {
      batch += "GET / HTTP/1.1\r\nHost: h\r\n\r\nPOST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n" +
               std::to_string(1000 + i);
    }
    std::thread sender([&] { client.send(batch); });
    for (int i = 0; i < 500; ++i) {
      EXPECT_EQ(client.receive_body(), "hello");
      EXPECT_EQ(client.receive_body(), std::to_string(1000 + i));
    }
    sender.join();
  });
}

TEST_P(RealConnectionTest, BodiesOfAllSizesComeBackUnchanged) {
  run([&] {
    std::mt19937 random(7);
    Client client(front_->address);
    for (const std::size_t size : {1U, 100U, 4095U, 65'536U, 200'000U, 3'000'000U}) {
      std::string body(size, '\0');
      for (char& c : body) c = static_cast<char>(random());
      for (const bool is_chunked : {true, false}) {
        std::string request = "POST / HTTP/1.1\r\nHost: h\r\n";
        if (is_chunked) {
          request += "Transfer-Encoding: chunked\r\n\r\n";
          for (std::size_t at = 0; at < size;) {
            const std::size_t step = std::min<std::size_t>(size - at, 1 + random() % 50'000);
            char line[20];
            (void)snprintf(line, sizeof line, "%zx\r\n", step);
            request += line + body.substr(at, step) + "\r\n";
            at += step;
          }
          request += "0\r\n\r\n";
        } else {
          request += "Content-Length: " + std::to_string(size) + "\r\n\r\n" + body;
        }
        // Both directions flow at once: a body larger than all buffers would block a client that only writes.
        std::thread sender([&] {
          for (std::size_t at = 0; at < request.size();) {
            const std::size_t step = std::min<std::size_t>(request.size() - at, 1 + random() % 100'000);
            client.send(std::string_view(request).substr(at, step));
            at += step;
          }
        });
        const std::string back = client.receive_body();
        sender.join();
        ASSERT_EQ(back.size(), body.size()) << (is_chunked ? "chunked" : "length");
        ASSERT_TRUE(back == body);
        if (!is_chunked && size > 256 * 1024) return;  // the answer began before the body was there: it says close
      }
    }
  });
}

TEST_P(RealConnectionTest, ManyClientsAtOnceComeAndGo) {
  run([&] {
    std::vector<std::thread> clients;
    for (int i = 0; i < 16; ++i) {
      clients.emplace_back([&, i] {
        std::mt19937 random(static_cast<unsigned>(i));
        for (int round = 0; round < 20; ++round) {
          Client client(front_->address);
          for (int n = 0; n < 20; ++n) {
            const std::string body(1 + random() % 20'000, static_cast<char>('a' + i));
            client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
                        body);
            if (random() % 50 == 0) break;  // leaves in the middle
            ASSERT_EQ(client.receive_body(), body);
          }
        }
      });
    }
    for (std::thread& client : clients) client.join();
  });
}

TEST_P(RealConnectionTest, HalfCloseAndRefusal) {
  run([&] {
    Client half(front_->address);
    half.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    half.finish();
    EXPECT_EQ(half.receive_body(), "hello");
    EXPECT_TRUE(half.is_at_end());
    Client refused(front_->address);
    refused.send("GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n" + std::string(100'000, 'x'));
    (void)refused.receive_body();
    EXPECT_TRUE(refused.is_at_end()) << "the answer must not be lost to a reset";
  });
}

INSTANTIATE_TEST_SUITE_P(Loops, RealConnectionTest, ::testing::Values(net::LoopKind::epoll, net::LoopKind::uring),
                         [](const auto& info) { return info.param == net::LoopKind::epoll ? "epoll" : "uring"; });

}  // namespace
}  // namespace sluice::http::h1
