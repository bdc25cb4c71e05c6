#pragma once
// Names of our own functions from the symbol table of the running binary, hidden ones too: for stacks in the log.

#include <cstdint>
#include <string>
#include <vector>

namespace sluice::control {

class Symbols {
 public:
  // Reads the table of /proc/self/exe. A stripped binary has none: then addresses are all there is.
  Symbols();

  // "sluice::net::EpollLoop::run()+0x1f", "libc.so.6 epoll_wait+0x5e", or "0x7f...". Any thread.
  std::string name(const void* address) const;

 private:
  struct Function {
    std::uintptr_t start;
    std::uintptr_t size;
    const char* name;
  };
  const Function* find(std::uintptr_t offset) const;

  std::vector<char> file_;
  std::vector<Function> functions_;  // by start
};

}  // namespace sluice::control
