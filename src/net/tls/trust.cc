#include "net/tls/trust.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <utility>

#include "net/tls/certificate_store.h"

namespace sluice::net::tls {

namespace {

// Calls `take(object)` for each that `read` finds in the text; other blocks are skipped. How many there were; absent
// when one of them cannot be read: half a file may be all that was written yet.
template <class Object, class Take>
std::optional<int> read_each(const std::string& pem, Object* (*read)(BIO*, Object**, pem_password_cb*, void*),
                             Take take) {
  BIO* const source = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  int count = 0;
  for (; Object* const one = read(source, nullptr, nullptr, nullptr); ++count) take(one);
  const unsigned long error = ERR_peek_last_error();  // the end of the text is one
  const bool is_at_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  BIO_free(source);
  return is_at_end ? std::optional(count) : std::nullopt;
}

TrustFault fault_of(bool is_of_revoked, std::string what, std::string help = "") {
  return {.is_of_revoked = is_of_revoked, .what = std::move(what), .help = std::move(help)};
}

// False when authorities of its name are known and none of them has signed it. An authority in between may be unknown
// here: its certificate comes with the client's.
bool may_be_signed(X509_CRL* list, X509_STORE* store) {
  STACK_OF(X509_OBJECT)* const objects = X509_STORE_get0_objects(store);
  bool is_known = false, is_signed = false;
  for (int i = 0; i < sk_X509_OBJECT_num(objects); ++i) {
    X509* const authority = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
    if (authority == nullptr || X509_NAME_cmp(X509_get_subject_name(authority), X509_CRL_get_issuer(list)) != 0)
      continue;
    is_known = true;
    is_signed |= X509_CRL_verify(list, X509_get0_pubkey(authority)) == 1;
  }
  ERR_clear_error();
  return is_signed || !is_known;
}

std::optional<std::int64_t> seconds_of(const ASN1_TIME* time) {
  std::tm utc{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &utc) != 1) return std::nullopt;
  return timegm(&utc);
}

}  // namespace

Trust::Trust() : store_(X509_STORE_new()), names_(sk_X509_NAME_new_null()) {
  if (store_ == nullptr || names_ == nullptr) std::abort();  // out of memory, as everywhere
}

Trust::~Trust() {
  X509_STORE_free(store_);
  sk_X509_NAME_pop_free(names_, X509_NAME_free);
}

std::expected<std::shared_ptr<const Trust>, TrustFault> Trust::parse(TrustFiles files, std::string authorities_pem,
                                                                     std::string revoked_pem) {
  std::shared_ptr<Trust> made(new Trust);
  made->files_ = std::move(files);
  made->authorities_pem_ = std::move(authorities_pem);
  made->revoked_pem_ = std::move(revoked_pem);
  if (auto fault = made->read_authorities()) return std::unexpected(std::move(*fault));
  if (auto fault = made->read_lists()) return std::unexpected(std::move(*fault));
  return made;
}

std::expected<std::shared_ptr<const Trust>, TrustFault> Trust::load(const TrustFiles& files,
                                                                    const std::shared_ptr<const Trust>& known) {
  std::string texts[2];
  for (const bool is_of_revoked : {false, true}) {
    const std::string& file = is_of_revoked ? files.revoked : files.authorities;
    if (file.empty()) continue;
    auto text = CertificateStore::read(file, false);
    if (!text) return std::unexpected(fault_of(is_of_revoked, text.error().what, text.error().help));
    texts[is_of_revoked] = std::move(*text);
  }
  if (known != nullptr && known->authorities_pem_ == texts[0] && known->revoked_pem_ == texts[1]) return known;
  return parse(files, std::move(texts[0]), std::move(texts[1]));
}

std::optional<TrustFault> Trust::read_authorities() {
  if (files_.authorities.empty()) {
    if (X509_STORE_set_default_paths(store_) == 1) return std::nullopt;
    return fault_of(false, "the system's authorities cannot be read");
  }
  const auto count = read_each<X509>(authorities_pem_, PEM_read_bio_X509, [this](X509* one) {
    X509_STORE_add_cert(store_, one);
    sk_X509_NAME_push(names_, X509_NAME_dup(X509_get_subject_name(one)));
    X509_free(one);
  });
  if (!count) return fault_of(false, "holds a certificate that cannot be read");
  if (*count > 0) return std::nullopt;
  return fault_of(false, "holds no certificate in PEM form", "it must have a line `-----BEGIN CERTIFICATE-----`");
}

std::optional<TrustFault> Trust::read_lists() {
  if (files_.revoked.empty()) return std::nullopt;
  bool is_signed = true;
  const auto count = read_each<X509_CRL>(revoked_pem_, PEM_read_bio_X509_CRL, [&](X509_CRL* one) {
    is_signed &= may_be_signed(one, store_);
    if (const auto until = seconds_of(X509_CRL_get0_nextUpdate(one)))
      lists_until_ = std::min(*until, lists_until_.value_or(*until));
    X509_STORE_add_crl(store_, one);
    X509_CRL_free(one);
  });
  if (!count) return fault_of(true, "holds a list of revoked certificates that cannot be read");
  if (*count == 0)
    return fault_of(true, "holds no list of revoked certificates in PEM form",
                    "it must have a line `-----BEGIN X509 CRL-----`");
  if (!is_signed)
    return fault_of(true, "holds a list that was not signed by the authority of its name",
                    "`ca` must be the one that signed it");
  X509_STORE_set_flags(store_, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  return std::nullopt;
}

void Trust::use_for(ssl_st* handshake) const { SSL_set1_verify_cert_store(handshake, store_); }

void Trust::name_authorities(ssl_st* handshake) const { SSL_set0_CA_list(handshake, SSL_dup_CA_list(names_)); }

void forget_trust(ssl_st* handshake) {
  SSL_set0_verify_cert_store(handshake, nullptr);
  SSL_set0_CA_list(handshake, nullptr);  // a bundle's names are many kilobytes, for as long as the connection lives
}

}  // namespace sluice::net::tls
