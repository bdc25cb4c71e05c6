#include "net/output.h"

#include <algorithm>
#include <cstring>

namespace sluice::net {

char* Output::room(LoopMemory& memory, std::size_t bytes) {
  Segment* last = segments_.last();
  if (segments_.empty() || !last->is_staging || last->bytes.tail_room() < bytes) {
    last = &segments_.push(memory, memory.blocks.take(std::max(bytes, staging_bytes)), true);
  }
  return last->bytes.data() + last->bytes.size();
}

void Output::wrote(std::size_t count) {
  segments_.last()->bytes.extend(count);
  size_ += count;
}

void Output::append(LoopMemory& memory, std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t left =
        segments_.empty() || !segments_.last()->is_staging ? 0 : segments_.last()->bytes.tail_room();
    const std::size_t count = std::min(bytes.size(), left > 0 ? left : BlockPool::block_bytes.back());
    std::memcpy(room(memory, count), bytes.data(), count);
    wrote(count);
    bytes.remove_prefix(count);
  }
}

void Output::append(LoopMemory& memory, Buffer bytes) {
  if (bytes.size() <= copied_bytes) return append(memory, bytes.view());
  size_ += bytes.size();
  segments_.push(memory, std::move(bytes));
}

Output::Gathered Output::gather(std::span<iovec> pieces) const {
  Gathered gathered{0, 0};
  for (Segment* at = segments_.first(); at != nullptr && gathered.pieces < pieces.size(); at = at->next) {
    if (at->bytes.empty()) continue;  // a room() that nothing was written to
    pieces[gathered.pieces++] = {at->bytes.data(), at->bytes.size()};
    gathered.bytes += at->bytes.size();
  }
  return gathered;
}

void Output::drop_front(LoopMemory& memory, std::size_t count) {
  size_ -= count;
  if (size_ == 0) return segments_.clear(memory);
  for (;;) {
    Buffer& front = segments_.first()->bytes;
    const std::size_t step = std::min(count, front.size());
    front.drop_front(step);
    count -= step;
    if (!front.empty()) return;
    (void)segments_.pop(memory);  // sent: the block goes home
  }
}

void Output::clear(LoopMemory& memory) {
  segments_.clear(memory);
  size_ = 0;
}

}  // namespace sluice::net
