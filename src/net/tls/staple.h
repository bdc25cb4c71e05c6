#pragma once
// What an authority says of the standing of one certificate (an OCSP response), shown to clients that ask for it in the
// handshake, so that they need not ask the authority and tell it where they go. Immutable; any thread.
//   source  RFC 6960; RFC 6066 section 8 and RFC 8446 section 4.4.2.1 (stapling)

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sluice::net::tls {

struct StapleFault {
  bool is_expired = false;       // and nothing else
  bool comes_with_time = false;  // a good response once: expired, revoked, or the certificate has been renewed since
  bool is_revoked = false;       // what was said before must not be said any more
  std::string what;              // "is about another certificate"
  std::string help;
};

// What its authority can be asked about a certificate, and where.
struct OcspQuestion {
  std::string url;  // of the responder, as the certificate names it; http nearly always
  std::string
      der;  // an OCSP request (RFC 6960 section 4.1.1) without a nonce, so that responders may answer from a store
};
// `chain`: as for Staple::parse(). Absent where the certificate names no responder, or its issuer is not known.
std::optional<OcspQuestion> ocsp_question(const std::vector<std::string>& chain);

class Staple {
 public:
  // `der`: of the response. `chain`: of the certificate and, second, of who signed it, both DER. `now`: seconds since
  // 1970.
  //   errors  no successful response; about another certificate; another status than good; not signed by the issuer,
  //   nor
  //           by somebody whom that lets; not in its time, or without an end
  //   cost    ~0.2 ms
  static std::expected<std::shared_ptr<const Staple>, StapleFault> parse(std::string der,
                                                                         const std::vector<std::string>& chain,
                                                                         std::int64_t now);
  const std::string& der() const { return der_; }
  std::int64_t expires_at() const {
    return expires_at_;
  }  // its nextUpdate, in seconds since 1970: not shown from then on

 private:
  Staple(std::string der, std::int64_t expires_at) : der_(std::move(der)), expires_at_(expires_at) {}

  const std::string der_;
  const std::int64_t expires_at_;
};

}  // namespace sluice::net::tls
