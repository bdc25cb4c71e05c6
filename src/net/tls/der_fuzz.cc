// libFuzzer: whatever the bytes, what is read of a certificate or key stands inside them, does not depend on what lies
// behind, and is what OpenSSL reads there, wherever that can read it too.

#include <openssl/x509v3.h>

#include <cstdint>
#include <ctime>
#include <memory>
#include <string>

#include "base/fuzz_input.h"
#include "net/tls/der.h"

namespace {

using namespace sluice;            // NOLINT: a program of its own
using namespace sluice::net::tls;  // NOLINT
using fuzz::require;

bool is_inside(std::string_view part, std::string_view whole) {
  return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

bool is_host_name(std::string_view name) {
  if (name.starts_with("*.")) name.remove_prefix(2);
  return name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-._") == std::string_view::npos;
}

void require_same_time(const ASN1_TIME* theirs, std::int64_t ours) {
  std::tm utc{};
  require(ASN1_TIME_to_tm(theirs, &utc) == 1 && timegm(&utc) == ours, "a time is the one that OpenSSL reads");
}

bool has_one_list_of_names(const X509* theirs) {
  const int first = X509_get_ext_by_NID(theirs, NID_subject_alt_name, -1);
  return first >= 0 && X509_get_ext_by_NID(theirs, NID_subject_alt_name, first) < 0;
}

void require_same(const CertificateFacts& facts, X509* theirs) {
  require_same_time(X509_get0_notBefore(theirs), facts.not_before);
  require_same_time(X509_get0_notAfter(theirs), facts.not_after);
  const ASN1_BIT_STRING* const key = X509_get0_pubkey_bitstr(theirs);
  require(std::string_view(reinterpret_cast<const char*>(ASN1_STRING_get0_data(key)),
                           static_cast<std::size_t>(ASN1_STRING_length(key))) == facts.public_key ||
              (key->flags & 0x07) != 0,  // bits that are not whole bytes: no key that anybody uses
          "a public key is the one that OpenSSL reads");
  auto* const names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(theirs, NID_subject_alt_name, nullptr, nullptr));
  if (names == nullptr || !has_one_list_of_names(theirs)) return GENERAL_NAMES_free(names);
  for (const std::string& name : facts.names)
    if (name.front() != '.' && name.front() != '*')  // those stand for others, by rules that OpenSSL has more of
      require(X509_check_host(theirs, name.c_str(), 0, X509_CHECK_FLAG_NO_WILDCARDS, nullptr) == 1,
              "a name is one that clients find in the certificate");
  GENERAL_NAMES_free(names);
}

void check_certificate(std::string_view der) {
  const auto facts = read_certificate(der);
  if (!facts) return;
  require(is_inside(facts->public_key, der), "a public key stands inside its certificate");
  for (const std::string& name : facts->names) require(!name.empty() && is_host_name(name), "a name is one of a host");
  if (facts->key_type != KeyType::rsa)  // whose private form is another
    require(is_same_public_key(facts->public_key, facts->public_key, facts->key_type), "a key is the same as itself");
  const std::string longer = std::string(der) + "more";
  const auto again = read_certificate(longer);
  require(again && again->names == facts->names && again->not_after == facts->not_after &&
              again->public_key == facts->public_key,
          "what follows does not matter");
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const std::unique_ptr<X509, decltype(&X509_free)> theirs(d2i_X509(nullptr, &at, static_cast<long>(der.size())),
                                                           X509_free);
  if (theirs != nullptr) require_same(*facts, theirs.get());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view der(reinterpret_cast<const char*>(data), size);
  check_certificate(der);
  for (const KeyType type : {KeyType::ecdsa, KeyType::rsa, KeyType::ed25519}) {
    const auto key = find_public_key(der, type);
    require(!key || is_inside(*key, der), "a public key stands inside its private one");
  }
  return 0;
}
