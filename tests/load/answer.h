#pragma once
// Takes one response off the bytes of a connection, strictly: what a gateway may never send wrongly must not pass.
// What load's upstream sends is `NAME TAG` and dots up to the size that was asked for; what the gateway says by itself
// is a problem body with a `cause`.

#include <cstddef>
#include <string>
#include <string_view>

namespace load {

struct Answer {
  int status = 0;
  bool closes = false;  // Connection: close
  std::string body;
  std::string_view cause;  // into body; empty when the answer is no problem body
};

class AnswerReader {
 public:
  enum class State { more, whole, malformed };

  // Takes `bytes` in. Whole: answer() is set, and bytes beyond it are malformed (nothing is pipelined here).
  State take(std::string_view bytes);
  const Answer& answer() const { return answer_; }
  bool has_begun() const { return !text_.empty(); }
  std::string_view seen() const { return text_; }
  void clear();

 private:
  State take_head(std::size_t end);

  std::string text_;
  std::size_t body_at_ = 0;  // 0: the head is not complete
  std::size_t body_size_ = 0;
  Answer answer_;
};

// The name in the body of an answer to `tag` of `size` bytes; empty when it is not that body.
std::string_view upstream_of(std::string_view body, std::string_view tag, std::size_t size);
// The body that an upstream `name` makes.
std::string body_for(std::string_view name, std::string_view tag, std::size_t size);

}  // namespace load
