#include "wire.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/random.h"

namespace sluice::sim {
namespace {

constexpr std::size_t record_bytes = 4'000;  // of what is sent
constexpr long lifetime_s = 90 * 86'400;

Random& openssl_random() {
  static Random random(1);
  return random;
}

int fill(unsigned char* out, int size) {
  for (int i = 0; i < size; ++i) out[i] = static_cast<unsigned char>(openssl_random().next());
  return 1;
}

// A file in memory, by the name that it has for this process.
std::string file_of(void (*write)(BIO*, X509*, EVP_PKEY*), X509* certificate, EVP_PKEY* key) {
  const int descriptor = memfd_create("sim", MFD_CLOEXEC);
  if (descriptor < 0 || fchmod(descriptor, 0600) != 0) std::abort();
  BIO* const file = BIO_new_fd(descriptor, BIO_NOCLOSE);
  write(file, certificate, key);
  BIO_free(file);
  return "/proc/self/fd/" + std::to_string(descriptor);
}

CertificateFiles make_files() {
  EVP_PKEY* const key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  X509* const made = X509_new();
  if (key == nullptr || made == nullptr) std::abort();
  X509_set_version(made, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made), 1);
  X509_gmtime_adj(X509_getm_notBefore(made), -86'400);
  X509_gmtime_adj(X509_getm_notAfter(made), lifetime_s);
  X509_set_pubkey(made, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("sim.example"), -1, -1, 0);
  X509_set_issuer_name(made, X509_get_subject_name(made));
  if (X509_sign(made, key, nullptr) <= 0) std::abort();
  CertificateFiles files{
      .certificate =
          file_of([](BIO* file, X509* certificate, EVP_PKEY*) { PEM_write_bio_X509(file, certificate); }, made, key),
      .key = file_of([](BIO* file, X509*,
                        EVP_PKEY* of) { PEM_write_bio_PrivateKey(file, of, nullptr, nullptr, 0, nullptr, nullptr); },
                     made, key)};
  X509_free(made);
  EVP_PKEY_free(key);
  return files;
}

}  // namespace

const CertificateFiles& certificate_files() {
  static const CertificateFiles files = make_files();
  return files;
}

void seed_openssl(std::uint64_t seed) {
  static const RAND_METHOD ours{
      .seed = nullptr, .bytes = &fill, .cleanup = nullptr, .add = nullptr, .pseudorand = &fill, .status = [] {
        return 1;
      }};
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wdeprecated-declarations"
  (void)RAND_set_rand_method(&ours);
#pragma clang diagnostic pop
  openssl_random() = Random(seed);
}

void Wire::open(int descriptor, std::string_view protocol) {
  forget();
  descriptor_ = descriptor;
  is_open_ = protocol.empty();
  if (is_open_) return;
  context_ = SSL_CTX_new(TLS_client_method());
  session_ = SSL_new(context_);
  SSL_set_bio(session_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  std::string wire(1, static_cast<char>(protocol.size()));
  wire += protocol;
  (void)SSL_set_alpn_protos(session_, reinterpret_cast<const unsigned char*>(wire.data()),
                            static_cast<unsigned>(wire.size()));
  SSL_set_tlsext_host_name(session_, "sim.example");
  SSL_set_connect_state(session_);
}

void Wire::forget() {
  SSL_free(session_);
  SSL_CTX_free(context_);
  session_ = nullptr;
  context_ = nullptr;
  descriptor_ = -1;
  out_.clear();
  is_open_ = is_finishing_ = has_finished_ = false;
  last_ = -EAGAIN;
}

bool Wire::feed() {
  char block[16'384];
  const ssize_t count = network_.receive(descriptor_, block, sizeof block);
  if (count > 0) return BIO_write(SSL_get_rbio(session_), block, static_cast<int>(count)) == count;
  last_ = count;
  return false;
}

bool Wire::flush() {
  char block[16'384];
  for (int got; (got = BIO_read(SSL_get_wbio(session_), block, sizeof block)) > 0;)
    out_.append(block, static_cast<std::size_t>(got));
  while (!out_.empty()) {
    const iovec piece{out_.data(), out_.size()};
    const ssize_t taken = network_.send(descriptor_, std::span(&piece, 1));
    if (taken < 0 && taken != -EAGAIN) {
      has_finished_ = true;
      out_.clear();
    }
    if (taken <= 0) return false;
    out_.erase(0, static_cast<std::size_t>(taken));
  }
  if (is_finishing_ && !std::exchange(has_finished_, true)) network_.shut_down_writing(descriptor_);
  return true;
}

Wire::State Wire::advance() {
  if (session_ == nullptr) return State::open;
  while (!is_open_) {
    ERR_clear_error();
    const int result = SSL_do_handshake(session_);
    is_open_ = result == 1;
    if (is_open_) break;
    if (SSL_get_error(session_, result) != SSL_ERROR_WANT_READ) return State::failed;
    flush();
    if (!feed()) return last_ == -EAGAIN ? State::opening : State::failed;
  }
  flush();
  return State::open;
}

ssize_t Wire::receive(char* out, std::size_t size) {
  if (session_ == nullptr) return network_.receive(descriptor_, out, size);
  for (;;) {
    ERR_clear_error();
    const int count = SSL_read(session_, out, static_cast<int>(size));
    flush();
    if (count > 0) return count;
    switch (SSL_get_error(session_, count)) {
      case SSL_ERROR_ZERO_RETURN:
        return 0;
      case SSL_ERROR_WANT_READ:
        if (!feed()) return end_of_input();
        break;
      default:
        return -EPROTO;
    }
  }
}

// An end without close_notify is none: something may be missing.
ssize_t Wire::end_of_input() const { return last_ == 0 ? -ECONNRESET : last_; }

ssize_t Wire::send(std::string_view bytes) {
  if (session_ == nullptr) {
    const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    return network_.send(descriptor_, std::span(&piece, 1));
  }
  std::size_t taken = 0;
  while (taken < bytes.size()) {  // less than all of it only when the network takes no more: an event follows
    const bool is_blocked = !flush();
    if (has_finished_) return -EPIPE;
    if (is_blocked) return taken > 0 ? static_cast<ssize_t>(taken) : -EAGAIN;
    const std::string_view record = bytes.substr(taken, record_bytes);
    ERR_clear_error();
    if (SSL_write(session_, record.data(), static_cast<int>(record.size())) <= 0) return -EPROTO;
    taken += record.size();
  }
  flush();
  return static_cast<ssize_t>(taken);
}

void Wire::shut_down_writing() {
  if (session_ == nullptr) return network_.shut_down_writing(descriptor_);
  is_finishing_ = true;
  (void)SSL_shutdown(session_);
  flush();
}

}  // namespace sluice::sim
