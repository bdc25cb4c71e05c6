#pragma once
// HTTP/2 as the simulated clients and services speak it: one end of a connection without the connection. libnghttp2
// takes frames apart and puts them together, and holds the gateway to the protocol's rules while it does; it is set up
// anew here, and shares no line with the gateway's use of it. Windows are opened by hand: what a stream's owner has not
// consume()d holds its sender back.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "message.h"

struct nghttp2_session;

namespace sluice::sim::h2 {

enum class Code : std::uint32_t { none = 0, internal_error = 2, refused_stream = 7, cancel = 8 };

using Fields = std::vector<std::pair<std::string, std::string>>;

// What one end hears of the other. A stream is named by its number.
class Events {
 public:
  // A field block, pseudo-fields included: a request's head, an interim or final answer's, trailers.
  virtual void on_head(std::int32_t stream, const Head& head) = 0;
  virtual void on_data(std::int32_t stream, std::string_view bytes) = 0;
  virtual void on_last(std::int32_t stream) = 0;               // END_STREAM
  virtual void on_closed(std::int32_t stream, Code code) = 0;  // both sides are done with it, or it was reset
  virtual void on_goaway(std::int32_t last) = 0;
  virtual void on_broken(const char* what) = 0;  // the peer broke a rule
  // At most `most` bytes of the body that is to be sent. None without is_last: asks again after resume().
  virtual std::string next_piece(std::int32_t stream, std::size_t most, bool& is_last) = 0;

 protected:
  ~Events() = default;
};

class Session {
 public:
  enum class Role { client, service };
  struct Settings {
    int window;       // of each stream, for what the peer sends
    int streams = 0;  // that the peer may have at once; 0: nothing is said of it
  };
  Session(Role role, const Settings& settings, Events& events);
  Session(const Session&) = delete;
  ~Session();

  // False: the connection cannot go on.
  bool receive(std::string_view bytes);
  // Whole frames, until `out` has `most` bytes or nothing is due.
  void take_output(std::string& out, std::size_t most);

  std::int32_t open(const Fields& fields, bool has_body);  // a request; 0: no more can be opened here
  void answer(std::int32_t stream, const Fields& fields, bool has_body);
  void interim(std::int32_t stream, const Fields& fields);
  void resume(std::int32_t stream);
  void reset(std::int32_t stream, Code code);
  void consume(std::int32_t stream, std::size_t bytes);  // of the stream; the connection's window is opened at once
  void announce_goaway();                                // that one will come
  void goaway();                                         // with the last stream that came
  bool is_over() const;                                  // nothing is to be read or written any more

 private:
  struct Callbacks;
  Events& events_;
  Head head_;  // of the block that comes
  nghttp2_session* machine_ = nullptr;
};

}  // namespace sluice::sim::h2
