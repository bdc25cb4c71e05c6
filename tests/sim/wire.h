#pragma once
// The bytes of a client's connection: as they are, or in records of TLS, whose client's end is OpenSSL with buffers of
// its own. Its calls are those of net::sim::Network, as far as clients use them. TLS here is for the cutting of records
// at every byte, and for ends: its certificate is looked at by the tests of net/tls.
//
// A run can be repeated to the byte with TLS too: OpenSSL draws its random numbers from the scenario's seed
// (seed_openssl()), and the certificate's signatures have one size.

#include <cerrno>
#include <string>
#include <string_view>

#include "net/sim/network.h"

struct ssl_ctx_st;
struct ssl_st;

namespace sluice::sim {

// What a listener's `tls` names.
struct CertificateFiles {
  std::string certificate, key;
};
const CertificateFiles& certificate_files();
void seed_openssl(std::uint64_t seed);

class Wire {
 public:
  explicit Wire(net::sim::Network& network) : network_(network) {}
  Wire(const Wire&) = delete;
  ~Wire() { forget(); }

  // `protocol`: offered by ALPN; empty: no TLS.
  void open(int descriptor, std::string_view protocol);
  enum class State { opening, open, failed };
  // At every event: what waits is sent, and the handshake goes on.
  State advance();
  ssize_t receive(char* out, std::size_t size);
  ssize_t send(std::string_view bytes);
  void shut_down_writing();
  void forget();

 private:
  bool feed();  // what has come, to OpenSSL; false when nothing has
  bool flush();
  ssize_t end_of_input() const;

  net::sim::Network& network_;
  int descriptor_ = -1;
  ssl_ctx_st* context_ = nullptr;
  ssl_st* session_ = nullptr;
  std::string out_;  // records to be sent
  bool is_open_ = false, is_finishing_ = false, has_finished_ = false;
  ssize_t last_ = -EAGAIN;  // of the network: why no more came
};

}  // namespace sluice::sim
