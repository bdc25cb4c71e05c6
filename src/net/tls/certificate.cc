#include "net/tls/certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <string.h>

#include <ctime>
#include <utility>

#include "net/tls/certificate_store.h"
#include "net/tls/held_memory.h"

namespace sluice::net::tls {

// Both kinds of handle are counted by OpenSSL itself, with atomics.
struct Certificate::Opened {
  X509* certificate = nullptr;
  EVP_PKEY* key = nullptr;
  STACK_OF(X509) * chain = sk_X509_new_null();

  Opened() = default;
  Opened(const Opened&) = delete;
  ~Opened() {
    X509_free(certificate);
    EVP_PKEY_free(key);
    sk_X509_pop_free(chain, X509_free);
  }
};

namespace {

struct Block {
  std::string label;
  std::string der;
};

// The blocks of a PEM file, in order; text between them is skipped.
std::vector<Block> read_pem(const std::string& text) {
  std::vector<Block> blocks;
  BIO* const source = BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
  char *label = nullptr, *header = nullptr;
  unsigned char* bytes = nullptr;
  long size = 0;
  while (PEM_read_bio(source, &label, &header, &bytes, &size) == 1) {
    blocks.push_back({label, std::string(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(size))});
    if (header[0] != '\0') blocks.back().label += " (encrypted)";
    OPENSSL_free(label);
    OPENSSL_free(header);
    OPENSSL_clear_free(bytes, static_cast<std::size_t>(size));
  }
  ERR_clear_error();  // the end of the text is one
  BIO_free(source);
  return blocks;
}

std::unexpected<CertificateFault> refuse(bool is_of_key, std::string what, std::string help = "") {
  return std::unexpected(CertificateFault{.is_of_key = is_of_key, .what = std::move(what), .help = std::move(help)});
}

std::string date_of(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm utc{};
  gmtime_r(&time, &utc);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &utc)};
}

std::expected<std::string, CertificateFault> key_of(const std::string& pem) {
  for (Block& block : read_pem(pem)) {
    const bool is_encrypted =
        block.label.find("ENCRYPTED") != std::string::npos || block.label.ends_with("(encrypted)");
    if (is_encrypted)
      return refuse(
          true, "is encrypted, and nobody is there to type a password",
          "`openssl pkey -in FILE -out FILE.plain` writes it in the clear; then let only the gateway read it");
    if (block.label.ends_with("PRIVATE KEY")) return std::move(block.der);
  }
  return refuse(true, "holds no private key in PEM form", "it must have a line `-----BEGIN PRIVATE KEY-----`");
}

X509* x509_of(const std::string& der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  return d2i_X509(nullptr, &at, static_cast<long>(der.size()));
}

}  // namespace

std::expected<std::shared_ptr<const Certificate>, CertificateFault> Certificate::parse(
    CertificateFiles files, const std::string& certificate_pem, const std::string& key_pem,
    std::optional<std::int64_t> now) {
  const std::shared_ptr<Certificate> made(new Certificate);
  made->files_ = std::move(files);
  for (Block& block : read_pem(certificate_pem))
    if (block.label == PEM_STRING_X509 || block.label == PEM_STRING_X509_OLD)
      made->chain_.push_back(std::move(block.der));
  if (made->chain_.empty())
    return refuse(false, "holds no certificate in PEM form", "it must have a line `-----BEGIN CERTIFICATE-----`");
  auto facts = read_certificate(made->chain_.front());
  if (!facts) return refuse(false, "holds a certificate that cannot be read");
  made->facts_ = std::move(*facts);
  if (made->facts_.fault != nullptr) return refuse(false, made->facts_.fault);
  auto key = key_of(key_pem);
  if (!key) return std::unexpected(std::move(key.error()));
  made->key_ = std::move(*key);
  const auto own = find_public_key(made->key_, made->facts_.key_type);
  if (own ? !is_same_public_key(made->facts_.public_key, *own, made->facts_.key_type) : !made->open())
    return refuse(true, "is not the key of the certificate", "the two files must be made from one and the same key");
  if (!now) return made;
  if (made->facts_.not_before > *now)
    return refuse(false, "is not valid before " + date_of(made->facts_.not_before), "look at this machine's clock");
  if (made->facts_.not_after <= *now) {
    auto fault = refuse(false, "expired at " + date_of(made->facts_.not_after), "renew it: no client will accept it");
    fault.error().is_expired = true;
    return fault;
  }
  return made;
}

Certificate::~Certificate() {
  delete opened_.load(std::memory_order_acquire);
  explicit_bzero(key_.data(), key_.size());
}

bool Certificate::open() const {
  if (opened_.load(std::memory_order_acquire) != nullptr) return true;
  const Uncounted uncounted;  // by a worker perhaps, and dropped by the control thread
  auto made = std::make_unique<Opened>();
  made->certificate = x509_of(chain_.front());
  for (std::size_t i = 1; i < chain_.size(); ++i)
    if (X509* const next = x509_of(chain_[i])) sk_X509_push(made->chain, next);
  const auto* at = reinterpret_cast<const unsigned char*>(key_.data());
  made->key = d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(key_.size()));
  const bool is_good =
      made->certificate != nullptr && made->key != nullptr && X509_check_private_key(made->certificate, made->key) == 1;
  ERR_clear_error();
  if (!is_good) return false;
  const Opened* expected = nullptr;
  if (opened_.compare_exchange_strong(expected, made.get(), std::memory_order_acq_rel)) (void)made.release();
  return true;  // another thread was quicker, or not: one is there
}

std::expected<void, CertificateFault> Certificate::check_use(ssl_ctx_st* context) const {
  const std::unique_ptr<SSL, decltype(&SSL_free)> handshake(SSL_new(context), SSL_free);
  ERR_clear_error();
  if (handshake != nullptr && use_for(handshake.get())) return {};
  const unsigned long number = ERR_peek_last_error();
  const char* const reason = number == 0 ? nullptr : ERR_reason_error_string(number);
  ERR_clear_error();
  return refuse(false, std::string("cannot be used: ") + (reason == nullptr ? "not with this key" : reason),
                "have it issued anew with a key of ECDSA P-256, or RSA of 2048 bits or more, and signed with SHA-256");
}

bool Certificate::use_for(ssl_st* handshake) const {
  if (!open()) return false;
  const Opened& opened = *opened_.load(std::memory_order_acquire);
  return SSL_use_cert_and_key(handshake, opened.certificate, opened.key, opened.chain, 1) == 1;
}

bool Certificate::is(const x509_st* chosen) const {
  const Opened* const opened = opened_.load(std::memory_order_acquire);
  return opened != nullptr && opened->certificate == chosen;
}

std::shared_ptr<const Staple> Certificate::staple() const {
  const std::lock_guard guard(mutex_);
  return staple_;
}

std::expected<void, StapleFault> Certificate::load_staple(std::int64_t now) const {
  auto der = CertificateStore::read(files_.ocsp, false);
  if (!der) return std::unexpected(StapleFault{.what = der.error().what, .help = der.error().help});
  return take_staple(std::move(*der), now);
}

std::expected<void, StapleFault> Certificate::take_staple(std::string der, std::int64_t now) const {
  const auto known = staple();
  if (known != nullptr && known->der() == der && known->expires_at() > now) return {};
  auto made = Staple::parse(std::move(der), chain_, now);
  const std::lock_guard guard(mutex_);
  if (!made && made.error().is_revoked) staple_.reset();
  if (!made) return std::unexpected(std::move(made.error()));
  staple_.swap(*made);
  return {};
}

}  // namespace sluice::net::tls
