#pragma once
// Whose certificates are believed: authorities and, perhaps, lists of what they have revoked, as two files gave them.
// Immutable and shared by all threads; a file that changes makes another one.

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>

struct ssl_st;
struct stack_st_X509_NAME;
struct x509_store_st;

namespace sluice::net::tls {

// Both PEM.
struct TrustFiles {
  std::string authorities;  // "": those that the system trusts
  std::string revoked;      // lists of revoked certificates; "": none are looked at
};

// Why a file is refused.
struct TrustFault {
  bool is_of_revoked = false;  // that file is to blame, else the authorities'
  std::string what;            // "holds no certificate in PEM form"
  std::string help;
};

class Trust {
 public:
  // From the bytes of the files.
  //   errors  no PEM, or something in it that cannot be read; a list that the authority of its name has not signed; no
  //           authorities of the system. Not a list that is out of date: nobody is believed then.
  //   cost    ~50 us an authority
  static std::expected<std::shared_ptr<const Trust>, TrustFault> parse(TrustFiles files, std::string authorities_pem,
                                                                       std::string revoked_pem);
  // The same from the files as they are now. `known` itself, where nothing has changed; may be null. Control thread.
  //   errors  also a file that cannot be read
  static std::expected<std::shared_ptr<const Trust>, TrustFault> load(const TrustFiles& files,
                                                                      const std::shared_ptr<const Trust>& known);
  Trust(const Trust&) = delete;
  ~Trust();

  const TrustFiles& files() const { return files_; }
  // When the first of the lists goes out of date, in seconds since 1970; absent without lists, or where none says.
  std::optional<std::int64_t> lists_until() const { return lists_until_; }

  // ---- any thread. OpenSSL counts itself who holds what is inside: hold this one until forget_trust().
  void use_for(ssl_st* handshake) const;
  // Names the authorities to a client, so that it knows which certificate to show (RFC 8446 section 4.2.4).
  void name_authorities(ssl_st* handshake) const;

 private:
  Trust();
  std::optional<TrustFault> read_authorities();
  std::optional<TrustFault> read_lists();

  TrustFiles files_;
  std::string authorities_pem_, revoked_pem_;  // to be compared with
  std::optional<std::int64_t> lists_until_;
  x509_store_st* store_;
  stack_st_X509_NAME* names_;
};

// The handshake is done: it looks at no certificate any more.
void forget_trust(ssl_st* handshake);

}  // namespace sluice::net::tls
