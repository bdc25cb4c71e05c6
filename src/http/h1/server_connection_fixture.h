#pragma once
// For tests: client connections over fake streams, before a fake gateway that says hello.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string_view>

#include "http/h1/fake_net.h"
#include "http/h1/fake_waist.h"
#include "http/h1/server_connection.h"

namespace sluice::http::h1 {

inline constexpr std::string_view get = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
inline constexpr std::string_view post = "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n";
inline constexpr std::string_view chunked_post = "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

class ServerConnectionTest : public ::testing::Test {
 protected:
  ServerConnectionTest() { waist_.at_begin = say_hello; }
  FakeStream& accept() {
    FakeStream& stream = loop_.make_stream();
    connections_.accept(net::StreamPtr(&stream));
    return stream;
  }
  FakeExchange& exchange() { return *waist_.exchanges.back(); }

  FakeLoop loop_;
  FakeWaist waist_{loop_};
  ServerConnections connections_{waist_, ServerSettings{}};
};

}  // namespace sluice::http::h1
