#pragma once
// HTTP/1.1 as the simulated clients and services read it: a second reading, strict, that shares no line of code with
// the gateway's. And what they send: bodies whose every byte follows from the exchange's tag.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::sim {

enum class Side : int { request, answer };

// Byte `offset` of the body of exchange `tag`.
constexpr char body_byte(int tag, Side side, std::size_t offset) {
  return static_cast<char>('a' + (offset * 7 + (offset >> 5) + (offset >> 11) * 3 + static_cast<std::size_t>(tag) * 11 +
                                  (side == Side::request ? 0 : 5)) %
                                     26);
}
std::string body_of(int tag, Side side, std::size_t from, std::size_t count);

struct Head {
  std::string start;
  std::vector<std::pair<std::string, std::string>> fields;
  const std::string* find(std::string_view name) const;  // null when absent
  bool says(std::string_view name, std::string_view value) const;
};

class MessageReader {
 public:
  enum class Found { nothing, head, body, end, broken };
  enum class Framing { none, length, chunked, until_close };

  void feed(std::string_view bytes) { input_ += bytes; }
  // What comes next of what was fed. After `head` the owner says how the body is framed; `end` comes once per message,
  // and the next one may follow.
  Found next();
  void start_body(Framing framing, std::size_t length);
  // By the fields of `head`; none or until_close when they say nothing. False when they contradict each other.
  bool start_body_by_fields(bool is_answer);
  bool ends_by_close() const { return state_ == State::until_close; }
  bool is_between_messages() const { return state_ == State::head && input_.empty(); }
  bool is_in_head() const { return state_ == State::head; }
  // What was fed and not read: no messages follow, another protocol does.
  std::string take_rest() {
    consumed += input_.size();
    return std::exchange(input_, {});
  }

  Head head;
  std::string body;             // the piece found last
  std::size_t body_offset = 0;  // of that piece
  const char* what = "";        // is broken
  std::uint64_t consumed = 0;   // bytes of the stream read so far

 private:
  enum class State { head, length, chunk_size, chunk_data, chunk_end, trailers, until_close, end };
  Found fail(const char* why) {
    what = why;
    return Found::broken;
  }
  Found read_head();
  Found take_data();
  bool take_line(std::string& line);
  Found read_chunk_size();

  std::string input_;
  State state_ = State::head;
  std::size_t left_ = 0, body_total_ = 0;
};

}  // namespace sluice::sim
