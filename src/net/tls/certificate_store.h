#pragma once
// Reads pairs from files, and finds again what it has read: a file that has not changed is not read twice, however
// often a config is loaded. Control thread only.

#include <map>
#include <memory>
#include <string>

#include "net/tls/certificate.h"

namespace sluice::net::tls {

class CertificateStore {
 public:
  static constexpr std::size_t most_file_bytes = 1 << 20;

  // The pair in these files, as they are now. An expired one is taken when it is in service already, and where
  // `accepts_expired`: then somebody is told, but nobody is helped by a listener that is not there.
  //   errors  as Certificate::parse(); a server's that names no host; a file that cannot be read; a key that everybody
  //           can read
  std::expected<std::shared_ptr<const Certificate>, CertificateFault> load(const CertificateFiles& files,
                                                                           CertificateUse use, std::int64_t now);
  // The bytes of a file.
  //   errors  it cannot be read, or has more than most_file_bytes; where `is_key`: everybody can read it
  static std::expected<std::string, CertificateFault> read(const std::string& path, bool is_key);
  void accept_expired(bool accepts) { accepts_expired_ = accepts; }
  bool accepts_expired() const { return accepts_expired_; }

 private:
  // Of one file: when they are the same, so are its bytes.
  struct Stamp {
    std::uint64_t device = 0, inode = 0;
    std::int64_t size = 0, changed_ns = 0;
    unsigned mode = 0;
    bool operator==(const Stamp&) const = default;
  };
  struct Known {
    Stamp certificate, key;
    std::weak_ptr<const Certificate> made;
  };
  std::expected<std::shared_ptr<const Certificate>, CertificateFault> find_or_read(const CertificateFiles& files,
                                                                                   std::int64_t now);
  static std::expected<Stamp, CertificateFault> look_at(const std::string& path, bool is_key);
  void forget_unused();

  std::map<CertificateFiles, Known> known_;
  std::size_t forget_above_ = 64;  // entries that make forget_unused() worth its while
  bool accepts_expired_ = false;
};

}  // namespace sluice::net::tls
