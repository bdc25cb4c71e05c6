#pragma once
// For tests: makes certificates with their keys, signed by themselves or by another of them.

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <string>
#include <vector>

#include "net/tls/certificate.h"

namespace sluice::net::tls::testing {

struct Pem {
  std::string certificate, key;
};
struct Wish {
  std::vector<std::string> names{"a.example"};
  KeyType type = KeyType::ecdsa;
  long valid_from_s = -3600, valid_to_s = 30 * 86'400;  // from now
  const char* curve = "P-256";
  unsigned rsa_bits = 2048;
  bool has_san = true;
  const char* subject = nullptr;  // its common name; null: the first of `names`
};

inline std::string text_of(BIO* bio) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio, &bytes);
  std::string text(bytes, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

inline Pem make_pem(const Wish& wish = {}) {
  EVP_PKEY* const key = wish.type == KeyType::ecdsa ? EVP_EC_gen(wish.curve)
                        : wish.type == KeyType::rsa ? EVP_RSA_gen(wish.rsa_bits)
                                                    : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  X509* const made = X509_new();
  X509_set_version(made, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made), 7);
  X509_gmtime_adj(X509_getm_notBefore(made), wish.valid_from_s);
  X509_gmtime_adj(X509_getm_notAfter(made), wish.valid_to_s);
  X509_set_pubkey(made, key);
  X509_NAME* const name = X509_get_subject_name(made);
  const std::string first = wish.subject != nullptr ? wish.subject : wish.names.front();
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(first.c_str()), -1, -1,
                             0);
  X509_set_issuer_name(made, name);
  std::string names;
  for (const std::string& one : wish.names) names += (names.empty() ? "DNS:" : ",DNS:") + one;
  if (wish.has_san) {
    X509_EXTENSION* const san = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str());
    X509_add_ext(made, san, -1);
    X509_EXTENSION_free(san);
  }
  EXPECT_GT(X509_sign(made, key, wish.type == KeyType::ed25519 ? nullptr : EVP_sha256()), 0);
  BIO* const certificate = BIO_new(BIO_s_mem());
  BIO* const private_key = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(certificate, made);
  PEM_write_bio_PrivateKey(private_key, key, nullptr, nullptr, 0, nullptr, nullptr);
  X509_free(made);
  EVP_PKEY_free(key);
  return {text_of(certificate), text_of(private_key)};
}

inline std::shared_ptr<const Certificate> make_certificate(const Wish& wish = {}) {
  const Pem pem = make_pem(wish);
  auto made = Certificate::parse({"cert", "key"}, pem.certificate, pem.key, std::nullopt);
  EXPECT_TRUE(made) << (made ? "" : made.error().what);
  return made ? *made : nullptr;
}

}  // namespace sluice::net::tls::testing
