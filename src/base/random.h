#pragma once
// Fast random numbers for balancing and jitter. Not for keys, tokens or anything that must not be guessed.
//   source  xoshiro256++ 1.0, Blackman and Vigna 2019 (public domain algorithm); seeding by splitmix64

#include <bit>
#include <cstdint>

namespace sluice {

class Random {
 public:
  // The same seed gives the same numbers.
  explicit Random(std::uint64_t seed) {
    for (std::uint64_t& word : state_) {
      seed += 0x9e3779b97f4a7c15;
      std::uint64_t mixed = seed;
      mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
      mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
      word = mixed ^ (mixed >> 31);
    }
  }

  std::uint64_t next() {
    const std::uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

 private:
  std::uint64_t state_[4];
};

// Eight bytes from the kernel, for seeds. Blocks only before the kernel's own generator is seeded, early at boot.
std::uint64_t kernel_random();

}  // namespace sluice
