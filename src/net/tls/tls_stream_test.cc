// TLS as its users see it, on all backends: the server's end is ours, the client's is OpenSSL with buffers of its own.
#include "net/tls/tls_stream.h"

#include <gmock/gmock.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstring>
#include <ranges>
#include <string>

#include "net/loop_fixture.h"
#include "net/tls/certificate_fixture.h"
#include "net/tls/fault.h"
#include "net/tls/held_memory.h"
#include "net/tls/stream.h"

namespace sluice::net::tls {
namespace {

using namespace std::chrono_literals;
using net::testing::End;
using net::testing::kind_name;
using testing::make_certificate;

char byte_at(std::size_t offset) { return static_cast<char>((offset * 2654435761u) >> 13); }

// A client that speaks TLS over the plain stream of an End.
class Client {
 public:
  explicit Client(End& end, const char* name = "a.example") : end_(end), context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_mode(context_, SSL_MODE_AUTO_RETRY);
    session_ = SSL_new(context_);
    SSL_set_bio(session_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_tlsext_host_name(session_, name);
    SSL_set_connect_state(session_);
    end_.at_connected = [this] { step(); };
    end_.at_data = [this](Buffer bytes) {
      wire += bytes.view();
      BIO_write(SSL_get_rbio(session_), bytes.data(), static_cast<int>(bytes.size()));
      step();
    };
  }
  Client(const Client&) = delete;
  ~Client() {
    if (is_done) SSL_set_shutdown(session_, SSL_SENT_SHUTDOWN);  // else what it was given counts as bad
    SSL_free(session_);
    SSL_CTX_free(context_);
  }

  void step() {
    if (!is_done) is_done = SSL_do_handshake(session_) == 1;
    char block[20'000];
    for (int got; is_done && (got = SSL_read(session_, block, sizeof block)) > 0;) text.append(block, got);
    has_ended = (SSL_get_shutdown(session_) & SSL_RECEIVED_SHUTDOWN) != 0;
    ERR_clear_error();
    flush();
  }
  void write(std::string_view bytes) {
    EXPECT_EQ(SSL_write(session_, bytes.data(), static_cast<int>(bytes.size())), static_cast<int>(bytes.size()));
    flush();
  }
  void end() {
    SSL_shutdown(session_);
    flush();
  }
  void update_key() {
    EXPECT_EQ(SSL_key_update(session_, SSL_KEY_UPDATE_REQUESTED), 1);
    EXPECT_EQ(SSL_do_handshake(session_), 1);
    flush();
  }
  // What OpenSSL wants sent, in pieces of this size, each in a turn of the loop of its own.
  std::size_t piece = SIZE_MAX;
  std::string pending;
  void flush() {
    char block[20'000];
    for (int got; (got = BIO_read(SSL_get_wbio(session_), block, sizeof block)) > 0;) pending.append(block, got);
    send();
  }
  bool send() {
    if (pending.empty() || !end_.stream) return false;
    const std::size_t count = std::min(piece, pending.size());
    end_.stream->write(std::string_view(pending).substr(0, count));
    pending.erase(0, count);
    if (piece == SIZE_MAX) return send();
    return true;
  }
  SSL_CTX* context() { return context_; }
  SSL* session() { return session_; }
  int records(unsigned char type) const {  // that came
    int count = 0;
    for (std::size_t at = 0; at + 5 <= wire.size();) {
      count += static_cast<unsigned char>(wire[at]) == type;
      at += 5 + (static_cast<unsigned char>(wire[at + 3]) << 8 | static_cast<unsigned char>(wire[at + 4]));
    }
    return count;
  }

  bool is_done = false, has_ended = false;
  std::string text, wire;

 private:
  End& end_;
  SSL_CTX* context_;
  SSL* session_;
};

class TlsStreamTest : public net::testing::LoopTest {
 protected:
  TlsStreamTest() {
    context = make_context({});
    at_accept = [this](End& server) {
      server.stream = tls::accept(*loop, std::move(server.stream), context);
      if (prepare) prepare(server);
    };
  }
  std::shared_ptr<ServerContext> make_context(ServerSettings settings) {
    if (settings.protocols.empty()) settings.protocols = {"http/1.1"};
    settings.tickets = tickets;
    static const auto table =
        std::make_shared<const CertificateTable>(CertificateTable::List{make_certificate({.names = {"a.example"}})});
    return *ServerContext::make(settings, table);
  }
  std::pair<Client*, End*> make_secure_pair() {
    End& raw = connect();
    client.emplace(raw);
    EXPECT_TRUE(run_until([&] { return client->is_done && !accepted.empty() && accepted.back().connected == 1; }));
    return {&*client, &accepted.back()};
  }
  void TearDown() override {
    LoopTest::TearDown();
    client.reset();
  }
  std::shared_ptr<TicketKeys> tickets = std::make_shared<TicketKeys>();
  std::shared_ptr<ServerContext> context;
  std::function<void(End&)> prepare;
  std::optional<Client> client;
};
SLUICE_ON_ALL_LOOPS(TlsStreamTest);

TEST_P(TlsStreamTest, ShakesHandsAndEchoes) {
  prepare = [](End& server) { server.at_data = [&server](Buffer bytes) { server.stream->write(std::move(bytes)); }; };
  const auto [first, second] = make_secure_pair();
  Client* const talker = first;
  End* const server = second;
  talker->write("hello");
  EXPECT_TRUE(run_until([&] { return talker->text == "hello"; }));
  const Security* const security = server->stream->security();
  ASSERT_NE(security, nullptr);
  EXPECT_EQ(security->version, "1.3");
  EXPECT_EQ(security->cipher, "TLS_AES_128_GCM_SHA256");
  EXPECT_EQ(security->server_name, "a.example");
  EXPECT_FALSE(security->is_resumed);
  EXPECT_EQ(server->stream->unsent_bytes(), 0u);
}

// Rows T01: fragmented ClientHello, records cut everywhere.
TEST_P(TlsStreamTest, RecordsMayBeCutAnywhere) {
  for (const std::size_t piece : {1, 2, 3, 5, 7, 100}) {
    if (piece < 100 && GetParam() != LoopKind::sim) continue;  // a millisecond of real time each
    End& raw = connect();
    client.emplace(raw, "A.EXAMPLE");
    client->piece = piece;
    const std::size_t before = accepted.size();
    const auto sends = [&] {
      client->send();
      return client->is_done && accepted.size() > before && accepted.back().connected == 1 && client->pending.empty();
    };
    ASSERT_TRUE(run_until(sends)) << piece;
    End& server = accepted.back();
    EXPECT_EQ(server.stream->security()->server_name, "a.example");
    std::string expected;
    for (const std::size_t size : {1, 100, 17'000}) {
      if (size * 10 > piece * 40'000) continue;  // byte by byte, a millisecond each
      std::string text(size, '\0');
      for (std::size_t i = 0; i < size; ++i) text[i] = byte_at(i);
      expected += text;
      client->write(text);
    }
    EXPECT_TRUE(run_until([&] { return !client->send() && server.text.size() == expected.size(); })) << piece;
    EXPECT_EQ(server.text, expected);
    raw.at_data = nullptr;
    raw.stream.reset();
  }
}

TEST_P(TlsStreamTest, MegabytesArriveWholeUnderBackPressure) {
  constexpr std::size_t total = 3'000'000;
  const auto [first, second] = make_secure_pair();
  Client* const talker = first;
  End* const server = second;
  std::size_t written = 0, worst = 0;
  std::function<void()> more = [&] {
    while (written < total && server->stream->unsent_bytes() < (256 << 10)) {
      const std::size_t count = std::min<std::size_t>(30'000 + written % 7'000, total - written);
      Buffer buffer = loop->make_buffer(count);
      for (std::size_t i = 0; i < count; ++i) buffer.block()[i] = byte_at(written + i);
      buffer.set_size(count);
      server->stream->write(std::move(buffer));
      written += count;
      worst = std::max(worst, server->stream->unsent_bytes());
    }
    if (written < total) server->stream->want_drained();
  };
  server->at_drained = more;
  more();
  ASSERT_TRUE(run_until([&] { return talker->text.size() == total; }));
  EXPECT_TRUE(std::ranges::all_of(std::views::iota(std::size_t{0}, total),
                                  [&](std::size_t i) { return talker->text[i] == byte_at(i); }));
  EXPECT_LT(worst, std::size_t{400} << 10);
  // Full records but for the last of each turn.
  EXPECT_LT(talker->records(23), static_cast<int>(total / 16'384 + total / (256 << 10) * 3 + 20));
}

TEST_P(TlsStreamTest, WhatOneTurnWritesIsOneRecord) {
  const auto [first, second] = make_secure_pair();
  Client* const talker = first;
  End* const server = second;
  server->stream->write("x");  // behind the ticket, which is a record too
  ASSERT_TRUE(run_until([&] { return talker->text == "x"; }));
  const int before = talker->records(23);
  for (int i = 0; i < 50; ++i) {
    server->stream->write("head ");
    Buffer body = loop->make_buffer(100);
    std::memset(body.block(), 'b', 100);
    body.set_size(100);
    server->stream->write(std::move(body));
    std::memcpy(server->stream->room(10), "tail", 4);
    server->stream->wrote(4);
  }
  ASSERT_TRUE(run_until([&] { return talker->text.size() == 1 + 50 * 109; }));
  EXPECT_EQ(talker->records(23), before + 1);
}

TEST_P(TlsStreamTest, PausedReadingHoldsBackAndLosesNothing) {
  const auto [first, second] = make_secure_pair();
  Client* const talker = first;
  End* const server = second;
  server->stream->pause_reading();
  std::string text(200'000, 'x');
  talker->write(text);
  run_for(20ms);
  EXPECT_LE(server->text.size(), 16'384u);
  server->stream->resume_reading();
  EXPECT_TRUE(run_until([&] { return server->text.size() == text.size(); }));
  // A handler that pauses at every piece.
  server->at_data = [server](Buffer bytes) {
    server->text.append(bytes.view());
    server->stream->pause_reading();
  };
  talker->write(text);
  talker->end();
  EXPECT_TRUE(run_until([&] {
    server->stream->resume_reading();
    return server->ended == 1;
  }));
  EXPECT_EQ(server->text.size(), 2 * text.size());
  EXPECT_EQ(server->failed, 0);
}

TEST_P(TlsStreamTest, CloseNotifyIsTheEndAndWritingGoesOn) {
  const auto [first, second] = make_secure_pair();
  Client* const talker = first;
  End* const server = second;
  talker->write("question");
  talker->end();
  EXPECT_TRUE(run_until([&] { return server->ended == 1; }));
  EXPECT_EQ(server->text, "question");
  server->stream->write("answer");
  server->stream->finish_writing();
  EXPECT_TRUE(run_until([&] { return talker->has_ended; }));
  EXPECT_EQ(talker->text, "answer");
}

// Row S27: a cut connection is no end.
TEST_P(TlsStreamTest, AnEndWithoutCloseNotifyIsAFailure) {
  const auto [first, second] = make_secure_pair();
  Client* const talker = first;
  End* const server = second;
  talker->write("half a mess");
  clients.back().stream->finish_writing();  // FIN alone
  EXPECT_TRUE(run_until([&] { return server->failed == 1; }));
  EXPECT_EQ(server->text, "half a mess");
  EXPECT_EQ(server->ended, 0);
  EXPECT_STREQ(server->error.what, fault_truncated.what);
}

TEST_P(TlsStreamTest, FlushAndCloseSendsAllAndThenCloseNotify) {
  const auto [first, second] = make_secure_pair();
  Client* const talker = first;
  End* const server = second;
  const std::string text(300'000, 'y');
  server->stream->write(text);
  server->goodbye(Stream::Goodbye::flush_and_close);
  EXPECT_TRUE(run_until([&] { return talker->has_ended; }));
  EXPECT_EQ(talker->text, text);
  clients.back().stream.reset();
  EXPECT_TRUE(run_until([&] { return loop->leaving() == 0; }));
}

TEST_P(TlsStreamTest, AHandlerMayLetGoAnywhere) {
  for (const bool at_connected : {true, false}) {
    for (const auto how : {Stream::Goodbye::close, Stream::Goodbye::abort, Stream::Goodbye::flush_and_close}) {
      prepare = [=](End& server) {
        if (at_connected) server.at_connected = [&server, how] { server.goodbye(how); };
        server.at_data = [&server, how](Buffer) { server.goodbye(how); };
      };
      End& raw = connect();
      client.emplace(raw);
      const std::size_t before = accepted.size();
      ASSERT_TRUE(run_until([&] { return accepted.size() > before && accepted.back().connected == 1; }));
      if (!at_connected) {
        ASSERT_TRUE(run_until([&] { return client->is_done; }));
        client->write("x");
      }
      ASSERT_TRUE(run_until([&] { return accepted.back().stream == nullptr && (raw.ended + raw.failed > 0); }));
      raw.at_data = nullptr;
      raw.stream.reset();
    }
  }
  EXPECT_TRUE(run_until([&] { return loop->leaving() == 0; }));
}

TEST_P(TlsStreamTest, WhatIsNoTlsFailsWithItsReason) {
  const struct {
    const char* bytes;
    const Fault& fault;
  } cases[] = {{"GET / HTTP/1.1\r\nhost: a\r\n\r\n", fault_not_tls},
               {"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", fault_malformed},
               {"SSH-2.0-x\r\n", fault_not_tls}};
  for (const auto& [bytes, fault] : cases) {
    End& raw = connect();
    raw.stream->write(std::string_view(bytes, std::max<std::size_t>(std::strlen(bytes), 10)));
    const std::size_t before = accepted.size();
    ASSERT_TRUE(run_until([&] { return accepted.size() > before && accepted.back().failed == 1; })) << bytes;
    EXPECT_EQ(accepted.back().connected, 0);
    EXPECT_STREQ(accepted.back().error.what, fault.what);
    raw.stream.reset();
  }
  End& silent = connect();
  silent.stream->finish_writing();
  ASSERT_TRUE(run_until([&] { return accepted.size() == 4 && accepted.back().failed == 1; }));
  EXPECT_STREQ(accepted.back().error.what, fault_closed.what);
}

TEST_P(TlsStreamTest, OldVersionsAndOtherProtocolsAreRefused) {
  context = make_context({.min_version = Version::v1_3});
  End& old = connect();
  client.emplace(old);
  SSL_set_max_proto_version(client->session(), TLS1_2_VERSION);
  ASSERT_TRUE(run_until([&] { return !accepted.empty() && accepted.back().failed == 1; }));
  EXPECT_STREQ(accepted.back().error.what, fault_version.what);
  End& other = connect();
  client.emplace(other);
  const unsigned char protocols[] = "\x05other";
  SSL_set_alpn_protos(client->session(), protocols, 6);
  ASSERT_TRUE(run_until([&] { return accepted.size() == 2 && accepted.back().failed == 1; }));
  EXPECT_STREQ(accepted.back().error.what, fault_protocol.what);
}

TEST_P(TlsStreamTest, Tls12WithAlpn) {
  End& raw = connect();
  client.emplace(raw);
  SSL_set_max_proto_version(client->session(), TLS1_2_VERSION);
  const unsigned char protocols[] = "\x02h2\x08http/1.1";
  SSL_set_alpn_protos(client->session(), protocols, 12);
  ASSERT_TRUE(run_until([&] { return client->is_done && !accepted.empty() && accepted.back().connected == 1; }));
  const Security& security = *accepted.back().stream->security();
  EXPECT_EQ(security.version, "1.2");
  EXPECT_EQ(security.protocol, "http/1.1");
  EXPECT_EQ(security.cipher, "ECDHE-ECDSA-AES128-GCM-SHA256");
  client->write("over 1.2");
  EXPECT_TRUE(run_until([&] { return accepted.back().text == "over 1.2"; }));
  EXPECT_EQ(SSL_renegotiate(client->session()), 1);  // row T03
  SSL_do_handshake(client->session());
  client->step();
  run_for(5ms);
  EXPECT_EQ(accepted.back().connected, 1);
  EXPECT_EQ(accepted.back().text, "over 1.2");
}

TEST_P(TlsStreamTest, ATicketResumesOnAnotherConnectionUntilItsKeyIsGone) {
  static SSL_SESSION* ticket;
  ticket = nullptr;
  const auto visit = [&](SSL_SESSION* with) {
    End& raw = connect();
    client.emplace(raw);
    SSL_CTX_set_session_cache_mode(client->context(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client->context(), [](SSL*, SSL_SESSION* made) {
      SSL_SESSION_free(std::exchange(ticket, made));
      return 1;
    });
    if (with != nullptr) SSL_set_session(client->session(), with);
    const std::size_t before = accepted.size();
    EXPECT_TRUE(
        run_until([&] { return client->is_done && accepted.size() > before && accepted.back().connected == 1; }));
    accepted.back().stream->write("x");
    EXPECT_TRUE(run_until([&] { return client->text == "x"; }));
    const bool is_resumed = accepted.back().stream->security()->is_resumed;
    raw.at_data = nullptr;
    raw.stream.reset();
    return is_resumed;
  };
  EXPECT_FALSE(visit(nullptr));
  ASSERT_NE(ticket, nullptr);
  SSL_SESSION* first = std::exchange(ticket, nullptr);
  tickets->rotate();
  EXPECT_TRUE(visit(first));
  tickets->rotate();
  tickets->rotate();
  EXPECT_FALSE(visit(first));
  SSL_SESSION_free(first);
  // Row T01: a ticket of one policy opens no door of another.
  SSL_SESSION* of_one = std::exchange(ticket, nullptr);
  context = make_context({.policy = "another"});
  EXPECT_FALSE(visit(of_one));
  SSL_SESSION_free(of_one);
  SSL_SESSION_free(std::exchange(ticket, nullptr));
}

// A peer that asks for answers and takes none: they are bounded.
TEST_P(TlsStreamTest, KeyUpdatesAreAnsweredUntilTheyAreAFlood) {
  const auto [first, second] = make_secure_pair();
  Client* const talker = first;
  End* const server = second;
  for (int i = 0; i < 10; ++i) talker->update_key();
  talker->write("still there");
  EXPECT_TRUE(run_until([&] { return server->text == "still there"; }));
  clients.back().stream->pause_reading();
  for (int round = 0; round < 10'000 && server->failed == 0; ++round) {
    for (int i = 0; i < 200; ++i) talker->update_key();
    run_for(1ms);
    if (GetParam() != LoopKind::sim && round > 50) break;  // the kernel's buffers take long to fill
  }
  if (GetParam() == LoopKind::sim) {
    EXPECT_EQ(server->failed, 1);
    EXPECT_STREQ(server->error.what, fault_flood.what);
  }
  EXPECT_LT(server->failed == 0 ? server->stream->unsent_bytes() : 0, TlsStream::most_control_bytes * 2);
}

TEST_P(TlsStreamTest, NewCertificatesAreForNewHandshakes) {
  const auto [first, second] = make_secure_pair();
  Client* const talker = first;
  End* const server = second;
  const auto fresh = make_certificate({.names = {"b.example"}});
  context->replace_certificates(std::make_shared<const CertificateTable>(CertificateTable::List{fresh}));
  talker->write("on");
  EXPECT_TRUE(run_until([&] { return server->text == "on"; }));
  End& raw = connect();
  Client other(raw, "b.example");
  ASSERT_TRUE(run_until([&] { return other.is_done; }));
  X509* const shown = SSL_get1_peer_certificate(other.session());
  EXPECT_EQ(X509_check_host(shown, "b.example", 0, 0, nullptr), 1);
  X509_free(shown);
  raw.at_data = nullptr;
  raw.stream.reset();
}

// ---- our client's end

class TlsClientTest : public TlsStreamTest {
 protected:
  TlsClientTest() {
    const auto parsed = Certificate::parse({"c", "k"}, pem.certificate, pem.key, std::nullopt);
    context->replace_certificates(std::make_shared<const CertificateTable>(CertificateTable::List{*parsed}));
    prepare = [](End& server) { server.at_data = [&server](Buffer bytes) { server.stream->write(std::move(bytes)); }; };
  }
  std::shared_ptr<const ClientCredentials> believing(const std::string& bundle) {
    return std::make_shared<const ClientCredentials>(ClientCredentials{*Trust::parse({"ca", ""}, bundle, ""), nullptr});
  }
  End& dial(const ClientSettings& settings) {
    if (dialled == nullptr || settings.server_name != dialled->settings().server_name)
      dialled = *ClientContext::make(settings, believing(authorities));
    End& end = clients.emplace_back();
    end.stream = tls::connect(*loop, address, end, dialled, sessions);
    return end;
  }
  static ClientSettings trusting() { return {.server_name = "a.example"}; }

  const testing::Pem pem = testing::make_pem();
  std::string authorities = pem.certificate;
  ClientSessions sessions;
  std::shared_ptr<ClientContext> dialled;
};
SLUICE_ON_ALL_LOOPS(TlsClientTest);

TEST_P(TlsClientTest, TalksToWhomItTrustsAndResumes) {
  for (const bool is_resumed : {false, true, true}) {
    End& end = dial(trusting());
    end.stream->write("early ");  // before the connection stands
    EXPECT_EQ(end.connected, 0);
    ASSERT_TRUE(run_until([&] { return end.connected == 1 || end.failed == 1; }));
    end.stream->write("bird");
    ASSERT_TRUE(run_until([&] { return end.text == "early bird"; })) << end.error.what;
    EXPECT_EQ(end.stream->security()->is_resumed, is_resumed);
    EXPECT_EQ(end.stream->peer(), address);
    end.stream.reset();
  }
}

TEST_P(TlsClientTest, EveryCheckThatFailsIsNamed) {
  const struct {
    ClientSettings settings;
    std::string believed;
    const char* what;
  } cases[] = {
      {{.server_name = "b.example"}, pem.certificate, "hostname mismatch"},
      {{}, pem.certificate, "IP address mismatch"},
      {{.server_name = "a.example"}, testing::make_pem().certificate, "self-signed certificate"},
  };
  for (const auto& [settings, believed, what] : cases) {
    dialled = nullptr;
    authorities = believed;
    End& end = dial(settings);
    end.stream->write("secret");
    ASSERT_TRUE(run_until([&] { return end.failed == 1; }));
    EXPECT_EQ(end.connected, 0);
    EXPECT_EQ(end.error.code, Code::denied);
    EXPECT_THAT(end.error.what, ::testing::HasSubstr(what));
    EXPECT_TRUE(end.error.retryable);
    EXPECT_GE(end.stream->untouched_bytes(), 6u);
    end.stream.reset();
  }
  dialled = nullptr;
  End& end = dial({.server_name = "b.example", .verifies = false});
  ASSERT_TRUE(run_until([&] { return end.connected == 1; }));
}

TEST_P(TlsClientTest, NewAuthoritiesAreForNewConnectionsAndEndSessions) {
  const auto talk = [&](End& end) {
    EXPECT_TRUE(run_until([&] { return end.connected + end.failed > 0; }));
    if (end.failed > 0) return false;
    end.text.clear();
    end.stream->write("x");
    EXPECT_TRUE(run_until([&] { return end.text == "x"; }));  // behind the ticket
    return true;
  };
  End& old = dial(trusting());
  ASSERT_TRUE(talk(old));
  dialled->replace_credentials(believing(pem.certificate));  // the same ones, from a file that was written anew
  End& next = dial(trusting());
  ASSERT_TRUE(talk(next));
  EXPECT_FALSE(next.stream->security()->is_resumed);
  dialled->replace_credentials(believing(testing::make_pem().certificate));
  EXPECT_FALSE(talk(dial(trusting())));
  EXPECT_TRUE(talk(old));
  for (End& end : clients) end.stream.reset();
}

TEST_P(TlsClientTest, WhoSpeaksNoTlsFails) {
  at_accept = [](End& server) {
    server.at_data = [&server](Buffer) { server.stream->write("HTTP/1.1 400 no\r\n\r\n"); };
  };
  End& end = dial(trusting());
  ASSERT_TRUE(run_until([&] { return end.failed == 1; }));
  EXPECT_STREQ(end.error.what, fault_not_tls.what);
}

}  // namespace
}  // namespace sluice::net::tls
