#include "grpc.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include "connection.h"
#include "grpc_message.h"

namespace demo {
namespace {

constexpr std::uint32_t most_streams = 100;
constexpr std::size_t unsent_limit_bytes = 1 << 20;  // one who asks without reading is ended
enum class Status { ok = 0, invalid_argument = 3, resource_exhausted = 8, unimplemented = 12 };  // of gRPC

struct Call {
  std::string path, received, unsent;
  std::vector<std::string> names;
  Status status = Status::ok;
  bool has_all_received = false, is_finished = false;
};

class Session {
 public:
  Session(int descriptor, const std::string& name);
  ~Session() { nghttp2_session_del(session_); }
  void run();

 private:
  static Session& of(void* user) { return *static_cast<Session*>(user); }
  Call* call(std::int32_t stream);
  void begin(std::int32_t stream);
  void on_data(std::int32_t stream, std::string_view bytes);
  void on_end(std::int32_t stream);
  void greet(std::int32_t stream, Call& call, const std::string& whom);
  void finish(std::int32_t stream, Call& call, Status status);
  ssize_t read(std::int32_t stream, std::uint8_t* out, std::size_t room, std::uint32_t* flags);
  void end_with_status(std::int32_t stream, Status status);
  bool flush();
  static void set_callbacks(nghttp2_session_callbacks* callbacks);

  Connection connection_;
  const std::string& name_;
  nghttp2_session* session_ = nullptr;
  std::map<std::int32_t, Call> calls_;
};

nghttp2_nv field(const std::string& name, const std::string& value) {
  const auto bytes = [](const std::string& text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));  // nghttp2 copies, and reads only
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

Session::Session(int descriptor, const std::string& name) : connection_(descriptor), name_(name) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  set_callbacks(callbacks);
  nghttp2_session_server_new(&session_, callbacks, this);
  nghttp2_session_callbacks_del(callbacks);
  const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, most_streams}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, 1);
}

void Session::set_callbacks(nghttp2_session_callbacks* callbacks) {
  nghttp2_session_callbacks_set_on_header_callback(
      callbacks, [](nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                    const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
        const std::string_view key(reinterpret_cast<const char*>(name), name_size);
        if (key == ":path")
          of(user).calls_[frame->hd.stream_id].path.assign(reinterpret_cast<const char*>(value), value_size);
        return 0;
      });
  nghttp2_session_callbacks_set_on_frame_recv_callback(
      callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
        const auto stream = frame->hd.stream_id;
        if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) of(user).begin(stream);
        if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) of(user).on_end(stream);
        return 0;
      });
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
      callbacks,
      [](nghttp2_session*, std::uint8_t, std::int32_t stream, const std::uint8_t* bytes, std::size_t size, void* user) {
        of(user).on_data(stream, {reinterpret_cast<const char*>(bytes), size});
        return 0;
      });
  nghttp2_session_callbacks_set_on_stream_close_callback(
      callbacks, [](nghttp2_session*, std::int32_t stream, std::uint32_t, void* user) {
        of(user).calls_.erase(stream);
        return 0;
      });
}

Call* Session::call(std::int32_t stream) {
  const auto found = calls_.find(stream);
  return found == calls_.end() ? nullptr : &found->second;
}

void Session::begin(std::int32_t stream) {
  Call& call = calls_[stream];
  const std::string status = ":status", ok = "200", type = "content-type", grpc = "application/grpc";
  const std::string by = "x-served-by";
  const nghttp2_nv head[] = {field(status, ok), field(type, grpc), field(by, name_)};
  nghttp2_data_provider body{};
  body.read_callback = [](nghttp2_session*, std::int32_t id, std::uint8_t* out, std::size_t room, std::uint32_t* flags,
                          nghttp2_data_source*, void* user) { return of(user).read(id, out, room, flags); };
  nghttp2_submit_response(session_, stream, head, std::size(head), &body);
  static constexpr std::string_view known[] = {"/demo.Greeter/Greet", "/demo.Greeter/GreetThrice",
                                               "/demo.Greeter/GreetAll", "/demo.Greeter/GreetEach"};
  if (std::ranges::find(known, call.path) == std::end(known)) finish(stream, call, Status::unimplemented);
}

void Session::on_data(std::int32_t stream, std::string_view bytes) {
  Call* call = this->call(stream);
  if (call == nullptr || call->is_finished) return;
  call->received += bytes;
  std::string message;
  Taken taken = Taken::incomplete;
  while ((taken = take_message(call->received, message)) == Taken::message) {
    const auto name = requested_name(message);
    if (!name) return finish(stream, *call, Status::invalid_argument);
    if (call->path.ends_with("/GreetEach")) {
      greet(stream, *call, *name);
    } else if (call->names.size() < 100) {
      call->names.push_back(*name);
    }
  }
  if (taken == Taken::malformed) finish(stream, *call, Status::invalid_argument);
}

void Session::on_end(std::int32_t stream) {
  Call* call = this->call(stream);
  if (call == nullptr || call->is_finished) return;
  std::string all;
  for (const auto& name : call->names) all += (all.empty() ? "" : ", ") + name;
  const int times = call->path.ends_with("/GreetEach") ? 0 : call->path.ends_with("/GreetThrice") ? 3 : 1;
  for (int i = 0; i < times; ++i) greet(stream, *call, all);
  if (!call->is_finished) finish(stream, *call, call->received.empty() ? Status::ok : Status::invalid_argument);
}

void Session::greet(std::int32_t stream, Call& call, const std::string& whom) {
  if (call.is_finished) return;
  if (call.unsent.size() > unsent_limit_bytes) return finish(stream, call, Status::resource_exhausted);
  call.unsent += greet_reply("hello, " + whom, name_);
  nghttp2_session_resume_data(session_, stream);
}

void Session::finish(std::int32_t stream, Call& call, Status status) {
  call.is_finished = true;
  call.status = status;
  call.received.clear();
  nghttp2_session_resume_data(session_, stream);
}

ssize_t Session::read(std::int32_t stream, std::uint8_t* out, std::size_t room, std::uint32_t* flags) {
  Call* call = this->call(stream);
  if (call == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  const std::size_t count = std::min(room, call->unsent.size());
  if (count == 0 && !call->is_finished) return NGHTTP2_ERR_DEFERRED;
  std::copy_n(call->unsent.data(), count, out);
  call->unsent.erase(0, count);
  if (call->unsent.empty() && call->is_finished) {
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    end_with_status(stream, call->status);
  }
  return static_cast<ssize_t>(count);
}

void Session::end_with_status(std::int32_t stream, Status status) {
  const std::string name = "grpc-status", value = std::to_string(static_cast<int>(status));
  const nghttp2_nv trailer = field(name, value);
  nghttp2_submit_trailer(session_, stream, &trailer, 1);
}

bool Session::flush() {
  for (;;) {
    const std::uint8_t* bytes = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &bytes);
    if (size < 0) return false;
    if (size == 0) return true;
    if (!connection_.send({reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)})) return false;
  }
}

void Session::run() {
  while (flush() && (nghttp2_session_want_read(session_) != 0 || nghttp2_session_want_write(session_) != 0)) {
    if (!connection_.receive()) return;
    const auto bytes = connection_.pending();
    const ssize_t taken =
        nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    if (taken < 0) {
      (void)flush();  // the GOAWAY that says why
      return;
    }
    connection_.consume(static_cast<std::size_t>(taken));
  }
}

}  // namespace

void serve_grpc(int descriptor, const std::string& name) { Session(descriptor, name).run(); }

}  // namespace demo
