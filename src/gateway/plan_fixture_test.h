#pragma once
// A plan made from YAML, and what the decision engine makes of a request with it, as text. For tests and fuzz targets
// of this room; not used outside them.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "config/value.h"
#include "gateway/decide.h"
#include "gateway/fault_reply.h"
#include "gateway/plan_compiler.h"

namespace sluice::gateway {

struct LoadedPlan {
  explicit LoadedPlan(std::string yaml) {
    const auto document = config::parse(std::move(yaml), "g.yaml", diagnostics);
    if (document && config::read(*document, config, diagnostics)) plan = compile_plan(config, *kept, diagnostics);
  }

  config::Diagnostics diagnostics;
  RootConfig config;
  const CauseTable causes{std::span<const std::span<const Cause* const>>()};
  const std::unique_ptr<Kept> kept = std::make_unique<Kept>(1, causes);
  std::unique_ptr<Plan> plan;  // null: diagnostics say why
};

// The gateway's own answer as a client gets it; as exchange.cc makes it.
inline http::ResponseHead answer_of(const ListenerPlan& listener, const Decision& decision,
                                    policy::Exchange& exchange) {
  http::ResponseHead head = reply_head(exchange, "(now)");
  exchange.set_response(head);
  run_response_chain(listener, decision, exchange);
  return head;
}

// Everything that was decided about one request. `answer` is looked at when it goes nowhere.
inline std::string text_of(const Decision& decision, const policy::Exchange& exchange,
                           const http::ResponseHead& answer) {
  std::string text = "route ";
  text += decision.route == nullptr ? std::string_view("none") : decision.route->name;
  const auto add_fields = [&text](const http::FieldList& fields) {
    for (const http::Field& field : fields) text.append("\n").append(field.name).append(": ").append(field.value);
  };
  text += "\nran " + std::to_string(decision.policies_run);
  for (const http::Capture& one : exchange.facts().captures)
    text.append("\n{").append(one.name).append("} = ").append(one.value);
  if (decision.target == nullptr) {
    const auto& reply = exchange.made_reply();
    text += "\nanswer " + std::to_string(reply.status) + " " + (reply.cause != nullptr ? reply.cause->code : "-");
    text.append(" ").append(reply.detail).append("\n").append(reply.body);
    add_fields(answer.fields);
    return text;
  }
  const http::RequestHead& sent = exchange.upstream_request();
  text.append("\nto ").append(decision.target->group->name()).append("\n").append(sent.method).append(" ");
  text.append(sent.path).append(sent.has_query ? "?" : "").append(sent.query).append("\nhost: ").append(sent.authority);
  add_fields(sent.fields);
  return text;
}

// The decision as the data path makes it: the request came as bytes, nobody listens.
inline std::string decide_on(const Plan& plan, const ListenerPlan& listener, std::string_view bytes,
                             const net::Address& peer, std::uint64_t random) {
  Arena arena;
  http::h1::RequestParser parser(listener.server.head);
  parser.start(arena);
  const auto progress = parser.feed(bytes);
  if (!progress) return std::string("refused ") + progress.error().cause->code + " " + progress.error().detail;
  if (!progress->complete) return "incomplete";
  policy::Exchange exchange;
  exchange.begin(
      {.request = &parser.request(), .arena = &arena, .random = random, .peer = peer, .listener = listener.name});
  const Decision decision = decide(plan, listener, exchange);
  const http::ResponseHead answer =
      exchange.has_reply() ? answer_of(listener, decision, exchange) : http::ResponseHead();
  return text_of(decision, exchange, answer);
}

}  // namespace sluice::gateway
