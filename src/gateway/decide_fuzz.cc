// libFuzzer: any request through every kind of policy. What goes to the upstream is canonical and one request only;
// what is answered here can be written; and it makes no difference whether somebody listens (as `explain` does).

#include <cstdint>
#include <string>

#include "base/fuzz_input.h"
#include "gateway/plan_fixture_test.h"
#include "http/h1/writer.h"

namespace {

using namespace sluice;           // NOLINT: a program of its own
using namespace sluice::gateway;  // NOLINT
using fuzz::require;

constexpr const char* config_text = R"yaml(
listeners: [{name: public, bind: "127.0.0.1:8080"}]
upstreams: {a: {endpoints: ["127.0.0.1:7001"]}, b: {endpoints: ["127.0.0.1:7002"]}}
global_policies:
  - request_id: {respond: true}
  - forwarded: {trusted: [10.0.0.0/8, "fd00::/8"], rfc7239: true}
routes:
  - name: plain
    match: {path: /*}
    to: {a: 90, b: 10}
  - name: user
    match: {path: "/users/{id}"}
    policies:
      - body_limit: {max: 1KiB}
      - rewrite: {path: "/v2/users/{id}", host: "{id}.internal"}
      - headers:
          request: {set: {x-all: "{method} {scheme} {host} {authority} {path} {query} {client.ip} {request.id} {id}"},
                    add: {x-echo: "{request.header.x-echo}"}, remove: cookie}
    to: a
  - name: below
    match: {path: "/below/{rest*}"}
    encoded_slash: keep
    policies: [{rewrite: {prefix: /deep/er}}]
    to: b
  - name: regex
    match: {path: {regex: "/r/(?P<one>.*)/(?P<two>[^/]*)"}}
    encoded_slash: keep
    policies: [{rewrite: {path: "/{two}/{one}"}}]
    to: b
  - name: moved
    match: {path: "/moved/{rest*}"}
    policies: [{redirect: {to: "https://{host}/{rest}"}}]
  - name: answered
    match: {path: /answer/*, query: {q: {prefix: a}}}
    policies: [{respond: {status: 200, body: here, headers: {x-path: "{path}", x-query: "{query}", x-echo: "{request.header.x-echo}"}}}]
)yaml";

const LoadedPlan& loaded() {
  static const LoadedPlan made(config_text);
  require(made.plan != nullptr, made.diagnostics.render());
  return made;
}

class Listens final : public policy::Listener {
 public:
  void begins(std::string_view) override { ++steps; }
  void told(std::string_view what) override { require(!what.contains('\n'), "what a policy says is one line"); }
  std::size_t steps = 0;
};

// What an upstream gets reads back as the request that was decided on.
void check_sent(const policy::Exchange& exchange) {
  const http::RequestHead& sent = exchange.upstream_request();
  std::string wire(http::h1::head_bytes(sent), '\0');
  wire.resize(http::h1::write_request(sent, false, wire.data()));
  require(!wire.empty(), "what a policy made can be written");
  Arena arena;
  const http::HeadLimits limits{
      .start_line_bytes = 1 << 20, .field_line_bytes = 1 << 20, .head_bytes = 1 << 22, .fields = 1000};
  http::h1::RequestParser parser(limits);
  parser.start(arena);
  const auto progress = parser.feed(wire);
  require(progress && progress->complete && progress->consumed == wire.size(), "an upstream sees one request");
  const http::Request& seen = parser.request();
  require(seen.path == sent.path && seen.query == sent.query && seen.has_query == sent.has_query,
          "its path is canonical");
  require(seen.authority == sent.authority && seen.method_name == sent.method, "its host is canonical");
  require(seen.fields.size() == sent.fields.size(), "it has as many fields as were decided on");
  for (std::size_t i = 0; i < seen.fields.size(); ++i)
    require(seen.fields[i].name == sent.fields[i].name && seen.fields[i].value == sent.fields[i].value,
            "its fields are those that were decided on");
  for (const std::string_view ours :
       {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "x-request-id"}) {
    std::size_t count = 0;
    seen.fields.each(ours, [&](const http::Field&) { ++count; });
    require(count <= 1, "what the gateway vouches for is said once");
  }
}

void check_answer(const http::ResponseHead& head) {
  std::string wire(http::h1::head_bytes(head), '\0');
  const auto framing = head.body.is_empty() ? http::h1::Framing::none : http::h1::Framing::length;
  require(http::h1::write_response(head, framing, true, false, wire.data()) > 0, "an answer made here can be written");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t knob = input.take_byte();
  const Plan& plan = *loaded().plan;
  const ListenerPlan& listener = plan.listeners.front();
  const net::Address peer = *net::Address::parse_ip(knob % 2 == 0 ? "10.1.2.3" : "192.0.2.1");
  const std::uint64_t random = std::uint64_t{knob} << 56;

  Arena arena;
  http::h1::RequestParser parser(listener.server.head);
  parser.start(arena);
  const auto progress = parser.feed(input.rest());
  if (!progress || !progress->complete) return 0;
  if (parser.request().authority.empty()) return 0;  // HTTP/1.0 without Host: nothing to vouch for
  policy::Exchange exchange;
  Listens listens;
  exchange.listen(&listens);
  exchange.begin(
      {.request = &parser.request(), .arena = &arena, .random = random, .peer = peer, .listener = listener.name});
  const Decision decision = decide(plan, listener, exchange);
  require(decision.policies_run == listens.steps, "each policy that ran was heard");
  const http::ResponseHead answer =
      exchange.has_reply() ? answer_of(listener, decision, exchange) : http::ResponseHead();
  require(text_of(decision, exchange, answer) == decide_on(plan, listener, input.rest(), peer, random),
          "listening changes nothing");
  decision.target != nullptr ? check_sent(exchange) : check_answer(answer);
  return 0;
}
