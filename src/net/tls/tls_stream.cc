#include "net/tls/tls_stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "net/tls/protocol_list.h"
#include "net/tls/stream.h"
#include "net/tls/tls_bio.h"

namespace sluice::net::tls {

namespace {

constexpr std::size_t record_bytes = SSL3_RT_MAX_PLAIN_LENGTH;

// In base64, as RFC 9440 section 2.1 wants it; "" when the peer showed none.
std::string peer_certificate(const SSL* session) {
  const X509* const shown = SSL_get0_peer_certificate(session);
  unsigned char* der = nullptr;
  const int size = shown == nullptr ? 0 : i2d_X509(shown, &der);
  if (size <= 0) return {};
  std::string text(static_cast<std::size_t>((size + 2) / 3 * 4) + 1, '\0');
  text.resize(static_cast<std::size_t>(EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), der, size)));
  OPENSSL_free(der);
  return text;
}

}  // namespace

std::string lower_case(const char* text) {
  std::string lower(text != nullptr ? text : "");
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  return lower;
}

int keep_session(ssl_st* connection, ssl_session_st* session) {
  TlsStream::of(connection).keep_session(session);
  return 1;  // taken over
}

StreamPtr connect(Loop& loop, const Address& to, StreamHandler& handler, std::shared_ptr<const ClientContext> context,
                  ClientSessions& sessions, const Opening& opening) {
  return StreamPtr(new TlsStream(static_cast<SocketLoop&>(loop), to, handler, std::move(context), sessions, opening));
}

// Every backend's loop is a SocketLoop (net/socket_loop.h).
StreamPtr accept(Loop& loop, StreamPtr stream, std::shared_ptr<const ServerContext> context) {
  return StreamPtr(new TlsStream(static_cast<SocketLoop&>(loop), std::move(stream), std::move(context)));
}

TlsStream::TlsStream(SocketLoop& loop, StreamPtr stream, std::shared_ptr<const ServerContext> context)
    : loop_(loop),
      inner_(std::move(stream)),
      session_(SSL_new(context->native())),
      context_(std::move(context)),
      certificates_(context_->certificates()) {
  attach();
  SSL_set_accept_state(session_);
}

TlsStream::TlsStream(SocketLoop& loop, const Address& to, StreamHandler& handler,
                     std::shared_ptr<const ClientContext> context, ClientSessions& sessions, const Opening& opening)
    : loop_(loop),
      handler_(&handler),
      session_(SSL_new(context->native())),
      client_context_(std::move(context)),
      credentials_(client_context_->credentials()),
      sessions_(&sessions) {
  attach();
  SSL_set_connect_state(session_);
  const bool is_ready = expect_peer(to) && offer(opening.protocol);
  inner_ = loop.connect(to, *this);
  if (!opening.first_bytes.empty()) inner_->write(opening.first_bytes);
  if (!is_ready) std::abort();  // out of memory
}

void TlsStream::attach() {
  if (session_ == nullptr) std::abort();  // out of memory, as everywhere
  BIO* const bio = make_bio(*this);
  SSL_set_bio(session_, bio, bio);
  SSL_set_app_data(session_, this);
}

// Whom the client's end asks for, and what the certificate that comes must say (RFC 9525).
bool TlsStream::expect_peer(const Address& to) {
  const ClientSettings& settings = client_context_->settings();
  X509_VERIFY_PARAM* const expected = SSL_get0_param(session_);
  X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (settings.server_name.empty()) {
    const std::size_t skipped = to.is_v4 ? 12 : 0;  // the address is held v4-mapped
    if (X509_VERIFY_PARAM_set1_ip(expected, to.ip.data() + skipped, to.ip.size() - skipped) != 1) return false;
  } else if (SSL_set_tlsext_host_name(session_, settings.server_name.c_str()) != 1 ||
             SSL_set1_host(session_, settings.server_name.c_str()) != 1) {
    return false;
  }
  if (credentials_->trust != nullptr) credentials_->trust->use_for(session_);
  if (credentials_->certificate != nullptr)
    (void)credentials_->certificate->use_for(session_);  // it was opened when it was read
  if (SSL_SESSION* const known = sessions_->take({client_context_, credentials_}, to)) {
    SSL_set_session(session_, known);
    SSL_SESSION_free(known);
  }
  return true;
}

// By ALPN (RFC 7301): `protocol`, or what the context has when it is empty.
bool TlsStream::offer(std::string_view protocol) {
  const std::string list = protocol.empty() ? client_context_->protocols() : wire_form({std::string(protocol)});
  return list.empty() || SSL_set_alpn_protos(session_, reinterpret_cast<const unsigned char*>(list.data()),
                                             static_cast<unsigned int>(list.size())) == 0;
}

TlsStream::~TlsStream() {
  // A connection that is dropped without a word is no reason to doubt its session; OpenSSL would have it so.
  if (is_secured_) SSL_set_shutdown(session_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(session_);
}

TlsStream& TlsStream::of(const ssl_st* session) { return *static_cast<TlsStream*>(SSL_get_app_data(session)); }

// ---- calls of the handler

void TlsStream::set_handler(StreamHandler& handler) {
  const bool is_first = std::exchange(handler_, &handler) == nullptr;
  if (is_first) return inner_->set_handler(*this);
  loop_.defer(*this);  // what came with the end of the handshake
}

void TlsStream::pause_reading() {
  is_paused_ = true;
  inner_->pause_reading();
}

void TlsStream::resume_reading() {
  is_paused_ = false;
  inner_->resume_reading();
  if (has_input() || has_inner_ended_) loop_.defer(*this);
}

void TlsStream::expect_bytes(std::uint64_t bytes) {
  expected_bytes_ = bytes;
  inner_->expect_bytes(bytes);
}

void TlsStream::wrote(std::size_t bytes) {
  if (!takes_output()) return;
  plain_.wrote(bytes);
  loop_.defer(*this);
}

void TlsStream::write(std::string_view bytes) {
  if (!takes_output()) return;
  plain_.append(loop_.memory(), bytes);
  loop_.defer(*this);
}

void TlsStream::write(Buffer bytes) {
  if (!takes_output()) return;
  plain_.append(loop_.memory(), std::move(bytes));
  loop_.defer(*this);
}

// A record of which a part was not sent cannot be read: all of the last flush counts, or nothing of it.
std::size_t TlsStream::untouched_bytes() const {
  const bool is_last_untouched = last_put_ > 0 && inner_->untouched_bytes() >= last_put_;
  return plain_.size() + (is_last_untouched ? last_plain_ : 0);
}

void TlsStream::want_drained() {
  wants_drained_ = true;
  loop_.defer(*this);
}

void TlsStream::finish_writing() {
  wants_finish_ = true;
  loop_.defer(*this);
}

void TlsStream::let_go(Goodbye how) {
  handler_ = nullptr;
  if (life_ == Life::open && how == Goodbye::flush_and_close) {
    wants_drained_ = false;
    wants_finish_ = true;
    flush();
  }
  life_ = Life::dead;
  plain_.clear(loop_.memory());
  encrypted_.clear(loop_.memory());
  inner_.release()->let_go(how);
  loop_.defer(*this);
}

// ---- what comes from the stream below

void TlsStream::on_data(Buffer bytes) {
  encrypted_bytes_ += bytes.size();
  encrypted_.push(loop_.memory(), std::move(bytes));
  advance();
}

void TlsStream::on_end() {
  has_inner_ended_ = true;
  advance();
}

void TlsStream::on_drained() {
  if (!wants_drained_ || !plain_.empty() || life_ != Life::open) return;
  wants_drained_ = false;
  handler_->on_drained();
}

void TlsStream::on_failed(Error error) { fail(error); }

void TlsStream::run_deferred() {
  if (life_ == Life::dead) {
    delete this;
    return;
  }
  if (life_ == Life::open) flush();
  if (may_deliver()) read();
}

// ---- the machine

void TlsStream::advance() {
  if (life_ == Life::handshake) shake_hands();
  if (may_deliver()) read();
}

void TlsStream::shake_hands() {
  ERR_clear_error();
  const int result = SSL_do_handshake(session_);
  if (result == 1) return secured();
  if (SSL_get_error(session_, result) != SSL_ERROR_WANT_READ) return fail(handshake_error());
  if (has_inner_ended_) fail(error_of(fault_closed));
}

// Which check the peer's certificate failed is OpenSSL's static text: "certificate has expired".
Error TlsStream::handshake_error() const {
  const long checked = SSL_get_verify_result(session_);
  const Fault& fault = take_fault();
  const bool is_verified =
      client_context_ != nullptr ? client_context_->settings().verifies : fault.code == Code::denied;
  if (!is_verified || checked == X509_V_OK) return error_of(fault);
  return {.code = Code::denied,
          .side = Side::upstream,
          .what = checked == X509_V_ERR_APPLICATION_VERIFICATION ? "the certificate has none of the names that may"
                                                                 : X509_verify_cert_error_string(checked)};
}

void TlsStream::secured() {
  life_ = Life::open;
  is_secured_ = true;
  security_.version = SSL_version(session_) == TLS1_3_VERSION ? "1.3" : "1.2";
  security_.cipher = SSL_CIPHER_get_name(SSL_get_current_cipher(session_));
  security_.server_name = lower_case(SSL_get_servername(session_, TLSEXT_NAMETYPE_host_name));
  security_.is_resumed = SSL_session_reused(session_) == 1;
  const unsigned char* protocol = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(session_, &protocol, &size);
  security_.protocol = {reinterpret_cast<const char*>(protocol), size};
  if (security_.has_client_auth) security_.client_certificate = peer_certificate(session_);
  SSL_certs_clear(session_);
  forget_trust(session_);
  SSL_set_tlsext_status_ocsp_resp(session_, nullptr, 0);  // what was stapled
  certificates_.reset();
  trust_.reset();
  handler_->on_connected();
}

bool TlsStream::has_input() const { return encrypted_bytes_ > 0 || SSL_has_pending(session_) == 1; }

// Large enough for what is there, so that a small request holds a small block.
std::size_t TlsStream::block_size() const {
  const std::size_t there = encrypted_bytes_ + static_cast<std::size_t>(SSL_pending(session_));
  return std::clamp<std::size_t>(there, 4 << 10, 64 << 10);
}

void TlsStream::read() {
  while (may_deliver() && has_input() && read_once()) {
  }
  // No close_notify came, and none will.
  if (may_deliver() && has_inner_ended_) fail(error_of(fault_truncated));
}

// False when there is no more to be had just now.
bool TlsStream::read_once() {
  Buffer block = loop_.make_buffer(block_size());
  std::size_t filled = 0, count = 0;
  int result = 1;
  ERR_clear_error();
  while (filled < block.capacity() && has_input()) {
    result = SSL_read_ex(session_, block.block() + filled, block.capacity() - filled, &count);
    if (result != 1) break;
    filled += count;
  }
  const int error = result == 1 ? SSL_ERROR_NONE : SSL_get_error(session_, result);
  const Fault* const fault = error == SSL_ERROR_SSL || error == SSL_ERROR_SYSCALL ? &take_fault() : nullptr;
  if (filled > 0) {
    block.set_size(filled);
    expected_bytes_ -= std::min<std::uint64_t>(expected_bytes_, filled);
    handler_->on_data(std::move(block));
  }
  if (life_ != Life::open) return false;
  if (fault != nullptr) {
    fail(error_of(*fault));
  } else if (control_bytes_ > most_control_bytes) {
    fail(error_of(fault_flood));
  } else if (error == SSL_ERROR_ZERO_RETURN) {
    has_ended_ = true;
    if (handler_ != nullptr) handler_->on_end();
  }
  return error == SSL_ERROR_NONE;
}

void TlsStream::flush() {
  encrypt();
  if (life_ != Life::open) return;
  if (wants_finish_ && !std::exchange(has_finished_, true)) {
    (void)SSL_shutdown(session_);  // close_notify: it is written, or the stream is broken, which its failure will tell
    inner_->finish_writing();
  }
  if (wants_drained_) inner_->want_drained();
}

void TlsStream::encrypt() {
  if (plain_.empty()) return;
  const std::size_t plain_before = plain_.size(), put_before = put_bytes_;
  std::array<char, record_bytes> scratch;
  is_encrypting_ = true;
  while (!plain_.empty()) {
    const std::string_view piece = next_piece(scratch.data());
    std::size_t written = 0;
    ERR_clear_error();
    if (SSL_write_ex(session_, piece.data(), piece.size(), &written) != 1) {
      fail(error_of(take_fault()));
      break;
    }
    plain_.drop_front(loop_.memory(), written);
  }
  is_encrypting_ = false;
  last_plain_ = plain_before - plain_.size();
  last_put_ = put_bytes_ - put_before;
}

// What fills whole records where it stands; where a record would not be full, as much as fits of what follows is copied
// beside it.
std::string_view TlsStream::next_piece(char* scratch) const {
  std::array<iovec, 16> pieces;
  const auto [count, bytes] = plain_.gather(pieces);
  const auto view = [&](std::size_t at) {
    return std::string_view(static_cast<const char*>(pieces[at].iov_base), pieces[at].iov_len);
  };
  const std::string_view first = view(0);
  if (count == 1) return first;
  if (first.size() >= record_bytes) return first.substr(0, first.size() - first.size() % record_bytes);
  std::size_t filled = 0;
  for (std::size_t at = 0; at < count && filled < record_bytes; ++at)
    filled += view(at).copy(scratch + filled, record_bytes - filled);
  return {scratch, filled};
}

void TlsStream::fail(Error error) {
  if (life_ == Life::failed || life_ == Life::dead) return;
  error.retryable = !is_secured_;  // nothing has been sent yet
  life_ = Life::failed;
  encrypted_.clear(loop_.memory());
  encrypted_bytes_ = 0;
  if (handler_ != nullptr) std::exchange(handler_, nullptr)->on_failed(error);
}

// ---- OpenSSL's side

std::size_t TlsStream::take_encrypted(char* out, std::size_t most) {
  std::size_t taken = 0;
  while (taken < most && !encrypted_.empty()) {
    Buffer& front = encrypted_.first()->bytes;
    const std::size_t count = front.view().copy(out + taken, most - taken);
    taken += count;
    front.drop_front(count);
    if (front.empty()) (void)encrypted_.pop(loop_.memory());  // it goes home
  }
  encrypted_bytes_ -= taken;
  return taken;
}

void TlsStream::put_encrypted(std::string_view bytes) {
  if (!is_encrypting_ && is_secured_) {
    if (inner_->unsent_bytes() == 0) control_bytes_ = 0;
    control_bytes_ += bytes.size();
  }
  put_bytes_ += bytes.size();
  inner_->write(bytes);
}

}  // namespace sluice::net::tls
