// TLS as time passes: the expiry of certificates, and the keys of session tickets. Files that change:
// service_tls_files.cc.

#include <fmt/format.h>

#include <set>

#include "control/journal.h"
#include "control/service.h"

namespace sluice::control {

namespace {

constexpr std::int64_t day = 86'400;  // seconds

constexpr std::int64_t list_warning = 2 * day;

std::optional<std::int64_t> seconds_left(const std::shared_ptr<const net::tls::Staple>& staple, std::int64_t now) {
  return staple == nullptr ? std::nullopt : std::optional(staple->expires_at() - now);
}

}  // namespace

void Service::warn_of_expiry() {
  loop_->set_timer(expiry_timer_, std::chrono::hours(24));
  constexpr int most_lines = 10;
  int count = 0;
  for (const CertificateSnapshot& one : certificates()) {
    if (one.seconds_left >= std::chrono::seconds(gateway::expiry_warning).count() || ++count > most_lines) continue;
    say(Level::warning, one.seconds_left <= 0
                            ? fmt::format("listener {}: the certificate of {} has EXPIRED", one.listener, one.name)
                            : fmt::format("listener {}: the certificate of {} expires in {} days", one.listener,
                                          one.name, one.seconds_left / day));
  }
  if (count > most_lines) say(Level::warning, fmt::format("and {} certificates more expire soon", count - most_lines));
  for (const ExpirySnapshot& one : upstream_certificates()) {
    if (one.seconds_left >= std::chrono::seconds(gateway::expiry_warning).count()) continue;
    say(Level::warning, one.seconds_left <= 0
                            ? fmt::format("upstream {}: the certificate that it is shown has EXPIRED", one.name)
                            : fmt::format("upstream {}: the certificate that it is shown expires in {} days", one.name,
                                          one.seconds_left / day));
  }
  for (const ExpirySnapshot& one : revocation_lists()) {
    if (one.seconds_left >= list_warning) continue;
    say(Level::warning,
        one.seconds_left <= 0
            ? fmt::format("listener {}: the list of revoked certificates is out of date: NOBODY IS LET IN", one.name)
            : fmt::format("listener {}: the list of revoked certificates is out of date in {} hours: nobody is let in "
                          "from then on",
                          one.name, one.seconds_left / 3600));
  }
}

void Service::rotate_tickets() {
  loop_->set_timer(ticket_timer_, net::tls::TicketKeys::period);
  if (kept_.tls.tickets != nullptr) kept_.tls.tickets->rotate();
}

// Those in service, of listeners that want it.
void Service::ask_for_staples() {
  std::set<Stapler::CertificatePtr> all;
  for (const gateway::ListenerPlan& listener : plan_->listeners) {
    if (listener.tls == nullptr || !listener.asks_for_staples) continue;
    const auto table = listener.tls->certificates();
    all.insert(table->certificates().begin(), table->certificates().end());
  }
  stapler_->watch(all);
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
      if (seen.emplace(one->name(), one->key_type()).second)
        all.push_back({.listener = listener.name,
                       .name = one->name(),
                       .key = key_type_name(one->key_type()),
                       .seconds_left = one->expires_at() - now,
                       .staple_seconds_left = seconds_left(one->staple(), now)});
  }
  return all;
}

std::vector<ExpirySnapshot> Service::upstream_certificates() const {
  std::vector<ExpirySnapshot> all;
  if (plan_ == nullptr) return all;
  for (const auto& group : plan_->groups) {
    if (group->tls() == nullptr) continue;
    const auto credentials = group->tls()->credentials();
    if (credentials->certificate != nullptr)
      all.push_back({std::string(group->name()), credentials->certificate->expires_at() - gateway::wall_seconds()});
  }
  return all;
}

std::vector<ExpirySnapshot> Service::revocation_lists() const {
  std::vector<ExpirySnapshot> all;
  if (plan_ == nullptr) return all;
  for (const gateway::ListenerPlan& listener : plan_->listeners) {
    const auto trust = listener.tls == nullptr ? nullptr : listener.tls->trust();
    if (trust == nullptr) continue;
    if (const auto until = trust->lists_until()) all.push_back({listener.name, *until - gateway::wall_seconds()});
  }
  return all;
}

}  // namespace sluice::control
