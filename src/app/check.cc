#include <cstdio>

#include "app/commands.h"
#include "control/loader.h"
#include "control/service.h"

namespace sluice::app {

int check(const CheckOptions& options) {
  const gateway::CauseTable causes = control::all_causes();
  gateway::Kept kept(1, causes);
  config::Diagnostics diagnostics;
  const auto loaded = control::load_config(options.config, kept, diagnostics);
  const std::string text = options.as_json ? diagnostics.render_json() : diagnostics.render();
  std::fputs(text.c_str(), options.as_json ? stdout : stderr);
  if (!loaded) {
    if (!options.as_json)
      std::fprintf(stderr, "%zu error%s in %s\n", diagnostics.error_count(), diagnostics.error_count() == 1 ? "" : "s",
                   options.config.c_str());
    return control::exit_config;
  }
  if (!options.as_json)
    std::printf("%s is good: %zu listener%s, %zu route%s, %zu test%s passed\n", options.config.c_str(),
                loaded->plan->listeners.size(), loaded->plan->listeners.size() == 1 ? "" : "s",
                loaded->plan->routes.size(), loaded->plan->routes.size() == 1 ? "" : "s", loaded->config.tests.size(),
                loaded->config.tests.size() == 1 ? "" : "s");
  return control::exit_ok;
}

}  // namespace sluice::app
