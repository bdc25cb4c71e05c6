#include "net/uring/receive_blocks.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

namespace sluice::net {
namespace {

constexpr std::size_t ring_bytes = ReceiveBlocks::blocks * sizeof(io_uring_buf);
constexpr std::size_t memory_bytes = std::size_t{ReceiveBlocks::blocks} * ReceiveBlocks::block_bytes;

void* map(std::size_t bytes) {
  return mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

}  // namespace

ReceiveBlocks::~ReceiveBlocks() {
  if (ring_ != nullptr) munmap(ring_, ring_bytes);
  if (memory_ != nullptr) munmap(memory_, memory_bytes);
}

Result<int> ReceiveBlocks::open(const Ring& ring) {
  void* const entries = map(ring_bytes);
  void* const memory = map(memory_bytes);
  if (entries != MAP_FAILED) ring_ = static_cast<io_uring_buf*>(entries);
  if (memory != MAP_FAILED) memory_ = static_cast<char*>(memory);
  if (ring_ == nullptr || memory_ == nullptr) return fail(Code::unsupported, Side::gateway, "mmap of receive blocks");
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uint64_t>(ring_);
  registration.ring_entries = blocks;
  registration.bgid = group;
  if (syscall(__NR_io_uring_register, ring.descriptor(), IORING_REGISTER_PBUF_RING, &registration, 1) < 0) {
    return fail(Code::unsupported, Side::gateway, "io_uring_register: a ring of provided buffers");
  }
  for (unsigned i = 0; i < blocks; ++i) offer(i);
  return 0;
}

void ReceiveBlocks::offer(unsigned block) {
  io_uring_buf& entry = ring_[tail_ & (blocks - 1)];
  entry.addr = reinterpret_cast<std::uint64_t>(memory_ + std::size_t{block} * block_bytes);
  entry.len = block_bytes;
  entry.bid = static_cast<std::uint16_t>(block);
  __atomic_store_n(&ring_[0].resv, ++tail_, __ATOMIC_RELEASE);
}

Buffer ReceiveBlocks::lend(unsigned block, std::size_t size, BlockPool& heap) {
  Buffer lent(*this, memory_ + std::size_t{block} * block_bytes, block_bytes, block);
  lent.set_size(size);
  if (++lent_ <= blocks / 2) return lent;
  Buffer copy = heap.take(size);
  std::memcpy(copy.block(), lent.data(), size);
  copy.set_size(size);
  return copy;
}

void ReceiveBlocks::give_back(char*, std::uint32_t, std::uint32_t token) {
  --lent_;
  offer(token);
}

}  // namespace sluice::net
