#include "gateway/config_tests.h"

#include <algorithm>

#include "gateway/probe.h"

namespace sluice::gateway {

namespace {

class TestRun {
 public:
  TestRun(const TestConfig& test, std::size_t index, config::Diagnostics& diagnostics)
      : test_(test), path_("tests[" + std::to_string(index) + "]"), diagnostics_(diagnostics) {}

  void run(const Plan& plan) {
    const ListenerPlan* const listener =
        test_.request.listener ? plan.find_listener(*test_.request.listener) : &plan.listeners.front();
    if (listener == nullptr) return fault("there is no listener '" + *test_.request.listener + "'");
    ProbeRequest request{.method = test_.request.method, .url = *test_.request.url};
    for (const auto& header : test_.request.headers) request.headers.emplace_back(header.key, header.value);
    std::string wrong;
    if (!probe_.run(plan, *listener, request, nullptr, wrong)) return fault(wrong);
    check();
  }

 private:
  void fault(const std::string& what) { diagnostics_.error(test_.place, "bad_test", path_, what); }

  void expect(std::string_view key, std::string_view wanted, std::string_view got) {
    if (wanted == got) return;
    auto& diagnostic = diagnostics_.error(test_.place, "test_failed", path_ + ".expect." + std::string(key),
                                          "want " + quoted(wanted) + ", got " + quoted(got));
    diagnostic.want = test_.request.method + " " + *test_.request.url;
  }
  static std::string quoted(std::string_view text) { return text.empty() ? "nothing" : "'" + std::string(text) + "'"; }

  void check() {
    const auto& want = test_.expect;
    const Decision& decision = probe_.decision();
    const bool is_refused = probe_.refusal().has_value();
    const auto& reply = probe_.exchange().made_reply();
    const Cause* const cause = is_refused ? probe_.refusal()->cause : reply.cause;
    const int status = is_refused ? cause->status : reply.status;
    if (want.route) expect("route", *want.route, decision.route == nullptr ? "none" : std::string_view(decision.route->name));
    if (want.upstream) check_upstream(*want.upstream, decision);
    if (want.status)
      expect("status", std::to_string(*want.status), status == 0 ? "an answer of the upstream" : std::to_string(status));
    if (want.cause) expect("cause", *want.cause, cause == nullptr ? "" : cause->code);
    if (want.path) check_path(*want.path, is_refused || decision.target == nullptr);
    for (const auto& header : want.headers) check_header(header.key, header.value, is_refused);
  }

  void check_upstream(std::string_view wanted, const Decision& decision) {
    if (decision.target == nullptr) return expect("upstream", wanted, "");
    const auto& targets = decision.route->targets;
    if (std::ranges::any_of(targets, [&](const Target& target) { return target.group->name() == wanted; })) return;
    expect("upstream", wanted, decision.target->group->name());
  }

  void check_path(std::string_view wanted, bool is_answered_here) {
    if (is_answered_here) return expect("path", wanted, "");
    const auto& sent = probe_.exchange().upstream_request();
    std::string got(sent.path);
    if (sent.has_query) (got += '?') += sent.query;
    expect("path", wanted, got);
  }

  void check_header(std::string_view name, std::string_view wanted, bool is_refused) {
    std::string lower(name);
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c); });
    const http::FieldList& fields =
        probe_.decision().target != nullptr ? probe_.exchange().upstream_request().fields : probe_.answer().fields;
    const http::Field* const field = is_refused ? nullptr : fields.find(std::string_view(lower));
    expect("headers." + std::string(name), wanted, field == nullptr ? std::string_view() : field->value);
  }

  const TestConfig& test_;
  const std::string path_;
  config::Diagnostics& diagnostics_;
  Probe probe_;
};

}  // namespace

void run_config_tests(const RootConfig& config, const Plan& plan, config::Diagnostics& diagnostics) {
  for (std::size_t i = 0; i < config.tests.size(); ++i) TestRun(config.tests[i], i, diagnostics).run(plan);
}

}  // namespace sluice::gateway
