#include <fmt/format.h>

#include "control/config_hash.h"
#include "control/journal.h"
#include "control/service.h"

namespace sluice::control {

namespace {

std::string errors(const config::Diagnostics& diagnostics) {
  return fmt::format("{} error{}", diagnostics.error_count(), diagnostics.error_count() == 1 ? "" : "s");
}

}  // namespace

std::optional<Loaded> Service::load_ordered(const SupervisorLink::Order& order) {
  // What ran before runs again: an expired certificate helps nobody, and no gateway helps fewer.
  kept_.tls.certificates.accept_expired(order.choice != ConfigChoice::file);
  if (order.choice == ConfigChoice::kept && order.kept) return load_other(*order.kept, order.reason);
  if (order.choice == ConfigChoice::stored) return load_stored(order.reason);
  config::Diagnostics diagnostics;
  auto loaded = load_config(options_.config_path, kept_, diagnostics);
  say_raw(diagnostics.render());
  if (loaded) {
    text_ = active_text_ = diagnostics.source_text(0);
    return loaded;
  }
  if (order.choice == ConfigChoice::file_or_kept && order.kept)
    return load_other(*order.kept, fmt::format("{} has {}", options_.config_path, errors(diagnostics)));
  if (options_.may_fall_back && order.choice == ConfigChoice::file)
    return load_stored(fmt::format("{} has {}", options_.config_path, errors(diagnostics)));
  say(Level::error, fmt::format("{}: {}; nothing was started", options_.config_path, errors(diagnostics)));
  return std::nullopt;
}

std::optional<Loaded> Service::load_other(const std::string& text, std::string_view reason) {
  config::Diagnostics diagnostics;
  auto loaded = load_config_text(text, options_.config_path, kept_, diagnostics);
  if (!loaded) {
    say_raw(diagnostics.render());
    say(Level::error,
        fmt::format("{}, and the last good config cannot be used either: {}", reason, errors(diagnostics)));
    return std::nullopt;
  }
  active_text_ = text;
  // The file is looked at again when it says something else than now.
  text_ = text_of(options_.config_path).value_or("");
  if (text_ != active_text_) {
    fallback_reason_ = reason;
    say(Level::warning,
        fmt::format("{}: the LAST GOOD CONFIG is used, not what the file says, until the file changes", reason));
  }
  return loaded;
}

std::optional<Loaded> Service::load_stored(std::string_view reason) {
  if (!last_good_) {
    say(Level::error,
        fmt::format("{}, and no config is kept without a state directory: name one with --state-dir", reason));
    return std::nullopt;
  }
  const auto text = last_good_->load();
  if (text) return load_other(*text, reason);
  say(Level::error, fmt::format("{}, and there is no last good config: {}", reason, text.error()));
  return std::nullopt;
}

bool Service::load_first(const SupervisorLink::Order& order) {
  exit_code_ = exit_config;
  auto loaded = load_ordered(order);
  kept_.tls.certificates.accept_expired(false);
  if (!loaded) return false;
  exit_code_ = exit_start;
  auto prepared = prepare(loaded->config);
  if (!prepared || !drop_rights(loaded->config)) return false;
  check_descriptors(*loaded->plan);
  exit_code_ = exit_ok;
  accept(std::move(*loaded), std::move(*prepared));
  return true;
}

}  // namespace sluice::control
