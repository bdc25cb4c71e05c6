#pragma once
// Messages of the sample gRPC service (../greeter.proto) as bytes: the prefix of five bytes that gRPC puts before each
// (flag, length), and the few tags of Protocol Buffers they need, by hand: a library would outweigh the sample.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace demo {

inline constexpr std::size_t message_limit_bytes = 64 * 1024;

// GreetReply, prefix included.
std::string greet_reply(std::string_view greeting, std::string_view instance);

// The name in a GreetRequest (prefix not included); nothing when the bytes are no such message.
std::optional<std::string> requested_name(std::string_view message);

enum class Taken { message, incomplete, malformed };

// Takes the first whole message from `received` and puts it, without its prefix, into `message`. Compressed or longer
// than message_limit_bytes is malformed.
Taken take_message(std::string& received, std::string& message);

}  // namespace demo
