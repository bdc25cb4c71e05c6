#include "gateway/config_tests.h"

#include <algorithm>

#include "config/suggest.h"
#include "gateway/probe.h"

namespace sluice::gateway {

namespace {

class TestRun {
 public:
  TestRun(const TestConfig& test, std::size_t index, config::Diagnostics& diagnostics)
      : test_(test), path_("tests[" + std::to_string(index) + "]"), diagnostics_(diagnostics) {}

  void run(const Plan& plan) {
    const ListenerPlan* const listener =
        test_.request.listener ? plan.find_listener(*test_.request.listener) : &usual_listener(plan, *test_.request.url);
    plan_ = &plan;
    if (listener == nullptr) return fault("there is no listener '" + *test_.request.listener + "'");
    ProbeRequest request{.method = test_.request.method, .url = *test_.request.url};
    for (const auto& header : test_.request.headers) request.headers.emplace_back(header.key, header.value);
    std::string wrong;
    if (!probe_.run(plan, *listener, request, nullptr, wrong)) return fault(wrong);
    check();
  }

 private:
  void fault(const std::string& what) { diagnostics_.error(test_.place, "bad_test", path_, what); }

  // Says so when they differ. `known`: the names that could have been meant.
  void expect(std::string_view key, config::Place place, std::string_view wanted, std::string_view got,
              const std::vector<std::string_view>& known = {}) {
    if (wanted != got) fail(key, place, quoted(wanted), quoted(got), wanted, known);
  }
  void fail(std::string_view key, config::Place place, const std::string& wanted, const std::string& got,
            std::string_view name = {}, const std::vector<std::string_view>& known = {}) {
    auto& diagnostic = diagnostics_.error(place, "test_failed", path_ + ".expect." + std::string(key),
                                          "want " + wanted + ", got " + got + ", for " + test_.request.method + " " + *test_.request.url);
    if (!known.empty() && std::ranges::find(known, name) == known.end())
      diagnostic.want = "there is no '" + std::string(name) + "'; " + config::suggestion(name, known, "names");
    if (probe_.refusal()) {
      const Refusal& refusal = *probe_.refusal();
      diagnostic.help = "the gateway refuses this request: " + std::string(refusal.cause->code) + ", " + refusal.detail;
    } else if (const auto& reply = probe_.exchange().made_reply(); reply.cause != nullptr) {
      diagnostic.help = "the gateway answers this request itself: " + std::to_string(reply.status) + ", cause " + reply.cause->code;
    }
  }
  static std::string quoted(std::string_view text) { return text.empty() ? "nothing" : "'" + std::string(text) + "'"; }

  std::vector<std::string_view> route_names() const {
    std::vector<std::string_view> names{"none"};
    for (const RoutePlan& route : plan_->routes) names.push_back(route.name);
    return names;
  }
  std::vector<std::string_view> upstream_names() const {
    std::vector<std::string_view> names;
    for (const auto& group : plan_->groups) names.push_back(group->name());
    return names;
  }

  void check() {
    const auto& want = test_.expect;
    const Decision& decision = probe_.decision();
    const bool is_refused = probe_.refusal().has_value();
    const auto& reply = probe_.exchange().made_reply();
    const Cause* const cause = is_refused ? probe_.refusal()->cause : reply.cause;
    const int status = is_refused ? cause->status : reply.status;
    if (want.route)
      expect("route", want.route->place, **want.route, decision.route == nullptr ? "none" : std::string_view(decision.route->name),
             route_names());
    if (want.upstream) check_upstream(*want.upstream, decision);
    if (want.status && **want.status != status)
      fail("status", want.status->place, std::to_string(**want.status), status == 0 ? "the upstream's answer" : std::to_string(status));
    if (want.cause) expect("cause", want.cause->place, **want.cause, cause == nullptr ? "" : cause->code);
    if (want.path) check_path(*want.path, is_refused || decision.target == nullptr);
    for (const auto& header : want.headers) check_header(header, is_refused);
  }

  void check_upstream(const config::Located<std::string>& wanted, const Decision& decision) {
    if (decision.target == nullptr) return expect("upstream", wanted.place, *wanted, "", upstream_names());
    const auto& targets = decision.route->targets;
    if (std::ranges::any_of(targets, [&](const Target& target) { return target.group->name() == *wanted; })) return;
    expect("upstream", wanted.place, *wanted, decision.target->group->name(), upstream_names());
  }

  void check_path(const config::Located<std::string>& wanted, bool is_answered_here) {
    if (is_answered_here) return expect("path", wanted.place, *wanted, "");
    const auto& sent = probe_.exchange().upstream_request();
    std::string got(sent.path);
    if (sent.has_query) (got += '?') += sent.query;
    expect("path", wanted.place, *wanted, got);
  }

  void check_header(const config::Map<std::string>::Entry& wanted, bool is_refused) {
    std::string lower(wanted.key);
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c); });
    const http::FieldList& fields =
        probe_.decision().target != nullptr ? probe_.exchange().upstream_request().fields : probe_.answer().fields;
    const http::Field* const field = is_refused ? nullptr : fields.find(std::string_view(lower));
    expect("headers." + wanted.key, wanted.place, wanted.value, field == nullptr ? std::string_view() : field->value);
  }

  const TestConfig& test_;
  const Plan* plan_ = nullptr;
  const std::string path_;
  config::Diagnostics& diagnostics_;
  Probe probe_;
};

}  // namespace

void run_config_tests(const RootConfig& config, const Plan& plan, config::Diagnostics& diagnostics) {
  for (std::size_t i = 0; i < config.tests.size(); ++i) TestRun(config.tests[i], i, diagnostics).run(plan);
}

}  // namespace sluice::gateway
