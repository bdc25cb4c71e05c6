#pragma once
// One certificate with its chain and its private key, as files gave them. Shared by all threads, and immutable but for
// what its authority says of it, which has a file of its own. What OpenSSL needs for a handshake is made when it is
// first used (about a millisecond), once for all workers.

#include <atomic>
#include <cstdint>
#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "net/tls/der.h"
#include "net/tls/staple.h"

struct ssl_ctx_st;
struct ssl_st;
struct x509_st;

namespace sluice::net::tls {

// Why a pair is refused.
struct CertificateFault {
  bool is_of_key = false;  // the key file is to blame, else the certificate's
  bool is_expired = false;
  std::string what;  // "cannot be read: permission denied"
  std::string help;
};

// Where the two stand, both PEM: the certificate first, then the ones that lead to a root.
struct CertificateFiles {
  std::string certificate;
  std::string key;
  std::string ocsp = {};  // DER, an OCSP response about it; "": none is shown
  auto operator<=>(const CertificateFiles&) const = default;
};

// Of a server it is asked that it names hosts; whom a client's certificate names is between it and the server.
enum class CertificateUse : std::uint8_t { server, client };

class Certificate {
 public:
  // From the bytes of the two files. `now`: seconds since 1970; without it any time of validity is taken.
  //   errors  not PEM, encrypted, a type of key that is not used here, a key of another certificate, not valid yet,
  //           expired. Not whether a client will trust it.
  //   cost    ~15 us; nothing of OpenSSL is built but for a key that does not name its public half
  static std::expected<std::shared_ptr<const Certificate>, CertificateFault> parse(CertificateFiles files,
                                                                                   const std::string& certificate_pem,
                                                                                   const std::string& key_pem,
                                                                                   std::optional<std::int64_t> now);
  Certificate(const Certificate&) = delete;
  ~Certificate();

  const CertificateFiles& files() const { return files_; }
  const std::vector<std::string>& names() const { return facts_.names; }  // DNS names; a client's may have none
  // The first of them, or its file: for messages.
  const std::string& name() const { return names().empty() ? files_.certificate : names().front(); }
  KeyType key_type() const { return facts_.key_type; }
  std::int64_t expires_at() const { return facts_.not_after; }  // seconds since 1970

  // Makes what a handshake needs, if that was not done before. False when OpenSSL cannot use the pair after all.
  bool open() const;
  // Whether handshakes of this context will be able to use it: its security level may ask for more
  // (SSL_CTX_set_security_level(3)).
  //   errors  OpenSSL's reason
  std::expected<void, CertificateFault> check_use(ssl_ctx_st* context) const;
  // Gives it to the handshake. Any thread.
  bool use_for(ssl_st* handshake) const;
  // Whether a handshake that uses this one says so by `chosen`. Any thread.
  bool is(const x509_st* chosen) const;

  // What its authority says of it; null when nothing is known. Any thread, behind a lock: once for each handshake that
  // asks. It may be out of date by now.
  std::shared_ptr<const Staple> staple() const;
  // Reads it anew from its file; on a fault the one before stays. Control thread.
  //   errors  as Staple::parse(); a file that cannot be read
  std::expected<void, StapleFault> load_staple(std::int64_t now) const;
  // The same from bytes.
  std::expected<void, StapleFault> take_staple(std::string der, std::int64_t now) const;
  std::optional<OcspQuestion> ocsp_question() const { return tls::ocsp_question(chain_); }

 private:
  struct Opened;
  Certificate() = default;

  CertificateFiles files_;
  std::vector<std::string> chain_;  // DER, the certificate first
  std::string key_;                 // DER; wiped when dropped
  CertificateFacts facts_;
  mutable std::atomic<const Opened*> opened_{nullptr};
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const Staple> staple_;
};

}  // namespace sluice::net::tls
