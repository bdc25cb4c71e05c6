#pragma once
// One end of the pair of sockets between the supervisor and a gateway process. A message is one datagram of text, words
// separated by blanks, with descriptors beside it. Either side may be older than the other: unknown words are ignored,
// known ones keep their meaning for ever.
//
//   gateway to supervisor
//     hello PROTOCOL STATE VERSION   first of all. STATE: the form of handed-over state that this binary reads
//     listen COUNT SHARING KEY ADDRESS   answered by `sockets TOTAL` (repeated until TOTAL descriptors have come) or
//                                        `refused TEXT`
//     release KEY...                 these are not listened on any more; answered by `released`
//     active HASH                    a config has come into force; its text is the descriptor
//     ready                          it serves
//     beat                           twice a second, whatever else it does
//     replace TEXT                   it cannot go on for long: start another, then tell this one to drain
//     draining MS                    it takes nothing new and ends within that time
//   supervisor to gateway
//     start CHOICE TEXT              the answer to hello: which config to begin with, and why (StartOrder)
//     sockets, refused, released     see above
//     proven                         the config in force has run long enough to be called good
//     counts CRASHES STUCK UPGRADES FAILED REPLACED FALLEN   for the metrics (SupervisorCounts)
//     drain                          another process serves now

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/descriptor.h"

namespace sluice::control {

inline constexpr int channel_protocol = 1;

struct Message {
  std::string text;
  std::vector<Descriptor> descriptors;
};

class Channel {
 public:
  enum class Received : unsigned char { message, nothing, closed };
  static constexpr std::size_t most_bytes = 64 * 1024;
  static constexpr std::size_t most_descriptors = 128;  // the kernel takes 253

  explicit Channel(Descriptor socket) : socket_(std::move(socket)) {}
  // errors: errno
  static std::expected<std::pair<Channel, Channel>, int> make_pair();

  // Never waits. False when the other side is gone, or has not read for so long that there is no room.
  bool send(std::string_view text, std::span<const int> descriptors = {}) const;
  // Never waits. What arrives is closed on exec.
  Received receive(Message& message) const;
  int descriptor() const { return socket_.number(); }

 private:
  Descriptor socket_;
};

// Takes the first word off `text`; empty when there is none.
std::string_view take_word(std::string_view& text);
// Takes a word that is a decimal number in the range. False when it is not.
bool take_number(std::string_view& text, long long low, long long high, long long& number);

}  // namespace sluice::control
