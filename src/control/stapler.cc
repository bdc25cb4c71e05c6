#include "control/stapler.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "control/config_hash.h"
#include "control/descriptor.h"
#include "gateway/tls_compiler.h"
#include "net/tls/certificate_store.h"

namespace sluice::control {

namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Duration soonest = minutes(5), latest = hours(24);               // after a good answer
constexpr Duration first_patience = minutes(1), last_patience = hours(1);  // after a failure

// What is wrong with an answer as HTTP has it; empty when nothing is.
std::string fault_of(const FetchAnswer& answer) {
  if (answer.status != 200) return fmt::format("has answered {}", answer.status);
  const std::string_view type = answer.field("content-type");
  if (!type.starts_with("application/ocsp-response")) return fmt::format("has answered with the type '{:.60}'", type);
  return {};
}

}  // namespace

Stapler::Stapler(net::Loop& loop, Fetcher& fetcher, std::string folder, Tell tell)
    : loop_(loop), fetcher_(fetcher), folder_(std::move(folder)), tell_(std::move(tell)) {}

void Stapler::watch(const std::set<CertificatePtr>& certificates) {
  std::erase_if(subjects_, [&](const auto& known) { return !certificates.contains(known.second.certificate); });
  for (const CertificatePtr& one : certificates)
    if (one->files().ocsp.empty() && !subjects_.contains(one.get())) add(one);
  ask_those_due();
}

void Stapler::add(const CertificatePtr& certificate) {
  auto question = certificate->ocsp_question();
  if (!question) return;
  Subject& subject = subjects_[certificate.get()];
  subject = {.certificate = certificate, .question = std::move(*question), .next = loop_.now()};
  if (folder_.empty()) return;
  auto kept = net::tls::CertificateStore::read(file_of(subject), false);
  if (kept && certificate->take_staple(std::move(*kept), gateway::wall_seconds())) plan_next(subject);
}

void Stapler::ask_those_due() {
  timer_.cancel();
  Instant first = Instant::max();
  for (auto& [key, subject] : subjects_) {
    if (subject.is_asked) continue;
    if (subject.next <= loop_.now() && asking_ < most_at_once) {
      ask(subject);
    } else {
      first = std::min(first, subject.next);
    }
  }
  // Those that wait for their turn have it when an answer comes.
  if (first != Instant::max() && asking_ < most_at_once) loop_.set_timer(timer_, first - loop_.now());
}

void Stapler::ask(Subject& subject) {
  subject.is_asked = true;
  ++asking_;
  fetcher_.start({.url = subject.question.url,
                  .method = "POST",
                  .body = subject.question.der,
                  .fields = {{"content-type", "application/ocsp-request"}, {"accept", "application/ocsp-response"}},
                  .timeout = seconds(10),
                  .most_bytes = most_answer_bytes},
                 [this, certificate = subject.certificate](Fetcher::Result result) {
                   --asking_;
                   on_answer(certificate, std::move(result));
                   ask_those_due();
                 });
}

void Stapler::on_answer(const CertificatePtr& certificate, Fetcher::Result result) {
  const auto at = subjects_.find(certificate.get());
  if (at == subjects_.end()) return;  // not in service any more
  Subject& subject = at->second;
  subject.is_asked = false;
  std::string fault = result ? fault_of(*result) : result.error();
  bool is_revoked = false;
  if (fault.empty()) {
    const auto done = certificate->take_staple(result->body, gateway::wall_seconds());
    if (!done) fault = done.error().what;
    is_revoked = !done && done.error().is_revoked;
  }
  if (fault.empty()) {
    ++fetched_;
    subject.failures = 0;
    subject.fault.clear();
    keep(subject, result->body);
    return plan_next(subject);
  }
  ++failed_;
  const Duration patience = std::min(first_patience * (1 << std::min(subject.failures++, 10)), last_patience);
  subject.next = loop_.now() + jittered(patience);
  if (is_revoked && !folder_.empty()) ::unlink(file_of(subject).c_str());
  if (std::exchange(subject.fault, fault) == fault) return;
  const bool has_one = certificate->staple() != nullptr;
  tell_(is_revoked ? Level::error : Level::warning,
        fmt::format("the authority's word on the certificate of {} could not be had from {}: {}; {}",
                    certificate->name(), subject.question.url, fault,
                    has_one ? "its last one is shown as long as it holds" : "it is shown without one (stapling)"));
}

// At half of what is left of its time, at least some minutes from now, at most a day.
void Stapler::plan_next(Subject& subject) {
  const auto left = seconds(subject.certificate->staple()->expires_at() - gateway::wall_seconds());
  subject.next = loop_.now() + jittered(std::clamp<Duration>(left / 2, soonest, latest));
}

// Up to a tenth more or less.
Duration Stapler::jittered(Duration span) {
  const auto part = static_cast<std::int64_t>(loop_.random() % 2'001) - 1'000;
  return span + span * part / 10'000;
}

std::string Stapler::file_of(const Subject& subject) const {
  return fmt::format("{}/ocsp-{:.32}.der", folder_, config_hash(subject.question.url + subject.question.der));
}

// Its signature says whether it is whole. A folder that cannot be written to was complained of when the gateway began.
void Stapler::keep(const Subject& subject, std::string_view der) const {
  if (folder_.empty()) return;
  const std::string path = file_of(subject), fresh = path + ".new";
  {
    const Descriptor file(
        ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR));
    if (!file || ::write(file.number(), der.data(), der.size()) != static_cast<ssize_t>(der.size())) return;
  }
  (void)std::rename(fresh.c_str(), path.c_str());
}

}  // namespace sluice::control
