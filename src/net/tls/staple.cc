#include "net/tls/staple.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <optional>
#include <string_view>
#include <utility>

namespace sluice::net::tls {

namespace {

constexpr std::int64_t clock_skew_s = 300;  // that much ahead of ours the authority's clock may be

template <class Object, void (*release)(Object*)>
struct Freed {
  void operator()(Object* object) const { release(object); }
};
using CertificatePtr = std::unique_ptr<X509, Freed<X509, X509_free>>;
using ResponsePtr = std::unique_ptr<OCSP_RESPONSE, Freed<OCSP_RESPONSE, OCSP_RESPONSE_free>>;
using BasicPtr = std::unique_ptr<OCSP_BASICRESP, Freed<OCSP_BASICRESP, OCSP_BASICRESP_free>>;
using IdPtr = std::unique_ptr<OCSP_CERTID, Freed<OCSP_CERTID, OCSP_CERTID_free>>;
using StorePtr = std::unique_ptr<X509_STORE, Freed<X509_STORE, X509_STORE_free>>;

CertificatePtr certificate_of(const std::string& der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  return CertificatePtr(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
}

// The response proper; null when these bytes are none, or one that says that there is none.
BasicPtr basic_response(const std::string& der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const auto* const end = at + der.size();
  const ResponsePtr response(d2i_OCSP_RESPONSE(nullptr, &at, static_cast<long>(der.size())));
  if (response == nullptr || at != end || OCSP_response_status(response.get()) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
    return nullptr;
  return BasicPtr(OCSP_response_get1_basic(response.get()));
}

// The part about this certificate. By whichever hash the authority has named it.
OCSP_SINGLERESP* find_part(OCSP_BASICRESP* basic, const X509* certificate, const X509* issuer) {
  for (int i = 0; i < OCSP_resp_count(basic); ++i) {
    OCSP_SINGLERESP* const part = OCSP_resp_get0(basic, i);
    auto* const named = const_cast<OCSP_CERTID*>(OCSP_SINGLERESP_get0_id(part));  // which is only read
    ASN1_OBJECT* hash = nullptr;
    OCSP_id_get0_info(nullptr, &hash, nullptr, nullptr, named);
    const EVP_MD* const digest = EVP_get_digestbyobj(hash);
    const IdPtr wanted(digest == nullptr ? nullptr : OCSP_cert_to_id(digest, certificate, issuer));
    if (wanted != nullptr && OCSP_id_cmp(named, wanted.get()) == 0) return part;
  }
  return nullptr;
}

// By the issuer itself, or by somebody with a certificate of its for just that (RFC 6960 section 4.2.2.2).
bool is_signed_by(OCSP_BASICRESP* basic, X509* issuer) {
  const StorePtr store(X509_STORE_new());
  X509_STORE_add_cert(store.get(), issuer);
  X509_STORE_set_flags(store.get(), X509_V_FLAG_PARTIAL_CHAIN);  // it need not be a root
  STACK_OF(X509)* const known = sk_X509_new_null();
  sk_X509_push(known, issuer);
  const bool is_good = OCSP_basic_verify(basic, known, store.get(), 0) == 1;
  sk_X509_free(known);
  return is_good;
}

std::optional<std::int64_t> seconds_of(const ASN1_GENERALIZEDTIME* time) {
  std::tm utc{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &utc) != 1) return std::nullopt;
  return timegm(&utc);
}

std::unexpected<StapleFault> refuse(std::string what, std::string help = "") {
  return std::unexpected(StapleFault{.what = std::move(what), .help = std::move(help)});
}

std::expected<std::int64_t, StapleFault> read_expiry(OCSP_SINGLERESP* part, std::int64_t now) {
  ASN1_GENERALIZEDTIME *begins = nullptr, *ends = nullptr;
  const int standing = OCSP_single_get0_status(part, nullptr, nullptr, &begins, &ends);
  if (standing == V_OCSP_CERTSTATUS_REVOKED) {
    auto fault = refuse("says that the certificate is revoked", "clients must not trust it any more: get another one");
    fault.error().is_revoked = fault.error().comes_with_time = true;
    return fault;
  }
  if (standing != V_OCSP_CERTSTATUS_GOOD) return refuse("says that the authority does not know the certificate");
  const auto from = seconds_of(begins), until = seconds_of(ends);
  if (!from || !until) return refuse("does not say until when it holds (nextUpdate)");
  if (*from > now + clock_skew_s) return refuse("is not valid yet", "look at this machine's clock");
  if (*until > now) return *until;
  auto fault = refuse("is out of date", "fetch a new one: a changed file is taken over without a reload");
  fault.error().is_expired = fault.error().comes_with_time = true;
  return fault;
}

}  // namespace

// SHA-1 names the certificate here and protects nothing; it is what every responder knows (RFC 5019 section 2.1.1).
std::optional<OcspQuestion> ocsp_question(const std::vector<std::string>& chain) {
  // id-ad-ocsp, 1.3.6.1.5.5.7.48.1 (RFC 5280 section 4.2.2.1). A certificate without these bytes names no responder,
  // and is not taken apart to find that out.
  constexpr std::string_view object_id("\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x01", 10);
  if (chain.size() < 2 || chain[0].find(object_id) == std::string::npos) return std::nullopt;
  const CertificatePtr certificate = certificate_of(chain[0]), issuer = certificate_of(chain[1]);
  if (certificate == nullptr || issuer == nullptr) return std::nullopt;
  OcspQuestion question;
  STACK_OF(OPENSSL_STRING)* const urls = X509_get1_ocsp(certificate.get());
  if (urls != nullptr && sk_OPENSSL_STRING_num(urls) > 0) question.url = sk_OPENSSL_STRING_value(urls, 0);
  X509_email_free(urls);
  if (question.url.empty()) return std::nullopt;
  OCSP_REQUEST* const request = OCSP_REQUEST_new();
  OCSP_CERTID* const id = OCSP_cert_to_id(EVP_sha1(), certificate.get(), issuer.get());
  unsigned char* bytes = nullptr;
  if (id != nullptr && OCSP_request_add0_id(request, id) != nullptr) {
    const int size = i2d_OCSP_REQUEST(request, &bytes);
    if (size > 0) question.der.assign(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  } else {
    OCSP_CERTID_free(id);
  }
  OPENSSL_free(bytes);
  OCSP_REQUEST_free(request);
  ERR_clear_error();
  return question.der.empty() ? std::nullopt : std::optional(std::move(question));
}

std::expected<std::shared_ptr<const Staple>, StapleFault> Staple::parse(std::string der,
                                                                        const std::vector<std::string>& chain,
                                                                        std::int64_t now) {
  if (chain.size() < 2)
    return refuse("cannot be verified", "the certificate's file must hold its issuer's certificate behind it");
  const BasicPtr basic = basic_response(der);
  const CertificatePtr certificate = certificate_of(chain[0]), issuer = certificate_of(chain[1]);
  OCSP_SINGLERESP* const part =
      basic == nullptr || !certificate || !issuer ? nullptr : find_part(basic.get(), certificate.get(), issuer.get());
  const bool is_signed = part != nullptr && is_signed_by(basic.get(), issuer.get());
  ERR_clear_error();
  if (basic == nullptr)
    return refuse("holds no successful OCSP response in DER form", "`openssl ocsp ... -respout FILE` writes one");
  if (part == nullptr || !is_signed) {
    auto fault = refuse(part == nullptr ? "is about another certificate" : "is not signed by the certificate's issuer",
                        "after a renewal fetch a new one: a changed file is taken over without a reload");
    fault.error().comes_with_time = part == nullptr;
    return fault;
  }
  const auto expiry = read_expiry(part, now);
  if (!expiry) return std::unexpected(expiry.error());
  return std::shared_ptr<const Staple>(new Staple(std::move(der), *expiry));
}

}  // namespace sluice::net::tls
