#include "control/loader.h"

#include <fstream>
#include <sstream>

#include "gateway/config_tests.h"

namespace sluice::control {

namespace {

std::optional<Loaded> load(std::optional<config::Document> document, gateway::Kept& kept,
                           config::Diagnostics& diagnostics) {
  if (!document) return std::nullopt;
  if (document->is_empty()) {
    diagnostics.error(document->root().place(), "empty_file", "", "there is no setting in this file").help =
        "a config has at least `listeners`; `sluice manual configuration` lists all there is";
    return std::nullopt;
  }
  Loaded loaded;
  const bool is_read = config::read(*document, loaded.config, diagnostics);
  document.reset();  // of many routes it is large, and the plan can have its memory
  // A config that did not read well is compiled all the same, for what the compiler has to say: all errors at once.
  if (is_read || !loaded.config.listeners.empty())
    loaded.plan = gateway::compile_plan(loaded.config, kept, diagnostics);
  if (loaded.plan != nullptr && !diagnostics.has_errors())
    gateway::run_config_tests(loaded.config, *loaded.plan, diagnostics);
  if (diagnostics.has_errors()) return std::nullopt;
  return loaded;
}

}  // namespace

std::optional<std::string> text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

std::optional<Loaded> load_config(const std::string& path, gateway::Kept& kept, config::Diagnostics& diagnostics) {
  return load(config::load_file(path, diagnostics), kept, diagnostics);
}

std::optional<Loaded> load_config_text(std::string text, std::string name, gateway::Kept& kept,
                                       config::Diagnostics& diagnostics) {
  return load(config::parse(std::move(text), std::move(name), diagnostics), kept, diagnostics);
}

}  // namespace sluice::control
