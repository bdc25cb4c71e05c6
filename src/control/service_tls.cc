// TLS as time passes: the expiry of certificates, and the keys of session tickets. Files that change:
// service_tls_files.cc.

#include <fmt/format.h>

#include <set>

#include "control/journal.h"
#include "control/service.h"

namespace sluice::control {

namespace {

constexpr std::int64_t day = 86'400;  // seconds

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
                       .seconds_left = one->expires_at() - now,
                       .staple_seconds_left = seconds_left(one->staple(), now)});
  }
  return all;
}

}  // namespace sluice::control
