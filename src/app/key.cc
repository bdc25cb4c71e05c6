#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include "app/commands.h"
#include "control/exit_code.h"
#include "policy/key_digest.h"

namespace sluice::app {

namespace {

constexpr std::size_t random_bytes = 32;      // nobody guesses 256 bits
constexpr std::size_t least_key_bytes = 16;   // what is hashed without salt must not be in anybody's list
constexpr std::size_t most_key_bytes = 1024;  // api_key takes no longer ones
constexpr std::string_view prefix = "slk_";   // so that scanners of repositories know what they have found

// RFC 4648 section 5, without padding.
std::string base64url(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  unsigned held = 0;
  int bits = 0;
  for (const char byte : bytes) {
    held = held << 8 | static_cast<unsigned char>(byte);
    for (bits += 8; bits >= 6; bits -= 6) text += digits[held >> (bits - 6) & 63];
  }
  if (bits > 0) text += digits[held << (6 - bits) & 63];
  return text;
}

std::string hash_of(std::string_view key) { return policy::KeyHash::text_of(policy::digest_of_key(key)); }

}  // namespace

int key_new() {
  std::array<char, random_bytes> bytes;
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    std::fprintf(stderr, "sluice: the kernel gives no random bytes: %s\n", std::strerror(errno));
    return control::exit_start;
  }
  const std::string key = std::string(prefix) + base64url({bytes.data(), bytes.size()});
  std::printf("key:  %s\nhash: %s\n", key.c_str(), hash_of(key).c_str());
  std::fflush(stdout);
  std::fputs("The client gets the key, the config the hash (consumers.NAME.api_keys). The key is shown this once.\n",
             stderr);
  return control::exit_ok;
}

int key_hash() {
  if (::isatty(STDIN_FILENO) != 0) std::fputs("the key, then Enter: ", stderr);
  std::string key;
  for (int c = std::getchar(); c != EOF && c != '\n' && key.size() <= most_key_bytes; c = std::getchar())
    key += static_cast<char>(c);
  if (!key.empty() && key.back() == '\r') key.pop_back();
  if (key.size() < least_key_bytes || key.size() > most_key_bytes) {
    std::fprintf(stderr,
                 "sluice: a key has %zu to %zu characters, this one has %s%zu; `sluice key new` makes a good one\n",
                 least_key_bytes, most_key_bytes, key.size() > most_key_bytes ? "more than " : "",
                 key.size() > most_key_bytes ? most_key_bytes : key.size());
    return control::exit_usage;
  }
  std::printf("%s\n", hash_of(key).c_str());
  return control::exit_ok;
}

}  // namespace sluice::app
