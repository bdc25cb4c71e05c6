#pragma once
// Asks the authorities of the certificates in service what they say of them (OCSP), in time, and has it shown to
// clients. The last good word stays until it is out of date; it is kept on disk, so that a gateway that starts has it
// at once. Nothing waits for this: without an answer a certificate is shown without a staple. Control thread.
//
// As Caddy and nginx's users wish it: a new one at half of the old one's time, with jitter, so that not all gateways
// ask in the same second; after a failure patience that doubles.
//   source  RFC 6960 (OCSP), RFC 5019 (its light-weight profile), appendix A.1 (over HTTP)

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "control/fetcher.h"
#include "control/journal.h"
#include "net/tls/certificate.h"

namespace sluice::control {

class Stapler {
 public:
  using CertificatePtr = std::shared_ptr<const net::tls::Certificate>;
  using Tell = std::function<void(Level, std::string)>;
  static constexpr std::size_t most_at_once = 4;
  static constexpr std::size_t most_answer_bytes = 64 << 10;

  // `folder`: where answers are kept; "": nowhere.
  Stapler(net::Loop& loop, Fetcher& fetcher, std::string folder, Tell tell);

  // Those in service from now on; others are forgotten. One that names no responder, or has a file for its staple, is
  // left alone. cost: ~0.1 ms for a certificate that is new and names one
  void watch(const std::set<CertificatePtr>& certificates);

  std::uint64_t fetched() const { return fetched_; }
  std::uint64_t failed() const { return failed_; }

 private:
  struct Subject {
    CertificatePtr certificate;
    net::tls::OcspQuestion question;
    Instant next{};  // when it is asked about
    int failures = 0;
    bool is_asked = false;
    std::string fault;  // what was said of it last
  };
  void add(const CertificatePtr& certificate);
  void ask_those_due();
  void ask(Subject& subject);
  void on_answer(const CertificatePtr& certificate, Fetcher::Result result);
  void plan_next(Subject& subject);
  Duration jittered(Duration span);
  std::string file_of(const Subject& subject) const;
  void keep(const Subject& subject, std::string_view der) const;

  net::Loop& loop_;
  Fetcher& fetcher_;
  const std::string folder_;
  const Tell tell_;
  std::map<const net::tls::Certificate*, Subject> subjects_;
  std::size_t asking_ = 0;
  std::uint64_t fetched_ = 0, failed_ = 0;
  net::Timer timer_ = net::Timer::of<&Stapler::ask_those_due>(this);
};

}  // namespace sluice::control
