// The only file that sees libnghttp2.
#include "http/h2/session.h"

#include <nghttp2/nghttp2.h>

#include <array>
#include <vector>

namespace sluice::http::h2 {
namespace {

// Larger than most heads; a larger one takes its list from the heap.
constexpr std::size_t usual_fields = 48;
constexpr std::size_t frame_head_bytes = 9;
// DATA so small is a flood when it comes often (a gRPC message has five bytes of prefix at least).
constexpr std::size_t hardly_data_bytes = 4;
// Beyond any honest pace; the budget that counts is ours (glitches.h).
constexpr std::uint64_t unlimited_resets = 1u << 30;
constexpr std::size_t most_outbound_acks = 1000;
// More than a head may hold (`header_total`) and policies may add. Past its own limit, 64 KiB, libnghttp2 would close
// the stream as if the peer had refused it.
constexpr std::size_t most_head_sent_bytes = 8 << 20;
constexpr unsigned first_unknown_type = 10;  // behind CONTINUATION

nghttp2_session* machine_of(void* machine) { return static_cast<nghttp2_session*>(machine); }

const std::uint8_t* octets(std::string_view text) { return reinterpret_cast<const std::uint8_t*>(text.data()); }
std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// libnghttp2's form of a field list; it copies names and values while it takes them.
class NameValues {
 public:
  explicit NameValues(std::span<const HeaderField> fields) : size_(fields.size()) {
    if (size_ > few_.size()) many_.resize(size_);
    for (std::size_t i = 0; i < size_; ++i)
      data()[i] = {const_cast<std::uint8_t*>(octets(fields[i].name)),
                   const_cast<std::uint8_t*>(octets(fields[i].value)), fields[i].name.size(), fields[i].value.size(),
                   NGHTTP2_NV_FLAG_NONE};
  }
  nghttp2_nv* data() { return many_.empty() ? few_.data() : many_.data(); }
  std::size_t size() const { return size_; }

 private:
  std::array<nghttp2_nv, usual_fields> few_;
  std::vector<nghttp2_nv> many_;
  std::size_t size_;
};

}  // namespace

std::string_view oddity_name(Oddity oddity) {
  static constexpr std::string_view names[oddity_count] = {"client_reset",  "server_reset", "control_frame",
                                                           "window_update", "empty_frame",  "refused_stream",
                                                           "field_excess",  "window_stall"};
  return names[static_cast<std::size_t>(oddity)];
}

// The callbacks, and what they need to know of a Session.
struct Session::Adapter {
  static Session& session(void* user) { return *static_cast<Session*>(user); }
  static SessionStream* stream(const Session& session, std::int32_t id) {
    return static_cast<SessionStream*>(nghttp2_session_get_stream_user_data(machine_of(session.machine_), id));
  }

  // ---- memory
  static void* allocate(std::size_t bytes, void* user) {
    return session(user).memory_.allocate(bytes, session(user).held_bytes_);
  }
  static void give_back(void* block, void* user) { session(user).memory_.give_back(block, session(user).held_bytes_); }
  static void* allocate_zeroed(std::size_t count, std::size_t bytes, void* user) {
    void* const block = allocate(count * bytes, user);
    if (block != nullptr) __builtin_memset(block, 0, count * bytes);
    return block;
  }
  static void* reallocate(void* block, std::size_t bytes, void* user) {
    return session(user).memory_.reallocate(block, bytes, session(user).held_bytes_);
  }

  // ---- what comes
  static int on_begin_frame(nghttp2_session*, const nghttp2_frame_hd* head, void* user) {
    Session& self = session(user);
    const bool has_stream = head->type <= NGHTTP2_HEADERS || head->type == NGHTTP2_CONTINUATION;
    self.events_.on_frame(head->length + frame_head_bytes, has_stream ? stream(self, head->stream_id) : nullptr);
    switch (head->type) {
      case NGHTTP2_DATA:
        if (head->length <= hardly_data_bytes && (head->flags & NGHTTP2_FLAG_END_STREAM) == 0)
          self.events_.on_odd(Oddity::empty_frame);
        break;
      case NGHTTP2_HEADERS:
        break;
      case NGHTTP2_CONTINUATION:
        self.events_.on_odd(Oddity::empty_frame);
        break;
      case NGHTTP2_RST_STREAM:
        self.events_.on_odd(Oddity::client_reset);
        break;
      case NGHTTP2_WINDOW_UPDATE:
        self.events_.on_odd(Oddity::window_update);
        break;
      default:
        if ((head->type != NGHTTP2_SETTINGS && head->type != NGHTTP2_PING) || (head->flags & NGHTTP2_FLAG_ACK) == 0)
          self.events_.on_odd(Oddity::control_frame);
    }
    return 0;
  }
  static int on_begin_headers(nghttp2_session* machine, const nghttp2_frame* frame, void* user) {
    Session& self = session(user);
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    SessionStream* known = stream(self, frame->hd.stream_id);
    if (known == nullptr && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      known = self.events_.on_open(frame->hd.stream_id);
      if (known == nullptr) {
        (void)nghttp2_submit_rst_stream(machine, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
        return 0;
      }
      known->id_ = frame->hd.stream_id;
      known->is_reset_ = false;
      (void)nghttp2_session_set_stream_user_data(machine, known->id_, known);
      self.events_.on_frame(frame->hd.length + frame_head_bytes, known);
    }
    if (known != nullptr) self.events_.on_block_begin(*known);
    return 0;
  }
  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                       const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
    Session& self = session(user);
    if (SessionStream* const known = stream(self, frame->hd.stream_id))
      self.events_.on_field(*known, text_of(name, name_size), text_of(value, value_size));
    return 0;
  }
  static int on_frame_recv(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Session& self = session(user);
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
      case NGHTTP2_DATA: {
        SessionStream* const known = stream(self, frame->hd.stream_id);
        if (known == nullptr) return 0;
        const bool is_last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
        if (frame->hd.type == NGHTTP2_HEADERS) self.events_.on_block_end(*known, is_last);
        if (is_last) self.events_.on_last(*known);
        return 0;
      }
      case NGHTTP2_GOAWAY:
        self.events_.on_goaway(frame->goaway.last_stream_id, static_cast<ErrorCode>(frame->goaway.error_code));
        return 0;
      case NGHTTP2_RST_STREAM:
        self.reset_by_peer_ = frame->hd.stream_id;
        return 0;
      case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) self.events_.on_settings();
        return 0;
      default:
        return 0;
    }
  }
  static int on_data_chunk(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data, std::size_t size,
                           void* user) {
    Session& self = session(user);
    if (SessionStream* const known = stream(self, id)) {
      self.events_.on_data(*known, text_of(data, size));
    } else {
      self.consume_connection(size);  // of a stream that its owner gave up
    }
    return 0;
  }
  // Frames of unknown types were counted when they began; nothing else is to be known of them.
  static int drop_extension(nghttp2_session*, void**, const nghttp2_frame_hd*, void*) { return NGHTTP2_ERR_CANCEL; }
  // A stream error: libnghttp2 resets the stream by itself.
  static int on_invalid_frame(nghttp2_session*, const nghttp2_frame* frame, int, void* user) {
    Session& self = session(user);
    if (frame->hd.stream_id == 0) return 0;
    if (SessionStream* const known = stream(self, frame->hd.stream_id)) self.events_.on_malformed(*known);
    return 0;
  }
  static int on_stream_close(nghttp2_session* machine, std::int32_t id, std::uint32_t code, void* user) {
    Session& self = session(user);
    SessionStream* const known = stream(self, id);
    if (known == nullptr) return 0;
    (void)nghttp2_session_set_stream_user_data(machine, id, nullptr);
    self.events_.on_closed(*known, static_cast<ErrorCode>(code), id == self.reset_by_peer_);
    return 0;
  }

  // ---- what goes
  static int on_frame_send(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Session& self = session(user);
    const bool has_stream = frame->hd.type <= NGHTTP2_HEADERS;
    SessionStream* const known = has_stream ? stream(self, frame->hd.stream_id) : nullptr;
    self.events_.on_frame_sent(frame->hd.length + frame_head_bytes, known, frame->hd.type == NGHTTP2_DATA);
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
      switch (frame->rst_stream.error_code) {
        case NGHTTP2_PROTOCOL_ERROR:
        case NGHTTP2_FLOW_CONTROL_ERROR:
        case NGHTTP2_STREAM_CLOSED:
        case NGHTTP2_FRAME_SIZE_ERROR:
          self.events_.on_odd(Oddity::server_reset);
          break;
        case NGHTTP2_REFUSED_STREAM:
          self.events_.on_odd(Oddity::refused_stream);
          break;
        default:
          break;
      }
    }
    if (known != nullptr && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) self.events_.on_sent_last(*known);
    return 0;
  }
  static ssize_t next_piece(nghttp2_session*, std::int32_t, std::uint8_t*, std::size_t most, std::uint32_t* flags,
                            nghttp2_data_source* source, void*) {
    const SessionStream::Piece piece = static_cast<SessionStream*>(source->ptr)->next_piece(most);
    if (piece.bytes == 0 && !piece.is_last) return NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (piece.is_last) *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (piece.has_trailers) *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    return static_cast<ssize_t>(piece.bytes);
  }
  static int send_data(nghttp2_session*, nghttp2_frame* frame, const std::uint8_t* head, std::size_t bytes,
                       nghttp2_data_source* source, void* user) {
    Session& self = session(user);
    // A frame that waited here for room is still due when its stream has been reset meanwhile, and its bytes are gone.
    if (static_cast<SessionStream*>(source->ptr)->is_reset_) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (self.out_->unsent_bytes() >= self.most_unsent_) return NGHTTP2_ERR_WOULDBLOCK;
    self.out_->write(text_of(head, frame_head_bytes));
    static_cast<SessionStream*>(source->ptr)->write_piece(*self.out_, bytes);
    (void)frame;  // never padded
    return 0;
  }

  static nghttp2_data_provider provider(SessionStream& stream) {
    return {.source = {.ptr = &stream}, .read_callback = &next_piece};
  }

  // One of each for all sessions: immutable after they are made.
  static const nghttp2_session_callbacks* callbacks() {
    static const nghttp2_session_callbacks* const made = [] {
      nghttp2_session_callbacks* all = nullptr;
      if (nghttp2_session_callbacks_new(&all) != 0) __builtin_abort();
      nghttp2_session_callbacks_set_on_begin_frame_callback(all, &on_begin_frame);
      nghttp2_session_callbacks_set_on_begin_headers_callback(all, &on_begin_headers);
      nghttp2_session_callbacks_set_on_header_callback(all, &on_header);
      nghttp2_session_callbacks_set_on_frame_recv_callback(all, &on_frame_recv);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(all, &on_data_chunk);
      nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(all, &on_invalid_frame);
      nghttp2_session_callbacks_set_on_stream_close_callback(all, &on_stream_close);
      nghttp2_session_callbacks_set_on_frame_send_callback(all, &on_frame_send);
      nghttp2_session_callbacks_set_send_data_callback(all, &send_data);
      nghttp2_session_callbacks_set_unpack_extension_callback(all, &drop_extension);
      return all;
    }();
    return made;
  }
  static nghttp2_option* make_option(const SessionSettings& settings) {
    nghttp2_option* option = nullptr;
    if (nghttp2_option_new(&option) != 0) __builtin_abort();
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_continuations(option, settings.continuations);
    nghttp2_option_set_max_send_header_block_length(option, most_head_sent_bytes);
    nghttp2_option_set_max_outbound_ack(option, most_outbound_acks);
    nghttp2_option_set_stream_reset_rate_limit(option, unlimited_resets, unlimited_resets);
    for (unsigned type = first_unknown_type; type <= 0xff; ++type)
      nghttp2_option_set_user_recv_extension_type(option, static_cast<std::uint8_t>(type));
    return option;
  }
};

Session::Session(Role role, const SessionSettings& settings, SessionMemory& memory, SessionEvents& events)
    : memory_(memory), events_(events) {
  nghttp2_mem mem{.mem_user_data = this,
                  .malloc = &Adapter::allocate,
                  .free = &Adapter::give_back,
                  .calloc = &Adapter::allocate_zeroed,
                  .realloc = &Adapter::reallocate};
  nghttp2_option* const option = Adapter::make_option(settings);
  nghttp2_session* machine = nullptr;
  const int made = role == Role::server
                       ? nghttp2_session_server_new3(&machine, Adapter::callbacks(), this, option, &mem)
                       : nghttp2_session_client_new3(&machine, Adapter::callbacks(), this, option, &mem);
  nghttp2_option_del(option);
  if (made != 0) __builtin_abort();  // out of memory
  machine_ = machine;

  std::array<nghttp2_settings_entry, 5> entries{{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, settings.concurrent_streams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, settings.stream_window_bytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, settings.header_list_bytes},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
      {role == Role::server ? NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL : NGHTTP2_SETTINGS_ENABLE_PUSH,
       role == Role::server ? 1u : 0u},  // RFC 8441: WebSockets; and push is a client's to refuse
  }};
  (void)nghttp2_submit_settings(machine, NGHTTP2_FLAG_NONE, entries.data(), entries.size());
  (void)nghttp2_session_set_local_window_size(machine, NGHTTP2_FLAG_NONE, 0,
                                              static_cast<std::int32_t>(settings.connection_window_bytes));
}

Session::~Session() { nghttp2_session_del(machine_of(machine_)); }

bool Session::receive(std::string_view bytes) {
  return nghttp2_session_mem_recv(machine_of(machine_), octets(bytes), bytes.size()) ==
         static_cast<ssize_t>(bytes.size());
}

bool Session::write(net::Stream& out, std::size_t most_unsent) {
  out_ = &out;
  most_unsent_ = most_unsent;
  while (out.unsent_bytes() < most_unsent) {
    const std::uint8_t* data = nullptr;
    const ssize_t size = nghttp2_session_mem_send(machine_of(machine_), &data);
    if (size < 0) return false;
    if (size == 0) break;
    out.write(text_of(data, static_cast<std::size_t>(size)));
  }
  return true;
}

bool Session::wants_to_write() const { return nghttp2_session_want_write(machine_of(machine_)) != 0; }

bool Session::is_over() const { return !wants_to_write() && nghttp2_session_want_read(machine_of(machine_)) == 0; }

void Session::submit_interim(SessionStream& stream, std::span<const HeaderField> fields) {
  NameValues values(fields);
  (void)nghttp2_submit_headers(machine_of(machine_), NGHTTP2_FLAG_NONE, stream.id_, nullptr, values.data(),
                               values.size(), nullptr);
}

void Session::submit_response(SessionStream& stream, std::span<const HeaderField> fields, bool has_body) {
  NameValues values(fields);
  const nghttp2_data_provider provider = Adapter::provider(stream);
  (void)nghttp2_submit_response(machine_of(machine_), stream.id_, values.data(), values.size(),
                                has_body ? &provider : nullptr);
}

bool Session::submit_request(SessionStream& stream, std::span<const HeaderField> fields, bool has_body) {
  NameValues values(fields);
  const nghttp2_data_provider provider = Adapter::provider(stream);
  const std::int32_t id = nghttp2_submit_request(machine_of(machine_), nullptr, values.data(), values.size(),
                                                 has_body ? &provider : nullptr, &stream);
  stream.id_ = id > 0 ? id : 0;
  stream.is_reset_ = false;
  return id > 0;
}

void Session::submit_trailers(SessionStream& stream, std::span<const HeaderField> fields) {
  NameValues values(fields);
  (void)nghttp2_submit_trailer(machine_of(machine_), stream.id_, values.data(), values.size());
}

void Session::resume(SessionStream& stream) {
  (void)nghttp2_session_resume_data(machine_of(machine_), stream.id_);  // fails when it was not waiting: as good
}

void Session::reset(SessionStream& stream, ErrorCode code) {
  stream.is_reset_ = true;
  (void)nghttp2_submit_rst_stream(machine_of(machine_), NGHTTP2_FLAG_NONE, stream.id_,
                                  static_cast<std::uint32_t>(code));
}

void Session::consume_stream(SessionStream& stream, std::size_t bytes) {
  (void)nghttp2_session_consume_stream(machine_of(machine_), stream.id_, bytes);
}

void Session::consume_connection(std::size_t bytes) {
  (void)nghttp2_session_consume_connection(machine_of(machine_), bytes);
}

void Session::announce_goaway() { (void)nghttp2_submit_shutdown_notice(machine_of(machine_)); }

void Session::goaway(ErrorCode code) {
  nghttp2_session* const machine = machine_of(machine_);
  (void)nghttp2_submit_goaway(machine, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(machine),
                              static_cast<std::uint32_t>(code), nullptr, 0);
}

void Session::terminate(ErrorCode code) {
  (void)nghttp2_session_terminate_session(machine_of(machine_), static_cast<std::uint32_t>(code));
}

void Session::ping() { (void)nghttp2_submit_ping(machine_of(machine_), NGHTTP2_FLAG_NONE, nullptr); }

bool Session::is_stream_window_shut(const SessionStream& stream) const {
  return nghttp2_session_get_stream_remote_window_size(machine_of(machine_), stream.id_) <= 0;
}

bool Session::is_connection_window_shut() const {
  return nghttp2_session_get_remote_window_size(machine_of(machine_)) <= 0;
}

bool Session::peer_takes_websockets() const {
  return nghttp2_session_get_remote_settings(machine_of(machine_), NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

std::uint32_t Session::peer_concurrent_streams() const {
  return nghttp2_session_get_remote_settings(machine_of(machine_), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

}  // namespace sluice::http::h2
