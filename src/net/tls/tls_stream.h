#pragma once
// The stream behind net/tls/stream.h. OpenSSL reads and writes it through a BIO of ours (tls_bio.cc), so that bytes go
// from the loop's blocks to OpenSSL and back without buffers in between. Owns itself; goes away when it has been let go
// and nothing of it is on the stack. Only on the loop's thread.

#include <memory>
#include <string>
#include <string_view>

#include "net/deferred.h"
#include "net/output.h"
#include "net/security.h"
#include "net/socket_loop.h"
#include "net/stream.h"
#include "net/tls/client_context.h"
#include "net/tls/client_sessions.h"
#include "net/tls/fault.h"
#include "net/tls/server_context.h"

struct ssl_st;

namespace sluice::net::tls {

struct Opening;  // stream.h

std::string lower_case(const char* text);  // of null: ""

class TlsStream final : public Stream, private StreamHandler, private Deferred {
 public:
  // Replies that the peer makes OpenSSL write while it takes none of them: key updates.
  static constexpr std::size_t most_control_bytes = 16 * 1024;

  TlsStream(SocketLoop& loop, StreamPtr stream, std::shared_ptr<const ServerContext> context);
  TlsStream(SocketLoop& loop, const Address& to, StreamHandler& handler, std::shared_ptr<const ClientContext> context,
            ClientSessions& sessions, const Opening& opening);
  TlsStream(const TlsStream&) = delete;

  void set_handler(StreamHandler& handler) override;
  void pause_reading() override;
  void resume_reading() override;
  void expect_bytes(std::uint64_t bytes) override;
  char* room(std::size_t bytes) override { return plain_.room(loop_.memory(), bytes); }
  void wrote(std::size_t bytes) override;
  void write(std::string_view bytes) override;
  void write(Buffer bytes) override;
  std::size_t unsent_bytes() const override { return plain_.size() + inner_->unsent_bytes(); }
  std::size_t untouched_bytes() const override;
  std::size_t unacknowledged_bytes() const override { return inner_->unacknowledged_bytes(); }
  void want_drained() override;
  void finish_writing() override;
  const Address& peer() const override { return inner_->peer(); }
  const Security* security() const override { return is_secured_ ? &security_ : nullptr; }
  void let_go(Goodbye how) override;

  // ---- for OpenSSL's callbacks
  static TlsStream& of(const ssl_st* session);
  const CertificateTable* certificates() const { return certificates_.get(); }
  const ServerContext& server_context() const { return *context_; }
  // As it is when the client is asked for its certificate.
  const Trust& take_trust() { return *(trust_ = context_->trust()); }
  void keep_session(ssl_session_st* session) { sessions_->keep({client_context_, credentials_}, peer(), session); }
  void note_client_auth() { security_.has_client_auth = true; }
  std::size_t take_encrypted(char* out, std::size_t most);
  void put_encrypted(std::string_view bytes);

 private:
  enum class Life : std::uint8_t { handshake, open, failed, dead };
  ~TlsStream();

  // StreamHandler
  void on_connected() override { shake_hands(); }
  void on_data(Buffer bytes) override;
  void on_end() override;
  void on_drained() override;
  void on_failed(Error error) override;
  // Deferred
  void run_deferred() override;

  void attach();
  bool expect_peer(const Address& to);
  bool offer(std::string_view protocol);
  Error handshake_error() const;
  void advance();
  void shake_hands();
  void secured();
  void read();
  bool read_once();
  std::size_t block_size() const;
  bool has_input() const;
  bool may_deliver() const { return life_ == Life::open && !is_paused_ && !has_ended_ && handler_ != nullptr; }
  void flush();
  void encrypt();
  std::string_view next_piece(char* scratch) const;
  bool takes_output() const { return (life_ == Life::open || life_ == Life::handshake) && !wants_finish_; }
  void fail(Error error);

  SocketLoop& loop_;
  StreamPtr inner_;
  StreamHandler* handler_ = nullptr;
  ssl_st* session_ = nullptr;
  std::shared_ptr<const ServerContext> context_;
  std::shared_ptr<const CertificateTable> certificates_;  // until the handshake is done
  std::shared_ptr<const Trust> trust_;                    // as long; null when no certificate is asked for
  std::shared_ptr<const ClientContext> client_context_;   // null: this is the server's end, and context_ is not
  std::shared_ptr<const ClientCredentials> credentials_;  // that it was made with; null as client_context_ is
  ClientSessions* sessions_ = nullptr;
  SegmentQueue encrypted_;  // came, and waits: while reading is paused
  std::size_t encrypted_bytes_ = 0;
  Output plain_;  // to be encrypted
  std::uint64_t expected_bytes_ = 0;
  std::size_t control_bytes_ = 0;
  std::size_t put_bytes_ = 0;                  // handed to inner_, ever
  std::size_t last_plain_ = 0, last_put_ = 0;  // of the last flush
  Security security_;
  Life life_ = Life::handshake;
  bool is_secured_ = false;
  bool is_paused_ = false;
  bool is_encrypting_ = false;
  bool has_inner_ended_ = false;  // FIN
  bool has_ended_ = false;        // close_notify
  bool wants_drained_ = false;
  bool wants_finish_ = false;
  bool has_finished_ = false;
};

}  // namespace sluice::net::tls
