#include "net/tls/certificate_store.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace sluice::net::tls {

namespace {

std::unexpected<CertificateFault> unreadable(bool is_key, int number) {
  return std::unexpected(
      CertificateFault{.is_of_key = is_key,
                       .what = std::string("cannot be read: ") + strerrordesc_np(number),
                       .help = "the path is relative to the folder in which the gateway was started, or absolute; the "
                               "user that the gateway becomes must be able to read it"});
}

}  // namespace

std::expected<CertificateStore::Stamp, CertificateFault> CertificateStore::look_at(const std::string& path,
                                                                                   bool is_key) {
  struct stat facts{};
  if (::stat(path.c_str(), &facts) != 0) return unreadable(is_key, errno);
  if (!S_ISREG(facts.st_mode)) return unreadable(is_key, S_ISDIR(facts.st_mode) ? EISDIR : EINVAL);
  if (is_key && (facts.st_mode & S_IROTH) != 0)
    return std::unexpected(CertificateFault{.is_of_key = true,
                                            .what = "can be read by everybody on this machine",
                                            .help = "`chmod o-r` it: who has the key can be the server"});
  return Stamp{.device = facts.st_dev,
               .inode = facts.st_ino,
               .size = facts.st_size,
               .changed_ns = facts.st_mtim.tv_sec * 1'000'000'000 + facts.st_mtim.tv_nsec,
               .mode = facts.st_mode};
}

std::expected<std::string, CertificateFault> CertificateStore::read(const std::string& path, bool is_key) {
  if (is_key)
    if (const auto seen = look_at(path, true); !seen) return std::unexpected(seen.error());
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe must not wait
  if (descriptor < 0) return unreadable(is_key, errno);
  std::string text(16 * 1024, '\0');
  std::size_t size = 0;
  ssize_t got = 0;
  while ((got = ::read(descriptor, text.data() + size, text.size() - size)) > 0 || (got < 0 && errno == EINTR)) {
    size += static_cast<std::size_t>(std::max<ssize_t>(got, 0));
    if (size == text.size()) text.resize(2 * size);
    if (size > most_file_bytes) {
      got = -1;
      errno = EFBIG;
      break;
    }
  }
  const int number = errno;
  ::close(descriptor);
  if (got < 0) return unreadable(is_key, number);
  text.resize(size);
  return text;
}

std::expected<std::shared_ptr<const Certificate>, CertificateFault> CertificateStore::load(
    const CertificateFiles& files, CertificateUse use, std::int64_t now) {
  auto found = find_or_read(files, now);
  if (found && use == CertificateUse::server && (*found)->names().empty())
    return std::unexpected(CertificateFault{
        .what = "names no host", .help = "a server's certificate needs a DNS name as subject alternative name"});
  return found;
}

std::expected<std::shared_ptr<const Certificate>, CertificateFault> CertificateStore::find_or_read(
    const CertificateFiles& files, std::int64_t now) {
  const auto certificate = look_at(files.certificate, false);
  if (!certificate) return std::unexpected(certificate.error());
  const auto key = look_at(files.key, true);
  if (!key) return std::unexpected(key.error());
  if (known_.size() > forget_above_) forget_unused();
  Known& known = known_[files];
  if (known.certificate == *certificate && known.key == *key)
    if (auto made = known.made.lock()) return made;
  const auto certificate_pem = read(files.certificate, false);
  if (!certificate_pem) return std::unexpected(certificate_pem.error());
  auto key_pem = read(files.key, true);
  if (!key_pem) return std::unexpected(key_pem.error());
  auto made =
      Certificate::parse(files, *certificate_pem, *key_pem, accepts_expired_ ? std::nullopt : std::optional(now));
  explicit_bzero(key_pem->data(), key_pem->size());
  if (made) known = {*certificate, *key, *made};
  return made;
}

void CertificateStore::forget_unused() {
  std::erase_if(known_, [](const auto& entry) { return entry.second.made.expired(); });
  forget_above_ = std::max<std::size_t>(2 * known_.size(), 64);
}

}  // namespace sluice::net::tls
