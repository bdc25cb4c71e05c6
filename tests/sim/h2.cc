#include "h2.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>

namespace sluice::sim::h2 {
namespace {

std::uint8_t* octets(const std::string& text) {
  return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
}

std::vector<nghttp2_nv> values_of(const Fields& fields) {
  std::vector<nghttp2_nv> values;
  for (const auto& [name, value] : fields)
    values.push_back({octets(name), octets(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
  return values;
}

std::string text_of(const std::uint8_t* data, std::size_t size) { return {reinterpret_cast<const char*>(data), size}; }

}  // namespace

struct Session::Callbacks {
  static Session& session(void* user) { return *static_cast<Session*>(user); }

  static int on_begin_headers(nghttp2_session*, const nghttp2_frame*, void* user) {
    session(user).head_ = {};
    return 0;
  }
  static int on_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name, std::size_t name_size,
                       const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
    session(user).head_.fields.emplace_back(text_of(name, name_size), text_of(value, value_size));
    return 0;
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Session& self = session(user);
    const std::int32_t stream = frame->hd.stream_id;
    if (frame->hd.type == NGHTTP2_GOAWAY) self.events_.on_goaway(frame->goaway.last_stream_id);
    if (frame->hd.type == NGHTTP2_HEADERS) self.events_.on_head(stream, self.head_);
    const bool may_be_last = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (may_be_last && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) self.events_.on_last(stream);
    return 0;
  }
  static int on_data(nghttp2_session* machine, std::uint8_t, std::int32_t stream, const std::uint8_t* data,
                     std::size_t size, void* user) {
    (void)nghttp2_session_consume_connection(machine, size);
    session(user).events_.on_data(stream, text_of(data, size));
    return 0;
  }
  static int on_closed(nghttp2_session*, std::int32_t stream, std::uint32_t code, void* user) {
    session(user).events_.on_closed(stream, static_cast<Code>(code));
    return 0;
  }
  static int on_invalid(nghttp2_session*, const nghttp2_frame*, int error, void* user) {
    session(user).events_.on_broken(nghttp2_strerror(error));
    return 0;
  }
  static ssize_t read_piece(nghttp2_session*, std::int32_t stream, std::uint8_t* out, std::size_t most,
                            std::uint32_t* flags, nghttp2_data_source*, void* user) {
    bool is_last = false;
    const std::string piece = session(user).events_.next_piece(stream, most, is_last);
    if (is_last) *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (piece.empty() && !is_last) return NGHTTP2_ERR_DEFERRED;
    std::ranges::copy(piece, out);
    return static_cast<ssize_t>(piece.size());
  }
  static nghttp2_data_provider provider() { return {.source = {}, .read_callback = &read_piece}; }

  static nghttp2_session_callbacks* make() {
    nghttp2_session_callbacks* all = nullptr;
    if (nghttp2_session_callbacks_new(&all) != 0) std::abort();
    nghttp2_session_callbacks_set_on_begin_headers_callback(all, &on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(all, &on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(all, &on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(all, &on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(all, &on_closed);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(all, &on_invalid);
    return all;
  }
};

Session::Session(Role role, const Settings& settings, Events& events) : events_(events) {
  static nghttp2_session_callbacks* const callbacks = Callbacks::make();
  nghttp2_option* option = nullptr;
  if (nghttp2_option_new(&option) != 0) std::abort();
  nghttp2_option_set_no_auto_window_update(option, 1);
  const int made = role == Role::client ? nghttp2_session_client_new2(&machine_, callbacks, this, option)
                                        : nghttp2_session_server_new2(&machine_, callbacks, this, option);
  nghttp2_option_del(option);
  if (made != 0) std::abort();
  const std::array<nghttp2_settings_entry, 2> entries{
      {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<std::uint32_t>(settings.window)},
       {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, static_cast<std::uint32_t>(settings.streams)}}};
  (void)nghttp2_submit_settings(machine_, NGHTTP2_FLAG_NONE, entries.data(), settings.streams > 0 ? 2 : 1);
}

Session::~Session() { nghttp2_session_del(machine_); }

bool Session::receive(std::string_view bytes) {
  const auto* const data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  return nghttp2_session_mem_recv(machine_, data, bytes.size()) == static_cast<ssize_t>(bytes.size());
}

void Session::take_output(std::string& out, std::size_t most) {
  while (out.size() < most) {
    const std::uint8_t* data = nullptr;
    const ssize_t size = nghttp2_session_mem_send(machine_, &data);
    if (size <= 0) return;
    out += text_of(data, static_cast<std::size_t>(size));
  }
}

std::int32_t Session::open(const Fields& fields, bool has_body) {
  const std::vector<nghttp2_nv> values = values_of(fields);
  const nghttp2_data_provider provider = Callbacks::provider();
  return std::max(
      nghttp2_submit_request(machine_, nullptr, values.data(), values.size(), has_body ? &provider : nullptr, nullptr),
      0);
}

void Session::answer(std::int32_t stream, const Fields& fields, bool has_body) {
  const std::vector<nghttp2_nv> values = values_of(fields);
  const nghttp2_data_provider provider = Callbacks::provider();
  (void)nghttp2_submit_response(machine_, stream, values.data(), values.size(), has_body ? &provider : nullptr);
}

void Session::interim(std::int32_t stream, const Fields& fields) {
  const std::vector<nghttp2_nv> values = values_of(fields);
  (void)nghttp2_submit_headers(machine_, NGHTTP2_FLAG_NONE, stream, nullptr, values.data(), values.size(), nullptr);
}

void Session::resume(std::int32_t stream) { (void)nghttp2_session_resume_data(machine_, stream); }

void Session::reset(std::int32_t stream, Code code) {
  (void)nghttp2_submit_rst_stream(machine_, NGHTTP2_FLAG_NONE, stream, static_cast<std::uint32_t>(code));
}

void Session::consume(std::int32_t stream, std::size_t bytes) {
  (void)nghttp2_session_consume_stream(machine_, stream, bytes);
}

void Session::announce_goaway() { (void)nghttp2_submit_shutdown_notice(machine_); }

void Session::goaway() {
  (void)nghttp2_submit_goaway(machine_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(machine_),
                              NGHTTP2_NO_ERROR, nullptr, 0);
}

bool Session::is_over() const {
  return nghttp2_session_want_read(machine_) == 0 && nghttp2_session_want_write(machine_) == 0;
}

}  // namespace sluice::sim::h2
