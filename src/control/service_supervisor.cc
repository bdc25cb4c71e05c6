// The gateway process and its supervisor.

#include <fmt/format.h>

#include <algorithm>

#include "control/config_hash.h"
#include "control/journal.h"
#include "control/service.h"

namespace sluice::control {

std::optional<SupervisorLink::Order> Service::meet_supervisor() {
  if (link_ == nullptr) return SupervisorLink::Order{};
  auto order = link_->start(
      options_.version, {.on_message = [this](std::string text) { loop_->post([this, text] { on_supervisor(text); }); },
                         .on_lost = [this] { loop_->post([this] { on_supervisor_lost(); }); }});
  if (!order) say(Level::error, "the supervisor does not answer: nothing was started");
  return order;
}

void Service::on_supervisor(std::string_view text) {
  const std::string_view verb = take_word(text);
  if (verb == "drain" && !is_draining_) {
    admin_.reset();  // its address is the new process's now
    const std::string key = socket_key("admin", admin_configured_);
    sockets_->release(std::span(&key, 1));
    // Another process serves, and nobody waits for this one's end: idle connections need not be closed under their
    // clients, but end as they usually do. Those that nobody uses for so long hold no process back.
    drain(std::max<Duration>(drain_timeout_ / 2, gateway::Worker::silent_patience), true);
  } else if (verb == "counts") {
    read_counts(text);
  } else if (verb == "proven") {
    on_proven();
  }
}

void Service::read_counts(std::string_view text) {
  for (std::uint64_t* const count : {&counts_.crashes, &counts_.stuck, &counts_.upgrades, &counts_.failed_upgrades}) {
    long long number = 0;
    if (!take_number(text, 0, 1LL << 60, number)) return;
    *count = static_cast<std::uint64_t>(number);
  }
}

void Service::on_supervisor_lost() {
  if (is_draining_) return;
  say(Level::error, "the supervisor is gone: draining");
  admin_.reset();  // who starts the gateway anew needs the address
  drain();
}

void Service::tell_supervisor_ready() {
  if (link_ != nullptr) link_->say("ready");
}

// A config has come into force. Whether it is good, time will tell: the supervisor, which sees crashes, or a timer.
void Service::on_active() {
  config_.is_proven = false;
  if (link_ != nullptr) {
    link_->say_active(config_hash(active_text_), active_text_);
  } else {
    loop_->set_timer(proven_timer_, options_.proven_after);
  }
}

void Service::on_proven() {
  config_.is_proven = true;
  if (!last_good_) return;
  if (const auto fault = last_good_->save(active_text_))
    say(Level::warning, fmt::format("the last good config is not kept: {}", *fault));
}

std::string Service::socket_key(std::string_view name, const net::Address& address) {
  // Where the kernel chooses the port, the name tells listeners apart: as in gateway::is_same_listener.
  std::string key = address.text();
  if (address.port == 0)
    for (const char c : name) key += fmt::format("/{:02x}", static_cast<unsigned char>(c));
  return key;
}

}  // namespace sluice::control
