#include <fmt/format.h>

#include "control/journal.h"
#include "control/naps.h"
#include "control/service.h"

namespace sluice::control {

void Service::reload() {
  if (is_draining_) return;
  refresh_files();
  if (const auto text = text_of(options_.config_path); text && *text == text_) {
    ++config_.reloads_unchanged;
    return;
  }
  const Instant started = loop_->now();
  config::Diagnostics diagnostics;
  auto loaded = [&] {
    const Naps naps;
    return load_config(options_.config_path, kept_, diagnostics);
  }();
  if (diagnostics.error_count() + diagnostics.warning_count() > 0) say_raw(diagnostics.render());
  if (!loaded) {
    text_ = diagnostics.source_count() > 0 ? std::string(diagnostics.source_text(0)) : std::string();
    return refuse(diagnostics);
  }
  auto prepared = prepare(loaded->config);
  if (!prepared) {
    text_.clear();  // what the system refuses now it may grant at the next try, with the same text
    return refuse(diagnostics);
  }
  text_ = active_text_ = diagnostics.source_text(0);
  fallback_reason_.clear();
  ++config_.reloads_accepted;
  reload_started_ = started;
  accept(std::move(*loaded), std::move(*prepared));
}

void Service::refuse(const config::Diagnostics& diagnostics) {
  ++config_.reloads_refused;
  config_.is_last_reload_good = false;
  const std::size_t errors = diagnostics.error_count();
  const std::string why = errors == 0 ? "what it asks of the system could not be had"
                                      : fmt::format("{} error{}", errors, errors == 1 ? "" : "s");
  say(Level::error, fmt::format("{}: {}; generation {} stays in force", options_.config_path, why, generation_));
}

void Service::accept(Loaded loaded, Prepared prepared) {
  drain_timeout_ = loaded.config.drain_timeout;
  drain_delay_ = loaded.config.drain_delay;
  if (generation_ > 0 && (loaded.config.user != user_ || loaded.config.group != group_))
    say(Level::warning, "user, group: who the process is cannot be changed while it runs: the next start does");
  if (prepared.admin) admin_.reset();
  release_removed(prepared);
  listeners_ = std::move(prepared.listeners);
  if (prepared.admin) {
    admin_configured_ = loaded.config.admin.bind.address;
    open_admin_server(std::move(*prepared.admin));
  }
  loaded.plan->generation = ++generation_;
  config_.generation = generation_;
  config_.is_last_reload_good = true;
  config_.loaded_at = loop_->wall_now();
  plan_ = std::move(loaded.plan);
  plans_.add(plan_);
  watch_tls_files();
  watch_policy_files();
  ask_for_staples();
  on_active();  // first: a config that crashes the workers must be known by then
  publish(std::move(prepared.sockets));
}

void Service::open_admin_server(net::ListenSocket socket) {
  admin_bound_ = net::bound_address(socket).value_or(admin_configured_);
  admin_ = std::make_unique<AdminServer>(
      *loop_, std::move(socket),
      AdminServer::Answers{.is_ready = [this] { return !is_draining_ && (unpublished_ == 0 || generation_ > 1); },
                           .remark = [this] { return std::string_view(fallback_reason_); },
                           .metrics = [this] { return metrics_text(); }});
}

void Service::publish(Sockets sockets) {
  unpublished_ = static_cast<unsigned>(workers_.size());
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    gateway::Worker& worker = *workers_[i].worker;
    worker.post([this, &worker, plan = plan_, mine = std::move(sockets[i]), generation = generation_]() mutable {
      worker.publish(std::move(plan), std::move(mine));
      loop_->post([this, generation] { on_published(generation); });
    });
  }
}

void Service::on_published(std::uint64_t generation) {
  if (generation != generation_ || --unpublished_ != 0) return;
  sweep_plans();
  if (generation == 1) return tell_supervisor_ready();
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(loop_->now() - reload_started_);
  say(Level::info, fmt::format("generation {} is live on all workers, {:.1f} ms after the change was seen", generation,
                               static_cast<double>(took.count()) / 1000));
}

// An old plan goes when its last exchange does, which no worker tells: so it is looked for as long as there is one.
void Service::sweep_plans() {
  constexpr auto pause = std::chrono::seconds(1);
  const std::size_t plans = plans_.sweep();
  kept_.tls.sweep();
  if (plans > 1) loop_->set_timer(sweep_timer_, pause);
}

}  // namespace sluice::control
