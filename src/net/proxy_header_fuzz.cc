// libFuzzer: what a PROXY header says does not depend on how many bytes lie behind it, every shorter piece of an
// accepted one is waited for, and the address of one reads back when it is written.

#include <cstdint>
#include <string>

#include "base/fuzz_input.h"
#include "net/proxy_header.h"

using namespace sluice;       // NOLINT: a program of its own
using namespace sluice::net;  // NOLINT
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto header = read_proxy_header(bytes);
  if (!header || header->bytes == 0) {
    require(header || *header.error().what != '\0', "a refusal has a reason");
    require(!header || size < most_proxy_header_bytes, "nobody waits for ever");
    return 0;
  }
  require(header->bytes <= size && header->bytes <= most_proxy_header_bytes, "no more than there is");
  const auto exact = read_proxy_header(bytes.substr(0, header->bytes));
  require(exact && exact->bytes == header->bytes && exact->source == header->source, "what follows does not matter");
  for (std::size_t less = 0; less < header->bytes; ++less) {
    const auto part = read_proxy_header(bytes.substr(0, less));
    require(part && part->bytes == 0, "a part is waited for");
  }
  if (!header->source) return 0;
  for (const auto version : {ProxyVersion::v1, ProxyVersion::v2}) {
    const std::string written = write_proxy_header(version, *header->source, *header->source);
    const auto back = read_proxy_header(written);
    require(back && back->bytes == written.size() && back->source == header->source, "it reads back");
  }
  return 0;
}
