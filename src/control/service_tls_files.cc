// Files behind TLS while the gateway runs: they are watched, and what has changed in them is taken over when it is
// good. What is refused is said once, and what was before stays in service.

#include <fmt/format.h>

#include <algorithm>

#include "control/journal.h"
#include "control/service.h"

namespace sluice::control {

using net::tls::Certificate;
using net::tls::CertificateTable;
using net::tls::ClientCredentials;
using net::tls::Trust;

// With each plan, when files have changed, and when the watcher is there. Folders are watched, each once however many
// files stand in it.
void Service::watch_tls_files() {
  if (watcher_ == nullptr || plan_ == nullptr) return;
  std::set<std::string> files = tls_files();
  if (files == watched_tls_files_) return;
  std::string unwatched;
  for (const std::string& file : files)
    if (!watcher_->watch_also(file)) unwatched = file;
  if (!unwatched.empty())
    say(Level::warning,
        fmt::format("the folder of {} cannot be watched: a change of it needs SIGHUP to be noticed", unwatched));
  watched_tls_files_ = std::move(files);
  if (watched_tls_files_.empty()) return;
  if (!look_timer_.is_set()) loop_->set_timer(look_timer_, slow_look);
  if (!expiry_timer_.is_set()) loop_->set_timer(expiry_timer_, std::chrono::hours(24));
  if (!ticket_timer_.is_set()) loop_->set_timer(ticket_timer_, net::tls::TicketKeys::period);
}

// Those that the plan in force has.
std::set<std::string> Service::tls_files() const {
  std::set<std::string> files;
  const auto add_certificate = [&](const Certificate& one) {
    files.insert({one.files().certificate, one.files().key, one.files().ocsp});
  };
  const auto add_trust = [&](const Trust& one) { files.insert({one.files().authorities, one.files().revoked}); };
  for (const gateway::ListenerPlan& listener : plan_->listeners) {
    if (listener.tls == nullptr) continue;
    const auto table = listener.tls->certificates();
    for (const auto& certificate : table->certificates()) add_certificate(*certificate);
    if (const auto trust = listener.tls->trust()) add_trust(*trust);
  }
  for (const auto& group : plan_->groups) {
    if (group->tls() == nullptr) continue;
    const auto credentials = group->tls()->credentials();
    if (credentials->certificate != nullptr) add_certificate(*credentials->certificate);
    if (credentials->trust != nullptr) add_trust(*credentials->trust);
  }
  for (const auto& [file, keys] : kept_.tls.tickets_by_file) files.insert(file);
  files.erase("");
  return files;
}

void Service::refresh_tls_files() {
  if (is_draining_ || plan_ == nullptr) return;
  bool is_changed = false;
  for (const gateway::ListenerPlan& listener : plan_->listeners) {
    if (listener.tls == nullptr) continue;
    is_changed |= refresh_certificates(listener);
    is_changed |= refresh_trust(listener);
  }
  for (const auto& [key, to] : kept_.tls.client_contexts) {
    const auto uses = [&](const auto& group) { return group->tls() == to.context; };
    if (std::ranges::any_of(plan_->groups, uses)) is_changed |= refresh_credentials(to);
  }
  for (const auto& [file, keys] : kept_.tls.tickets_by_file) refresh_ticket_keys(file, *keys);
  if (is_changed) {
    watched_tls_files_.clear();  // they may lead elsewhere now
    watch_tls_files();
    ask_for_staples();
  }
  kept_.tls.sweep();
}

// These three: true when something else than before is in service.
bool Service::refresh_certificates(const gateway::ListenerPlan& listener) {
  const auto table = listener.tls->certificates();
  CertificateTable::List list;
  bool is_changed = false;
  const TlsUser user{"listener " + listener.name, net::tls::CertificateUse::server, listener.tls->native()};
  for (const auto& old : table->certificates()) {
    list.push_back(refreshed(old, user));
    is_changed |= list.back() != old;
  }
  if (!is_changed) return false;
  auto made = std::make_shared<const CertificateTable>(std::move(list));
  kept_.tls.published.push_back(made);
  listener.tls->replace_certificates(std::move(made));
  return true;
}

bool Service::refresh_trust(const gateway::ListenerPlan& listener) {
  const auto old = listener.tls->trust();
  if (old == nullptr) return false;
  auto fresh = refreshed(old, "listener " + listener.name);
  if (fresh == old) return false;
  if (const auto until = fresh->lists_until(); until && *until <= gateway::wall_seconds())
    say(Level::warning,
        fmt::format("listener {}: the list of revoked certificates in {} is out of date: nobody is let in",
                    listener.name, fresh->files().revoked));
  kept_.tls.published.push_back(fresh);
  listener.tls->replace_trust(std::move(fresh));
  return true;
}

bool Service::refresh_credentials(const gateway::KeptTls::ToUpstream& to) {
  const auto old = to.context->credentials();
  ClientCredentials now = *old;
  if (now.trust != nullptr) now.trust = refreshed(now.trust, to.name);
  if (now.certificate != nullptr)
    now.certificate = refreshed(now.certificate, {to.name, net::tls::CertificateUse::client, to.context->native()});
  if (now == *old) return false;
  auto made = std::make_shared<const ClientCredentials>(std::move(now));
  kept_.tls.published.push_back(made);
  to.context->replace_credentials(std::move(made));
  return true;
}

// What the files hold now; `old` where it is the same, or is refused.
std::shared_ptr<const Certificate> Service::refreshed(const std::shared_ptr<const Certificate>& old,
                                                      const TlsUser& user) {
  auto fresh = refreshed_pair(old, user);
  if (!fresh->files().ocsp.empty()) refresh_staple(*fresh, user.name);
  return fresh;
}

std::shared_ptr<const Certificate> Service::refreshed_pair(const std::shared_ptr<const Certificate>& old,
                                                           const TlsUser& user) {
  constexpr std::int64_t day = 86'400;  // seconds
  const net::tls::CertificateFiles& files = old->files();
  auto fresh = kept_.tls.certificates.load(files, user.use, gateway::wall_seconds());
  if (fresh && *fresh != old)
    if (auto usable = (*fresh)->check_use(user.context); !usable) fresh = std::unexpected(std::move(usable.error()));
  const std::string about = files.certificate + '\n' + files.key;
  if (!fresh) {
    const auto& fault = fresh.error();
    refuse_file(about, user.name, fmt::format("{} {}", fault.is_of_key ? files.key : files.certificate, fault.what),
                "the certificate of " + old->name());
    return old;
  }
  tls_faults_.erase(about);
  if (*fresh != old)
    say(Level::info, fmt::format("{}: the new certificate of {} is in service, for {} days", user.name,
                                 (*fresh)->name(), ((*fresh)->expires_at() - gateway::wall_seconds()) / day));
  return *fresh;
}

// A new certificate may be there before its staple is, and serves without one until then.
void Service::refresh_staple(const Certificate& certificate, std::string_view whose) {
  const std::string& file = certificate.files().ocsp;
  const auto before = certificate.staple();
  const std::int64_t now = gateway::wall_seconds();
  const auto done = certificate.load_staple(now);
  if (done) {
    tls_faults_.erase(file);
    if (certificate.staple() != before)
      say(Level::info, fmt::format("{}: the new OCSP response in {} is in service", whose, file));
    return;
  }
  const auto staple = certificate.staple();
  const std::string what = fmt::format("{} {}", file, done.error().what);
  if (staple != nullptr && staple->expires_at() > now) return refuse_file(file, whose, what, "the OCSP response");
  if (!done.error().comes_with_time) return refuse_file(file, whose, what, "a certificate without an OCSP response");
  if (std::exchange(tls_faults_[file], what) == what) return;
  say(Level::warning,
      fmt::format("{}: {}; the certificate of {} is shown without an OCSP response until there is a new one", whose,
                  what, certificate.name()));
}

std::shared_ptr<const Trust> Service::refreshed(const std::shared_ptr<const Trust>& old, std::string_view whose) {
  const net::tls::TrustFiles files = old->files();
  auto fresh = Trust::load(files, old);
  const std::string about = files.authorities + '\n' + files.revoked;
  if (!fresh) {
    const auto& fault = fresh.error();
    refuse_file(about, whose, fmt::format("{} {}", fault.is_of_revoked ? files.revoked : files.authorities, fault.what),
                "what it held");
    return old;
  }
  tls_faults_.erase(about);
  if (*fresh != old)
    say(Level::info, fmt::format("{}: what {} now say is in service", whose,
                                 files.authorities + (files.revoked.empty() ? "" : " and " + files.revoked)));
  return *fresh;
}

void Service::refresh_ticket_keys(const std::string& file, net::tls::TicketKeys& keys) {
  auto fresh = gateway::load_ticket_keys(file);
  if (!fresh) return refuse_file(file, "ticket keys", file + " " + fresh.error().what, "what it held");
  tls_faults_.erase(file);
  if (**fresh == *keys.list()) return;
  say(Level::info, fmt::format("ticket keys: what {} now holds is in service", file));
  keys.replace(std::move(*fresh));
}

void Service::refuse_file(const std::string& about, std::string_view whose, const std::string& what,
                          std::string_view kept) {
  if (std::exchange(tls_faults_[about], what) == what) return;
  ++certificates_refused_;
  say(Level::error, fmt::format("{}: {}; {} before stays in service", whose, what, kept));
}

}  // namespace sluice::control
