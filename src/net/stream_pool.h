#pragma once
// The streams of a loop: constructed once, in chunks, used again and again. Never given back to the heap before the
// loop ends; whatever is still open then is closed by the streams' destructors.

#include <deque>
#include <vector>

namespace sluice::net {

template <class Stream, class Loop>
class StreamPool {
 public:
  Stream& take(Loop& loop) {
    if (free_.empty()) return all_.emplace_back(loop);
    Stream* const stream = free_.back();
    free_.pop_back();
    return *stream;
  }
  void give_back(Stream& stream) { free_.push_back(&stream); }
  std::size_t in_use() const { return all_.size() - free_.size(); }

 private:
  std::deque<Stream> all_;  // addresses stay
  std::vector<Stream*> free_;
};

}  // namespace sluice::net
