// `explain` and the data path over random configs and requests (security invariant I12): a probe decides what decide()
// decides on the same bytes, and what explain_request() prints is that decision.

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>

#include "gateway/explain.h"
#include "gateway/plan_fixture_test.h"
#include "gateway/probe.h"

namespace sluice::gateway {
namespace {

// Small alphabets, so that conditions meet often.
class Generator {
 public:
  explicit Generator(std::uint32_t seed) : random_(seed) {}

  std::string config() {
    std::string yaml =
        "listeners:\n"
        "  - {name: one, bind: \"127.0.0.1:8081\", policies: [" +
        edge_policies() +
        "]}\n"
        "  - {name: two, bind: \"127.0.0.1:8082\"}\n"
        "upstreams: {u: {endpoints: [\"127.0.0.1:7001\"]}, v: {endpoints: [\"127.0.0.1:7002\"]}}\n"
        "global_policies: [" +
        edge_policies() +
        "]\n"
        "routes:\n";
    for (int i = 0, count = 1 + below(12); i < count; ++i) yaml += route(i);
    return yaml;
  }

  ProbeRequest request() {
    ProbeRequest made{
        .method = std::string(pick(methods_)), .url = "http://" + std::string(pick(hosts_)), .random = random_()};
    made.random = made.random << 32 | random_();
    for (int n = 1 + below(4); n > 0; --n) made.url += "/" + segment();
    if (below(6) == 0) made.url += "/";
    if (below(2) == 0) made.url += "?" + query();
    for (int n = below(4); n > 0; --n)
      made.headers.emplace_back(pick(names_), below(8) == 0 ? "198.51.100.7" : segment());
    made.client = *net::Address::parse_ip(below(2) == 0 ? "10.0.0.1" : "192.0.2.9");
    return made;
  }

 private:
  int below(int bound) { return static_cast<int>(random_() % static_cast<unsigned>(bound)); }
  template <std::size_t size>
  std::string_view pick(const std::array<std::string_view, size>& from) {
    return from[random_() % size];
  }
  std::string segment() { return std::string(pick(segments_)); }
  std::string query() {
    std::string made;
    for (int n = below(3); n >= 0; --n)
      made += (made.empty() ? "" : "&") + std::string(below(2) == 0 ? "p" : "q=") + segment();
    return made;
  }

  std::string route(int number) {
    std::string match;
    const auto add = [&match](const std::string& one) { match += (match.empty() ? "" : ", ") + one; };
    bool has_id = false, has_rest = false;
    if (below(8) != 0) add("path: \"" + path(has_id, has_rest) + "\"");
    if (below(3) == 0) add("host: \"" + std::string(pick(host_patterns_)) + "\"");
    if (below(4) == 0) add("method: " + std::string(pick(methods_)));
    if (below(4) == 0) add("header: {x: " + condition() + "}");
    if (below(4) == 0) add("query: {p: " + condition() + "}");
    if (below(6) == 0) add("listener: " + std::string(below(2) == 0 ? "one" : "two"));
    std::string line = "  - {name: r" + std::to_string(number) + ", match: {" + match + "}, policies: [";
    line += route_policies(has_id);
    if (has_rest && below(3) == 0) line += "{rewrite: {prefix: /below}}, ";
    if (has_id && below(3) == 0) line += "{rewrite: {path: \"/v2/{id}\"}}, ";
    if (below(6) == 0) return line + "{respond: {status: 200, body: here}}]}\n";
    if (below(8) == 0) return line + "{redirect: {to: \"https://{host}{path}\"}}]}\n";
    line += "], to: " + std::string(below(2) == 0 ? "u" : "{u: 3, v: 7}");
    return line + (below(5) == 0 ? ", encoded_slash: keep}\n" : "}\n");
  }
  std::string path(bool& has_id, bool& has_rest) {
    std::string made;
    for (int n = below(3); n > 0; --n) made += "/" + std::string(1, "abc"[below(3)]);
    has_id = below(3) == 0;
    if (has_id) made += "/{id}";
    has_rest = below(2) == 0 || made.empty();
    return has_rest ? made + "/*" : made;
  }
  std::string condition() {
    constexpr std::array<std::string_view, 5> forms{"a", "{prefix: a}", "{regex: \"[ab]+\"}", "{present: true}",
                                                    "{present: false}"};
    return std::string(pick(forms));
  }
  // Those of a listener or of all, which stand before every route's: of the stage `edge`.
  std::string edge_policies() {
    const std::string id = "{request_id: {respond: " + std::string(below(2) == 0 ? "true" : "false") + "}}";
    return below(3) == 0 ? id + ", {forwarded: {trusted: 10.0.0.0/8, rfc7239: true}}" : below(2) == 0 ? id : "";
  }
  // A route's own, in the order of their stages, each with a comma behind it.
  std::string route_policies(bool has_id) {
    std::string made = below(4) == 0 ? "{body_limit: {max: 1KiB}}, " : "";
    if (below(3) == 0)
      made += "{headers: {request: {set: {x-seen: \"{method} {path} {client.ip}" + std::string(has_id ? " {id}" : "") +
              "\"}, remove: x}}}, ";
    return made;
  }

  static constexpr std::array<std::string_view, 4> methods_{"GET", "PUT", "OPTIONS", "PURGE"};
  static constexpr std::array<std::string_view, 5> hosts_{"x.org", "a.x.org", "B.a.x.org:80", "other", "[::1]:8080"};
  static constexpr std::array<std::string_view, 4> host_patterns_{"x.org", "*.x.org", "*.a.x.org", "other"};
  static constexpr std::array<std::string_view, 5> names_{"x", "X-Forwarded-For", "x-request-id", "forwarded",
                                                          "content-length"};
  static constexpr std::array<std::string_view, 10> segments_{"a",  "b",     "c", "a",   "%61",
                                                              "..", "a%2Fb", ".", "a;b", "ab"};
  std::mt19937 random_;
};

std::string bytes_of(const ProbeRequest& request) {
  std::string_view rest = std::string_view(request.url).substr(std::string_view("http://").size());
  const std::size_t slash = rest.find('/');
  std::string bytes = request.method + " " + std::string(rest.substr(slash)) + " HTTP/1.1\r\nhost: ";
  bytes += std::string(rest.substr(0, slash)) + "\r\n";
  for (const auto& [name, value] : request.headers) bytes += name + ": " + value + "\r\n";
  return bytes + "\r\n";
}

class Listens final : public policy::Listener {
 public:
  void begins(std::string_view) override {}
  void told(std::string_view) override {}
};

std::string probed(const Plan& plan, const ListenerPlan& listener, const ProbeRequest& request) {
  Listens listens;
  Probe probe;
  std::string fault;
  if (!probe.run(plan, listener, request, &listens, fault)) return "fault " + fault;
  if (probe.refusal()) return std::string("refused ") + probe.refusal()->cause->code + " " + probe.refusal()->detail;
  return text_of(probe.decision(), probe.exchange(), probe.answer());
}

// The lines of `explain` that name the decision are in the decision.
void check_explained(const LoadedPlan& loaded, const ListenerPlan& listener, const ProbeRequest& request,
                     const std::string& decided) {
  std::string text, fault;
  ASSERT_TRUE(explain_request(loaded.config, *loaded.plan, listener, request, ExplainFormat::text, text, fault))
      << fault;
  const auto line_of = [&text](std::string_view name) {
    const std::size_t at = text.find("\n" + std::string(name));
    if (at == std::string::npos) return std::string();
    const std::size_t begin = at + 1 + name.size();
    return text.substr(begin, text.find('\n', begin) - begin);
  };
  if (decided.starts_with("refused ")) {
    const std::string cause = decided.substr(8, decided.find(' ', 8) - 8);
    ASSERT_NE(line_of("refused:   ").find("(" + cause + ")"), std::string::npos) << text << decided;
    return;
  }
  ASSERT_TRUE(decided.starts_with("route " + line_of("route:     ") + "\n")) << text << decided;
  const std::string answer = line_of("answer:    "), sent = line_of("sent:      ");
  ASSERT_NE(answer.empty(), sent.empty()) << text;
  if (!sent.empty()) ASSERT_NE(decided.find("\n" + sent + "\nhost: "), std::string::npos) << text << decided;
  if (!answer.empty())
    ASSERT_NE(decided.find("\nanswer " + answer.substr(0, 3) + " "), std::string::npos) << text << decided;
}

TEST(DecideProperty, I12_ExplainAndTheDataPathDecideTheSame) {
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  constexpr std::uint32_t configs = 150;
#else
  constexpr std::uint32_t configs = 5'000;
#endif
  constexpr int requests = 200;
  std::size_t routed = 0, answered = 0, refused = 0;
  for (std::uint32_t seed = 1; seed <= configs; ++seed) {
    Generator generator(seed);
    const std::string yaml = generator.config();
    const LoadedPlan loaded(yaml);
    ASSERT_NE(loaded.plan, nullptr) << yaml << loaded.diagnostics.render();
    for (int n = 0; n < requests; ++n) {
      const ListenerPlan& listener = loaded.plan->listeners[static_cast<std::size_t>(n) % 2];
      const ProbeRequest request = generator.request();
      const std::string decided = decide_on(*loaded.plan, listener, bytes_of(request), request.client, request.random);
      ASSERT_EQ(probed(*loaded.plan, listener, request), decided) << request.method << " " << request.url << "\n"
                                                                  << yaml;
      if (n % 10 == 0) check_explained(loaded, listener, request, decided);
      routed += decided.contains("\nto ") ? 1 : 0;
      answered += decided.contains("\nanswer ") ? 1 : 0;
      refused += decided.starts_with("refused ") ? 1 : 0;
    }
  }
  const std::size_t all = std::size_t{configs} * requests;
  EXPECT_EQ(routed + answered + refused, all);
  EXPECT_GT(routed, all / 5);
  EXPECT_GT(answered, all / 5);
  EXPECT_GT(refused, all / 50);
}

}  // namespace
}  // namespace sluice::gateway
