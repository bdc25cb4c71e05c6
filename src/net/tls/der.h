#pragma once
// Reads the few things that must be known of each certificate and key when a config is loaded, without building the
// objects that OpenSSL needs for a handshake: those cost a quarter of a millisecond for each certificate and more for
// each key, which ten thousand of them would make seconds of. Reads only; nothing is believed that OpenSSL does not
// check again when a pair is first used.
//   source  X.690 (DER), RFC 5280 section 4.1, RFC 5208, RFC 5915, RFC 8017 appendix A.1

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::net::tls {

enum class KeyType : std::uint8_t { ecdsa, rsa, ed25519 };
inline constexpr std::size_t key_types = 3;
const char* key_type_name(KeyType type);  // "ecdsa"

struct CertificateFacts {
  std::vector<std::string> names;  // DNS names of the SAN, in lower case; where it has none: the subject's common name
  std::int64_t not_before = 0;     // seconds since 1970
  std::int64_t not_after = 0;
  KeyType key_type = KeyType::ecdsa;
  std::string_view public_key;  // as it stands in the certificate; a view into it
  const char* fault = nullptr;  // "has an RSA key of less than 2048 bits": why it cannot be used
};
// Absent when these bytes are no certificate.
std::optional<CertificateFacts> read_certificate(std::string_view der);

// The public key inside a private one, to be compared with the certificate's. Absent when it does not say, or is in a
// form that only OpenSSL reads.
std::optional<std::string_view> find_public_key(std::string_view private_key_der, KeyType type);
bool is_same_public_key(std::string_view of_certificate, std::string_view of_key, KeyType type);

}  // namespace sluice::net::tls
