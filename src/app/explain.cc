#include "gateway/explain.h"

#include <cstdio>

#include "app/commands.h"
#include "config/suggest.h"
#include "control/loader.h"
#include "control/service.h"
#include "gateway/probe.h"

namespace sluice::app {

namespace {

// "name: value" as curl takes it. False when there is no colon.
bool split_header(const std::string& text, std::pair<std::string, std::string>& out) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos || colon == 0) return false;
  const std::size_t value = text.find_first_not_of(' ', colon + 1);
  out = {text.substr(0, colon), value == std::string::npos ? "" : text.substr(value)};
  return true;
}

const gateway::ListenerPlan* find_listener(const gateway::Plan& plan, const std::string& name,
                                           const std::string& url) {
  if (name.empty()) return &gateway::usual_listener(plan, url);
  if (const auto* const found = plan.find_listener(name)) return found;
  std::vector<std::string_view> names;
  for (const auto& listener : plan.listeners) names.push_back(listener.name);
  std::fprintf(stderr, "sluice explain: there is no listener '%s'; %s\n", name.c_str(),
               config::suggestion(name, names, "listeners").c_str());
  return nullptr;
}

int explain_one(const ExplainOptions& options, const control::Loaded& loaded, gateway::ExplainFormat format) {
  const gateway::ListenerPlan* const listener = find_listener(*loaded.plan, options.listener, options.url);
  if (listener == nullptr) return control::exit_usage;
  gateway::ProbeRequest request{.method = options.method, .url = options.url};
  for (const std::string& header : options.headers) {
    if (split_header(header, request.headers.emplace_back())) continue;
    std::fprintf(stderr, "sluice explain: '%s' is no header; write --header 'name: value'\n", header.c_str());
    return control::exit_usage;
  }
  std::string out, fault;
  if (!gateway::explain_request(loaded.config, *loaded.plan, *listener, request, format, out, fault)) {
    std::fprintf(stderr, "sluice explain: %s\n", fault.c_str());
    return control::exit_usage;
  }
  std::fputs(out.c_str(), stdout);
  return control::exit_ok;
}

}  // namespace

int explain(const ExplainOptions& options) {
  const gateway::CauseTable causes = control::all_causes();
  gateway::Kept kept(1, causes);
  config::Diagnostics diagnostics;
  const auto loaded = control::load_config(options.config, kept, diagnostics);
  if (!loaded) {
    std::fputs(diagnostics.render().c_str(), stderr);
    return control::exit_config;
  }
  const auto format = options.as_json ? gateway::ExplainFormat::json : gateway::ExplainFormat::text;
  if (!options.url.empty()) return explain_one(options, *loaded, format);
  std::fputs(gateway::explain_plan(loaded->config, *loaded->plan, format).c_str(), stdout);
  return control::exit_ok;
}

}  // namespace sluice::app
