// libFuzzer: whatever the bytes, a config ends in a plan or in words, never in neither; the words are clean lines; a
// plan can be explained; and the same bytes give the same answer twice.

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/fuzz_input.h"
#include "base/json.h"
#include "gateway/config_tests.h"
#include "gateway/explain.h"
#include "gateway/plan_compiler.h"

namespace {

using namespace sluice;           // NOLINT: a program of its own
using namespace sluice::gateway;  // NOLINT
using fuzz::require;

void check_printable(std::string_view text) {
  while (!text.empty()) {
    const Utf8Char c = decode_utf8(text);
    require(c.valid && (c.code >= 0x20 || c.code == '\n') && c.code != 0x7f, "messages are clean UTF-8 lines");
    text.remove_prefix(c.size);
  }
}

void check_plan(const RootConfig& config, const Plan& plan) {
  require(plan.listeners.size() == config.listeners.size(), "each listener is in the plan");
  require(plan.routes.size() == config.routes.size(), "each route is in the plan");
  for (const RoutePlan& route : plan.routes) {
    require(!route.targets.empty() || !route.chain.empty(), "a route goes somewhere or answers");
    std::uint32_t sum = 0;
    for (const Target& target : route.targets) {
      require(target.weight_up_to >= sum, "weights add up");
      sum = target.weight_up_to;
    }
    require(route.targets.empty() || sum > 0, "somebody gets the requests");
  }
  require(!explain_plan(config, plan, ExplainFormat::text).empty(), "a plan can be explained");
  (void)explain_plan(config, plan, ExplainFormat::json);
}

// What control/loader.cc does with a file's text. Returns all that was said.
std::string load(const std::string& text) {
  static const CauseTable causes{std::span<const std::span<const Cause* const>>()};
  const auto kept = std::make_unique<Kept>(1, causes);
  config::Diagnostics diagnostics;
  const auto document = config::parse(text, "g.yaml", diagnostics);
  if (!document) {
    require(diagnostics.has_errors(), "no tree without a word");
    return diagnostics.render();
  }
  RootConfig config;
  const bool is_read = config::read(*document, config, diagnostics);
  require(is_read || diagnostics.has_errors(), "no failure without a word");
  std::unique_ptr<Plan> plan;
  if (is_read || !config.listeners.empty()) plan = compile_plan(config, *kept, diagnostics);
  require(!is_read || plan != nullptr || diagnostics.has_errors(), "no plan without a word");
  if (plan != nullptr && !diagnostics.has_errors()) {
    check_plan(config, *plan);
    run_config_tests(config, *plan, diagnostics);
  }
  check_printable(diagnostics.render_json());
  return diagnostics.render();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::string said = load(text);
  check_printable(said);
  require(load(text) == said, "the same bytes give the same answer");
  return 0;
}
