// Certificates while the gateway runs: files that change, expiry, and the keys of session tickets.

#include <fmt/format.h>

#include <set>

#include "control/journal.h"
#include "control/service.h"

namespace sluice::control {

namespace {

using net::tls::CertificateTable;

constexpr std::int64_t day = 86'400;  // seconds

}  // namespace

// With each plan, and when the watcher is there. Folders are watched, each once however many files stand in it.
void Service::watch_certificates() {
  if (watcher_ == nullptr || plan_ == nullptr) return;
  std::set<std::string> files;
  for (const gateway::ListenerPlan& listener : plan_->listeners) {
    if (listener.tls == nullptr) continue;
    const auto table = listener.tls->certificates();
    for (const auto& certificate : table->certificates())
      files.insert({certificate->files().certificate, certificate->files().key});
  }
  std::string unwatched;
  for (const std::string& file : files)
    if (!watcher_->watch_also(file)) unwatched = file;
  if (!unwatched.empty())
    say(Level::warning,
        fmt::format("the folder of {} cannot be watched: a changed certificate needs SIGHUP to be noticed", unwatched));
  if (files.empty()) return;
  if (!expiry_timer_.is_set()) loop_->set_timer(expiry_timer_, std::chrono::hours(24));
  if (!ticket_timer_.is_set()) loop_->set_timer(ticket_timer_, net::tls::TicketKeys::period);
}

void Service::refresh_certificates() {
  if (is_draining_ || plan_ == nullptr) return;
  for (const gateway::ListenerPlan& listener : plan_->listeners)
    if (listener.tls != nullptr && refresh_certificates(listener)) watch_certificates();
  kept_.tls.sweep();
}

// True when another certificate than before is in service.
bool Service::refresh_certificates(const gateway::ListenerPlan& listener) {
  const auto table = listener.tls->certificates();
  CertificateTable::List list;
  bool is_changed = false;
  for (const auto& old : table->certificates()) {
    auto fresh = kept_.tls.certificates.load(old->files(), gateway::wall_seconds());
    if (fresh && *fresh != old && !(*fresh)->open())
      fresh = std::unexpected(net::tls::CertificateFault{.what = "cannot be used with its key by OpenSSL"});
    if (!fresh) {
      list.push_back(old);
      const auto& fault = fresh.error();
      const std::string what =
          fmt::format("{} {}", fault.is_of_key ? old->files().key : old->files().certificate, fault.what);
      if (std::exchange(certificate_faults_[old->files()], what) == what) continue;
      ++certificates_refused_;
      say(Level::error, fmt::format("listener {}: {}; the certificate of {} before stays in service", listener.name,
                                    what, old->names().front()));
      continue;
    }
    certificate_faults_.erase(old->files());
    if (*fresh != old) {
      is_changed = true;
      say(Level::info, fmt::format("listener {}: the new certificate of {} is in service, for {} days", listener.name,
                                   (*fresh)->names().front(), ((*fresh)->expires_at() - gateway::wall_seconds()) / day));
    }
    list.push_back(std::move(*fresh));
  }
  if (!is_changed) return false;
  auto made = std::make_shared<const CertificateTable>(std::move(list));
  kept_.tls.tables.push_back(made);
  listener.tls->replace_certificates(std::move(made));
  return true;
}

void Service::warn_of_expiry() {
  loop_->set_timer(expiry_timer_, std::chrono::hours(24));
  constexpr int most_lines = 10;
  int count = 0;
  for (const CertificateSnapshot& one : certificates()) {
    if (one.seconds_left >= std::chrono::seconds(gateway::expiry_warning).count() || ++count > most_lines) continue;
    say(Level::warning, one.seconds_left <= 0 ? fmt::format("listener {}: the certificate of {} has EXPIRED",
                                                            one.listener, one.name)
                                              : fmt::format("listener {}: the certificate of {} expires in {} days",
                                                            one.listener, one.name, one.seconds_left / day));
  }
  if (count > most_lines) say(Level::warning, fmt::format("and {} certificates more expire soon", count - most_lines));
}

void Service::rotate_tickets() {
  loop_->set_timer(ticket_timer_, net::tls::TicketKeys::period);
  if (kept_.tls.tickets != nullptr) kept_.tls.tickets->rotate();
}

// Of several with one name and type of key only the first is ever used.
std::vector<CertificateSnapshot> Service::certificates() const {
  std::vector<CertificateSnapshot> all;
  if (plan_ == nullptr) return all;
  const std::int64_t now = gateway::wall_seconds();
  for (const gateway::ListenerPlan& listener : plan_->listeners) {
    if (listener.tls == nullptr) continue;
    std::set<std::pair<std::string_view, net::tls::KeyType>> seen;
    const auto table = listener.tls->certificates();  // the kept tables hold it as long as anybody does
    for (const auto& one : table->certificates())
      if (seen.emplace(one->names().front(), one->key_type()).second)
        all.push_back({.listener = listener.name,
                       .name = one->names().front(),
                       .key = key_type_name(one->key_type()),
                       .seconds_left = one->expires_at() - now});
  }
  return all;
}

}  // namespace sluice::control
