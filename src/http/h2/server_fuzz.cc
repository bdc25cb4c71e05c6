// libFuzzer: whatever bytes come on an HTTP/2 connection, the server neither breaks nor grows without bound, tells the
// gateway of each exchange's end once, and is gone when its stream is. The input is what follows the preface; its first
// bytes say how it is cut and what the gateway does.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/fuzz_input.h"
#include "http/h1/fake_net.h"
#include "http/h2/server_connections.h"

namespace {

using namespace sluice;        // NOLINT: a program of its own
using namespace sluice::http;  // NOLINT
using fuzz::require;

// A gateway that answers at once, at the end of the body, or never; by turns.
class FuzzWaist final : public http::Waist {
 public:
  explicit FuzzWaist(net::Loop& loop, std::uint8_t habit) : loop_(loop), habit_(habit) {}

  struct Exchange final : ClientEvents {
    FuzzWaist* waist = nullptr;
    ClientHalf* half = nullptr;
    bool is_over = false;
    void on_request_body(net::Buffer bytes) override {
      require(!is_over && !bytes.empty(), "a chunk is a chunk of an exchange in progress");
      half->pull_body();
    }
    void on_request_end(const FieldList&) override {
      require(!is_over, "an end comes once");
      if (waist->habit_ % 3 != 2) answer();
    }
    void on_client_room() override { require(!is_over, "room is told to an exchange in progress"); }
    void on_client_failed(Refusal) override {
      require(!is_over, "a failure comes once");
      is_over = true;
      half->abort();
    }
    void answer() {
      is_over = true;
      ResponseHead head;
      head.body.bytes = waist->habit_ % 2 == 0 ? BodySize::unknown : 3000;
      if (!half->send_head(head)) return;
      half->send_body(std::string(3000, 'x'));
      half->send_end(nullptr);
    }
  };

  ClientEvents* begin(ClientHalf& half, const Request& request) override {
    require(!request.method_name.empty() && !request.path.empty() && !request.authority.empty(), "a request is whole");
    require(request.path.front() == '/' || request.path == "*", "a path is canonical");
    require(request.fields.size() <= HeadLimits{}.fields, "fields are bounded");
    Exchange& one = *exchanges.emplace_back(std::make_unique<Exchange>());
    one.waist = this;
    one.half = &half;
    if (habit_ % 3 == 0) {
      one.answer();
      return nullptr;
    }
    half.pull_body();
    return one.is_over ? nullptr : &one;
  }
  void refuse(ClientHalf& half, const RefusedRequest&) override {
    ResponseHead head;
    head.status = 400;
    if (!half.can_answer()) return half.abort();
    if (half.send_head(head)) half.send_end(nullptr);
  }
  void on_connection_closed(std::uint32_t) override { ++closed; }
  bool is_draining() const override { return habit_ % 5 == 4; }
  net::Loop& loop() override { return loop_; }

  std::vector<std::unique_ptr<Exchange>> exchanges;
  int closed = 0;

 private:
  net::Loop& loop_;
  std::uint8_t habit_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t habit = input.take_byte();
  const std::size_t step = std::size_t{1} + input.take_byte();
  h1::FakeLoop loop;
  FuzzWaist waist(loop, habit);
  h2::ServerCounters counters;
  h2::ServerConnections connections(waist, counters, {}, {});
  h1::FakeStream& stream = loop.make_stream();
  connections.accept(net::StreamPtr(&stream), {}, 1);
  const std::string all = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + std::string(input.rest());
  for (std::size_t at = 0; at < all.size() && !stream.is_gone(); at += step) {
    stream.give(std::string_view(all).substr(at, step));
    loop.turn();
    require(stream.output.size() < (1u << 20) + 64 * all.size(), "output is bounded by input");
  }
  require(counters.session_bytes.value() < (4 << 20), "memory is bounded");
  if ((habit & 128) != 0) connections.drain();
  for (int i = 0; i < 200 && connections.size() > 0; ++i) {
    loop.pass(std::chrono::seconds(1));
    loop.turn();
  }
  if (!stream.is_gone()) stream.fail();
  loop.turn();
  require(connections.size() == 0 && waist.closed == 1, "a connection that is lost is gone");
  for (const auto& one : waist.exchanges) require(one->is_over, "every exchange ends");
  require(counters.streams_open.value() == 0 && counters.session_bytes.value() == 0, "nothing is held");
  return 0;
}
