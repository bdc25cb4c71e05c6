#pragma once
// The certificates of one listener, found by the name that a client asks for. Immutable; any thread.

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "net/tls/certificate.h"

namespace sluice::net::tls {

class CertificateTable {
 public:
  using List = std::vector<std::shared_ptr<const Certificate>>;
  // At most one for each type of key: the handshake takes what the client can verify.
  using Choice = std::array<const Certificate*, key_types>;

  // In the order of the config: the first is for who asks for no name, or for an unknown one. Where several have one
  // name and one type of key, the first has it.
  explicit CertificateTable(List certificates);

  // `name` in lower case. The exact name before `*.` one label higher (RFC 9525 section 6.3).
  //   cost  one or two look-ups, however many there are
  const Choice& find(std::string_view name) const;
  const List& certificates() const { return certificates_; }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  const Choice* find_name(std::string_view name) const;

  List certificates_;
  std::unordered_map<std::string, Choice, Hash, std::equal_to<>> by_name_;  // "*.example.com" as it is
  Choice first_{};
};

}  // namespace sluice::net::tls
