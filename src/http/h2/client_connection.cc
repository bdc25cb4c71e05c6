#include "http/h2/client_connection.h"

#include <algorithm>
#include <utility>

#include "net/security.h"

namespace sluice::http::h2 {
namespace {

constexpr std::size_t most_unsent_bytes = 64 * 1024;  // written ahead of the kernel
constexpr Duration silence_in_doubt = std::chrono::seconds(1);

ClientStream& ours(SessionStream& stream) { return static_cast<ClientStream&>(stream); }

}  // namespace

ClientConnection::ClientConnection(net::Loop& loop, const net::Address& to, const ClientSettings& settings,
                                   SessionMemory& memory, UpstreamConnectionOwner& owner, const Dial& dial)
    : loop_(loop),
      settings_(settings),
      owner_(owner),
      session_(Session::Role::client, settings.session, memory, *this),
      turn_end_(net::TurnEnd::of<&ClientConnection::on_turn_end>(this)),
      stream_(dial ? dial(*this) : loop.connect(to, *this)) {
  fields_.reserve(64);
}

ClientConnection::~ClientConnection() {
  for (ClientStream** list : {&streams_, &spare_})
    while (*list != nullptr) delete std::exchange(*list, (*list)->next);
}

std::uint32_t ClientConnection::room() const {
  if (!is_connected_ || is_leaving_ || is_lost_) return 0;
  const std::uint32_t most = std::min(settings_.most_streams, session_.peer_concurrent_streams());
  return most > open_ ? most - open_ : 0;
}

UpstreamHalf& ClientConnection::start(const RequestHead& head, Arena& arena, UpstreamEvents& events) {
  ClientStream* stream = spare_;
  if (stream != nullptr) {
    spare_ = stream->next;
  } else {
    stream = new ClientStream(*this);
  }
  stream->previous = nullptr;
  stream->next = streams_;
  if (streams_ != nullptr) streams_->previous = stream;
  streams_ = stream;
  ++open_;
  is_idle_told_ = false;
  stream->begin(head, arena, events);
  return *stream;
}

// ---- what comes

void ClientConnection::on_connected() {
  // Over TLS there is no other way to agree on it (RFC 9113 section 3.2).
  const net::Security* const security = stream_->security();
  if (security != nullptr && security->protocol != "h2")
    return fail({.code = Code::unsupported,
                 .side = Side::upstream,
                 .retryable = true,
                 .what = "the upstream does not speak HTTP/2: it has not chosen h2 by ALPN"});
  is_open_ = true;
  want_write();  // preface and settings
}

void ClientConnection::on_data(net::Buffer bytes) {
  if (is_lost_) return;
  heard_at_ = loop_.now();
  input_ = &bytes;
  const bool is_well = session_.receive(bytes.view());
  input_ = nullptr;
  if (!is_well)
    return fail({.code = Code::malformed, .side = Side::upstream, .what = "the upstream does not speak HTTP/2"});
  run_due();
  want_write();
  if (is_connected_ || !has_settings_) return;
  is_connected_ = true;
  owner_.on_connected(*this);
}

void ClientConnection::on_end() {
  fail({.code = Code::closed, .side = Side::upstream, .retryable = true, .what = "the upstream closed the connection"});
}

void ClientConnection::on_failed(Error error) {
  error.retryable = true;
  fail(error);
}

// The last thing: the owner may delete this.
void ClientConnection::fail(Error error) {
  if (!is_connected_) return owner_.on_connect_failed(*this, error);
  lose_all(error);
  run_due();
  want_write();
}

void ClientConnection::on_block_begin(SessionStream& stream) { ours(stream).block_begin(); }

void ClientConnection::on_field(SessionStream& stream, std::string_view name, std::string_view value) {
  ours(stream).add_field(name, value);
}

void ClientConnection::on_block_end(SessionStream& stream, bool is_last) { ours(stream).block_end(is_last); }

void ClientConnection::on_data(SessionStream& stream, std::string_view bytes) {
  ours(stream).add_data(loop_, *input_, bytes);
}

void ClientConnection::on_last(SessionStream& stream) { ours(stream).set_last(); }

void ClientConnection::on_malformed(SessionStream& stream) {
  ours(stream).lose({.code = Code::malformed, .side = Side::upstream, .what = "the response breaks a rule of HTTP/2"});
}

void ClientConnection::on_closed(SessionStream& stream, ErrorCode code, bool is_by_peer) {
  ours(stream).set_closed(code, is_by_peer);
}

void ClientConnection::on_sent_last(SessionStream& stream) { ours(stream).set_sent_last(); }

void ClientConnection::on_frame(std::size_t bytes, SessionStream* stream) {
  if (stream != nullptr) ours(*stream).count_received(bytes);
}

void ClientConnection::on_frame_sent(std::size_t bytes, SessionStream* stream, bool) {
  if (stream != nullptr) ours(*stream).count_sent(bytes);
}

// RFC 9113 section 6.8: what is above `last_id` was not, and will not be, looked at.
void ClientConnection::on_goaway(std::int32_t last_id, ErrorCode) {
  is_leaving_ = true;
  for (ClientStream* stream = streams_; stream != nullptr; stream = stream->next)
    if (stream->id() > last_id) stream->set_unprocessed();
}

// ---- acting on it

void ClientConnection::make_due(ClientStream& stream) {
  if (std::exchange(stream.is_due, true)) return;
  due_.push_back(&stream);
  want_write();
}

void ClientConnection::doubt(Instant since) {
  if (heard_at_ < since && loop_.now() - since >= silence_in_doubt) is_leaving_ = true;
}

void ClientConnection::run_due() {
  for (std::size_t i = 0; i < due_.size(); ++i) {  // grows meanwhile
    due_[i]->is_due = false;
    due_[i]->run();
  }
  due_.clear();
}

void ClientConnection::lose_all(Error error) {
  is_leaving_ = is_lost_ = true;
  for (ClientStream* stream = streams_; stream != nullptr; stream = stream->next) stream->lose_connection(error);
}

void ClientConnection::on_turn_end() {
  run_due();
  if (is_open_ && !is_lost_) {
    if (!session_.write(*stream_, most_unsent_bytes) || session_.is_over()) {
      const Error broken{
          .code = Code::malformed, .side = Side::upstream, .what = "the upstream broke a rule of HTTP/2"};
      if (!is_connected_) return fail(broken);
      lose_all(broken);
    } else if (session_.wants_to_write() && stream_->unsent_bytes() > 0) {
      stream_->want_drained();
    }
    run_due();
  }
  sweep();
  tell_owner();
}

void ClientConnection::sweep() {
  for (ClientStream* stream = streams_; stream != nullptr;) {
    ClientStream& one = *std::exchange(stream, stream->next);
    if (!one.is_over() || one.is_due) continue;
    (one.previous != nullptr ? one.previous->next : streams_) = one.next;
    if (one.next != nullptr) one.next->previous = one.previous;
    one.recycle();
    one.next = spare_;
    spare_ = &one;
    --open_;
  }
}

// The last thing: the owner may delete this.
void ClientConnection::tell_owner() {
  if (!is_connected_ || open_ > 0) return;
  if (is_leaving_) return owner_.on_unusable(*this);
  if (!std::exchange(is_idle_told_, true)) owner_.on_idle(*this);
}

}  // namespace sluice::http::h2
