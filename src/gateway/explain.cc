#include "gateway/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "route/explain.h"

namespace sluice::gateway {

namespace {

using config::JsonWriter;

// What the policies said while the engine ran.
class Told final : public policy::Listener {
 public:
  struct Step {
    std::string kind;
    std::vector<std::string> lines;
  };
  void begins(std::string_view kind) override { steps.push_back({.kind = std::string(kind), .lines = {}}); }
  void told(std::string_view what) override { steps.back().lines.emplace_back(what); }
  std::vector<Step> steps;
};

constexpr std::size_t most_candidates_shown = 12;

std::string_view outcome_name(route::Outcome outcome) {
  using enum route::Outcome;
  switch (outcome) {
    case host_differs:
      return "host_differs";
    case path_differs:
      return "path_differs";
    case method_differs:
      return "method_differs";
    case header_differs:
      return "header_differs";
    case query_differs:
      return "query_differs";
    case less_specific:
      return "less_specific";
    case chosen:
      return "chosen";
  }
  return "";
}

std::string path_text(const http::RequestHead& sent) {
  return std::string(sent.path) + (sent.has_query ? "?" : "") + std::string(sent.query);
}

std::string canonical_path(const http::Request& request) {
  return std::string(request.path) + (request.has_query ? "?" : "") + std::string(request.query);
}

// One explanation, gathered once and written in either form.
class Explanation {
 public:
  Explanation(const RootConfig& config, const Plan& plan, const ListenerPlan& listener, const ProbeRequest& request)
      : config_(config), plan_(plan), listener_(listener), request_(request) {}

  bool run(std::string& fault) {
    if (!probe_.run(plan_, listener_, request_, &told_, fault)) return false;
    if (!probe_.refusal()) find_candidates();
    return true;
  }

  std::string text() {
    out_ = fmt::format("{} {} on listener {} ({})\n", request_.method, request_.url, listener_.name,
                       listener_.bind.text());
    if (probe_.refusal()) {
      const Refusal& refusal = *probe_.refusal();
      out_ += fmt::format("refused:   {} {} ({}): {}\n", refusal.cause->status, refusal.cause->title,
                          refusal.cause->code, refusal.detail);
      return std::move(out_);
    }
    out_ += fmt::format("canonical: host {}, path {}\n", probe_.request().host, canonical_path(probe_.request()));
    text_route();
    text_policies();
    text_end();
    return std::move(out_);
  }

  std::string json() {
    JsonWriter json(JsonWriter::Layout::indented);
    json.begin_object();
    json.member("method", request_.method);
    json.member("url", request_.url);
    json.member("listener", listener_.name);
    if (probe_.refusal()) {
      json_answer(json, probe_.refusal()->cause->status, probe_.refusal()->cause, probe_.refusal()->detail);
    } else {
      json.member("host", probe_.request().host);
      json.member("path", canonical_path(probe_.request()));
      json_route(json);
      json_policies(json);
      json_end(json);
    }
    json.end_object();
    return json.result() + "\n";
  }

 private:
  void find_candidates() {
    std::vector<route::Rule> rules;
    for (std::uint32_t i = 0; i < config_.routes.size(); ++i) {
      const auto& names = config_.routes[i].match.listener;
      if (names.empty() || std::ranges::any_of(names, [&](const auto& name) { return *name == listener_.name; }))
        rules.push_back({.route = i, .match = &config_.routes[i].match});
    }
    candidates_ = route::explain(*listener_.router, rules, probe_.request(), probe_.arena());
    std::ranges::sort(candidates_, [](const auto& a, const auto& b) {
      return a.outcome != b.outcome ? a.outcome > b.outcome : a.route < b.route;
    });  // the nearest first
  }

  void text_route() {
    const RoutePlan* const route = probe_.decision().route;
    out_ += fmt::format("route:     {}\n", route == nullptr ? "none" : route->name);
    std::size_t shown = 0;
    for (const auto& candidate : candidates_) {
      if (candidate.outcome == route::Outcome::chosen) continue;
      if (++shown > most_candidates_shown) continue;
      out_ += fmt::format("  not {}: {}\n", plan_.routes[candidate.route].name, candidate.text);
    }
    if (shown > most_candidates_shown) out_ += fmt::format("  and {} more\n", shown - most_candidates_shown);
    for (const http::Capture& capture : probe_.exchange().facts().captures)
      out_ += fmt::format("  {{{}}} = {}\n", capture.name, capture.value);
  }

  std::vector<const ChainLink*> chain() const {
    std::vector<const ChainLink*> links;
    for (const ChainLink& link : chain_before(listener_, probe_.decision().route)) links.push_back(&link);
    if (probe_.decision().route != nullptr)
      for (const ChainLink& link : probe_.decision().route->chain) links.push_back(&link);
    return links;
  }

  void text_policies() {
    const auto links = chain();
    out_ += links.empty() ? "policies:  none\n" : "policies:\n";
    for (std::size_t i = 0; i < links.size(); ++i) {
      out_ += fmt::format("  {}. {} (from {}){}\n", i + 1, links[i]->kind, links[i]->from,
                          i < told_.steps.size() ? "" : ": not reached");
      if (i >= told_.steps.size()) continue;
      for (const std::string& line : told_.steps[i].lines) out_ += fmt::format("     {}\n", line);
    }
  }

  void text_end() {
    const Decision& decision = probe_.decision();
    if (decision.target == nullptr) {
      const auto& reply = probe_.exchange().made_reply();
      out_ += fmt::format("answer:    {} {}{}\n", reply.status, http::reason_phrase(reply.status),
                          reply.cause == nullptr ? ""
                                                 : fmt::format(" (cause {}{}{})", reply.cause->code,
                                                               *reply.detail ? ": " : "", reply.detail));
      text_fields(probe_.answer().fields);
      return;
    }
    out_ += "upstream: ";
    for (const Target& target : decision.route->targets)
      out_ +=
          fmt::format(" {}{}", target.group->name(), &target == decision.target ? "" : " (by weight, not this time)");
    out_ += "\n";
    for (const auto& member : decision.target->group->members())
      out_ += fmt::format("  endpoint {} weight {}\n", member.endpoint->name(), member.weight);
    const http::RequestHead& sent = probe_.exchange().upstream_request();
    out_ += fmt::format("sent:      {} {}\n  host: {}\n", sent.method, path_text(sent), sent.authority);
    text_fields(sent.fields);
  }

  void text_fields(const http::FieldList& fields) {
    for (const http::Field& field : fields) out_ += fmt::format("  {}: {}\n", field.name, field.value);
  }

  void json_route(JsonWriter& json) {
    json.member("route", probe_.decision().route == nullptr ? "none" : std::string_view(probe_.decision().route->name));
    json.key("candidates");
    json.begin_array();
    for (const auto& candidate : candidates_) {
      json.begin_object();
      json.member("route", plan_.routes[candidate.route].name);
      json.member("outcome", outcome_name(candidate.outcome));
      json.member("text", candidate.text);
      json.end_object();
    }
    json.end_array();
    json.key("captures");
    json.begin_object();
    for (const http::Capture& capture : probe_.exchange().facts().captures) json.member(capture.name, capture.value);
    json.end_object();
  }

  void json_policies(JsonWriter& json) {
    const auto links = chain();
    json.key("policies");
    json.begin_array();
    for (std::size_t i = 0; i < links.size(); ++i) {
      json.begin_object();
      json.member("kind", links[i]->kind);
      json.member("from", links[i]->from);
      json.key("ran");
      json.boolean(i < told_.steps.size());
      json.key("said");
      json.begin_array();
      if (i < told_.steps.size())
        for (const std::string& line : told_.steps[i].lines) json.text(line);
      json.end_array();
      json.end_object();
    }
    json.end_array();
  }

  void json_answer(JsonWriter& json, int status, const Cause* cause, std::string_view detail) {
    json.key("answer");
    json.begin_object();
    json.key("status");
    json.integer(status);
    if (cause != nullptr) json.member("cause", cause->code);
    if (!detail.empty()) json.member("detail", detail);
    json_fields(json, probe_.answer().fields);
    json.end_object();
  }

  void json_end(JsonWriter& json) {
    const Decision& decision = probe_.decision();
    const auto& reply = probe_.exchange().made_reply();
    if (decision.target == nullptr) return json_answer(json, reply.status, reply.cause, reply.detail);
    json.member("upstream", decision.target->group->name());
    json.key("endpoints");
    json.begin_array();
    for (const auto& member : decision.target->group->members()) json.text(member.endpoint->name());
    json.end_array();
    const http::RequestHead& sent = probe_.exchange().upstream_request();
    json.key("sent");
    json.begin_object();
    json.member("method", sent.method);
    json.member("path", path_text(sent));
    json.member("host", sent.authority);
    json_fields(json, sent.fields);
    json.end_object();
  }

  static void json_fields(JsonWriter& json, const http::FieldList& fields) {
    json.key("headers");
    json.begin_array();
    for (const http::Field& field : fields) {
      json.begin_array();
      json.text(field.name);
      json.text(field.value);
      json.end_array();
    }
    json.end_array();
  }

  const RootConfig& config_;
  const Plan& plan_;
  const ListenerPlan& listener_;
  const ProbeRequest& request_;
  Probe probe_;
  Told told_;
  std::vector<route::Candidate> candidates_;
  std::string out_;
};

std::string chain_text(std::span<const ChainLink> listener, std::span<const ChainLink> route) {
  std::string out;
  for (const auto chain : {listener, route})
    for (const ChainLink& link : chain) out += fmt::format("{}{} ({})", out.empty() ? "" : ", ", link.kind, link.from);
  return out.empty() ? "none" : out;
}

// "host a.example.com; path /a, /b/*; method GET"
std::string match_text(const route::MatchConfig& match) {
  std::string out;
  const auto add = [&out](std::string_view name, const auto& list, auto text_of) {
    if (list.empty()) return;
    (out += out.empty() ? "" : "; ") += name;
    const char* separator = " ";
    for (const auto& one : list) (out += std::exchange(separator, ", ")) += text_of(one);
  };
  const auto named = [](const route::NamedMatch& one) { return one.name + " " + one.match.describe(); };
  add("host", match.host, [](const route::HostPattern& host) { return (host.is_wildcard ? "*." : "") + host.name; });
  add("path", match.path,
      [](const route::PathPattern& path) { return (path.regex != nullptr ? "regex " : "") + path.text; });
  add("method", match.method, [](const route::MethodName& method) { return method.name; });
  add("header", match.header.list, named);
  add("query", match.query.list, named);
  return out.empty() ? "every request" : out;
}

std::string target_text(const RoutePlan& route) {
  std::string out;
  std::uint32_t before = 0;
  for (const Target& target : route.targets) {
    out += fmt::format("{}{}", out.empty() ? "" : ", ", target.group->name());
    if (route.targets.size() > 1)
      out += fmt::format(" {}/{}", target.weight_up_to - before, route.targets.back().weight_up_to);
    before = target.weight_up_to;
  }
  return out.empty() ? "answered here" : out;
}

}  // namespace

bool explain_request(const RootConfig& config, const Plan& plan, const ListenerPlan& listener,
                     const ProbeRequest& request, ExplainFormat format, std::string& out, std::string& fault) {
  Explanation explanation(config, plan, listener, request);
  if (!explanation.run(fault)) return false;
  out = format == ExplainFormat::json ? explanation.json() : explanation.text();
  return true;
}

std::string explain_plan(const RootConfig& config, const Plan& plan, ExplainFormat format) {
  JsonWriter json(JsonWriter::Layout::indented);
  std::string out;
  json.begin_object();
  json.key("listeners");
  json.begin_array();
  for (const ListenerPlan& listener : plan.listeners) {
    out += fmt::format("listener {} on {}\n", listener.name, listener.bind.text());
    json.begin_object();
    json.member("name", listener.name);
    json.member("bind", listener.bind.text());
    json.key("routes");
    json.begin_array();
    for (std::size_t i = 0; i < plan.routes.size(); ++i) {
      const auto& names = config.routes[i].match.listener;
      if (!names.empty() && std::ranges::none_of(names, [&](const auto& name) { return *name == listener.name; }))
        continue;
      const RoutePlan& route = plan.routes[i];
      const std::string chain = chain_text(chain_before(listener, &route), route.chain), target = target_text(route);
      const std::string match = match_text(config.routes[i].match);
      out += fmt::format("  route {}\n    match    {}\n    policies {}\n    to       {}\n", route.name, match, chain,
                         target);
      json.begin_object();
      json.member("name", route.name);
      json.member("match", match);
      json.member("policies", chain);
      json.member("to", target);
      json.end_object();
    }
    json.end_array();
    json.end_object();
  }
  json.end_array();
  json.end_object();
  return format == ExplainFormat::json ? json.result() + "\n" : out;
}

}  // namespace sluice::gateway
