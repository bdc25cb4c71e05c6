#include <fmt/format.h>

#include <fstream>
#include <sstream>

#include "control/journal.h"
#include "control/service.h"

namespace sluice::control {

namespace {

std::optional<std::string> text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

}  // namespace

void Service::reload() {
  if (is_draining_) return;
  if (const auto text = text_of(options_.config_path); text && *text == text_) {
    ++config_.reloads_unchanged;
    return;
  }
  const Instant started = loop_->now();
  config::Diagnostics diagnostics;
  auto loaded = load_config(options_.config_path, kept_, diagnostics);
  if (diagnostics.error_count() + diagnostics.warning_count() > 0) say_raw(diagnostics.render());
  if (!loaded) return refuse(diagnostics);
  auto sockets = open_new_listeners(loaded->config);
  if (!sockets || !open_admin(loaded->config)) return refuse(diagnostics);
  text_ = diagnostics.source_text(0);
  ++config_.reloads_accepted;
  reload_started_ = started;
  accept(std::move(*loaded), std::move(*sockets));
}

void Service::refuse(const config::Diagnostics& diagnostics) {
  ++config_.reloads_refused;
  config_.is_last_reload_good = false;
  if (const auto text = text_of(options_.config_path)) text_ = *text;
  say(Level::error, fmt::format("{}: {} error{}; generation {} stays in force", options_.config_path, diagnostics.error_count(),
                                diagnostics.error_count() == 1 ? "" : "s", generation_));
}

void Service::accept(Loaded loaded, Sockets sockets) {
  drain_timeout_ = loaded.config.drain_timeout;
  if (loaded.config.access_log.to != log_target_) {
    if (const auto fault = log_.use(loaded.config.access_log.to)) {
      say(Level::error, fmt::format("access_log: {}; the log goes where it went before", *fault));
    } else {
      log_target_ = loaded.config.access_log.to;
    }
  }
  loaded.plan->generation = ++generation_;
  config_.generation = generation_;
  config_.is_last_reload_good = true;
  config_.loaded_at = loop_->wall_now();
  plan_ = std::move(loaded.plan);
  publish(std::move(sockets));
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
  if (generation != generation_ || --unpublished_ != 0 || generation == 1) return;
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(loop_->now() - reload_started_);
  say(Level::info, fmt::format("generation {} is live on all workers, {:.1f} ms after the change was seen", generation,
                               static_cast<double>(took.count()) / 1000));
}

}  // namespace sluice::control
