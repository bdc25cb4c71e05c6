#include "policy/key_digest.h"

#include <openssl/evp.h>

#include <cstdlib>
#include <memory>

namespace sluice::policy {

namespace {

constexpr std::string_view prefix = "sha256:";

// Fetched once: to look it up by name each time would cost more than the digest.
const EVP_MD* sha256() {
  static EVP_MD* const fetched = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return fetched;
}

int hex_value(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

}  // namespace

KeyDigest digest_of_key(std::string_view key) {
  thread_local const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  KeyDigest digest;
  const bool is_done = EVP_DigestInit_ex2(context.get(), sha256(), nullptr) == 1 &&
                       EVP_DigestUpdate(context.get(), key.data(), key.size()) == 1 &&
                       EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) == 1;
  if (!is_done) std::abort();  // out of memory: nobody may be let in by what stood here before
  return digest;
}

std::string KeyHash::text_of(const KeyDigest& digest) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text(prefix);
  for (const unsigned char byte : digest) (text += digits[byte >> 4]) += digits[byte & 15];
  return text;
}

bool KeyHash::read(const config::Node& node, KeyHash& out, config::ReadContext& context) {
  std::string text;
  if (!config::read_text(node, text, context)) return false;
  bool is_good = text.starts_with(prefix) && text.size() == prefix.size() + 2 * out.digest.size();
  for (std::size_t i = 0; is_good && i < out.digest.size(); ++i) {
    const int high = hex_value(text[prefix.size() + 2 * i]), low = hex_value(text[prefix.size() + 2 * i + 1]);
    is_good = high >= 0 && low >= 0;
    out.digest[i] = static_cast<unsigned char>(high << 4 | low);
  }
  if (is_good) return true;
  // It may be the key itself.
  context.diagnostics().conceal(node.place());
  auto& added = context.error(node, "bad_key_hash", "this is no hash of a key");
  added.want = "want sha256: and 64 hex digits, as `sluice key hash` writes it";
  added.help = "of a key only its hash stands in a config: who reads it cannot use it";
  return false;
}

}  // namespace sluice::policy
