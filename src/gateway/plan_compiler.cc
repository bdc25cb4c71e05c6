#include "gateway/plan_compiler.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "config/suggest.h"
#include "gateway/chain_compiler.h"
#include "policy/value_template.h"
#include "route/analysis.h"

namespace sluice::gateway {

namespace {

using Chain = ChainCompiler::Chain;

class Compiler {
 public:
  Compiler(const RootConfig& config, Kept& kept, config::Diagnostics& diagnostics)
      : config_(config), kept_(kept), diagnostics_(diagnostics), chains_(config, *plan_, kept.policies, diagnostics) {}

  std::unique_ptr<Plan> compile() {
    check_listeners();
    compile_upstreams();
    compile_global_chain();
    compile_routes();
    compile_listeners();
    report_unused();
    if (diagnostics_.has_errors()) return nullptr;
    plan_->is_access_logged = config_.access_log.to != "off";
    plan_->unrouted = kept_.route_stats.find_or_make("");
    plan_->limits = Limits::of(config_.limits, kept_.machine, kept_.workers, plan_->has_critical_routes);
    plan_->connections = kept_.connections;
    plan_->stream_close_spread = config_.stream_close_spread;
    std::ranges::sort(plan_->admissions, std::less<>(), &Plan::RouteAdmission::stats);
    return std::move(plan_);
  }

 private:
  static std::string indexed(std::string_view list, std::size_t index) {
    return std::string(list) + "[" + std::to_string(index) + "]";
  }

  void check_listeners() {
    std::map<std::string_view, config::Place> names;
    struct Owner {
      std::string who;
      config::Place place;
    };
    std::map<std::string, Owner> addresses;
    addresses.emplace(config_.admin.bind.address.text(), Owner{"`admin`", config_.admin.bind.place});
    check_admin();
    for (std::size_t i = 0; i < config_.listeners.size(); ++i) {
      const ListenerConfig& listener = config_.listeners[i];
      if (const auto [at, is_new] = names.emplace(*listener.name, listener.name.place); !is_new)
        report_twice(listener.name.place, "duplicate_listener", indexed("listeners", i) + ".name",
                     "there is a listener '" + *listener.name + "' already", at->second);
      if (listener.bind.address.port == 0) continue;  // the kernel chooses: as many as one likes
      const Owner owner{"listener '" + *listener.name + "'", listener.bind.place};
      const auto [at, is_new] = addresses.emplace(listener.bind.address.text(), owner);
      if (is_new) continue;
      auto& diagnostic = report_twice(listener.bind.place, "duplicate_bind", indexed("listeners", i) + ".bind",
                                      listener.bind.text + " is taken by " + at->second.who, at->second.place);
      diagnostic.help = "choose another port";
      if (!at->second.place.is_known()) diagnostic.help += ", or give `admin` another one: it listens there by default";
    }
  }

  void check_admin() {
    const BindAddress& bind = config_.admin.bind;
    if (is_loopback(bind.address)) return;
    diagnostics_
        .warning(bind.place, "admin_exposed", "admin.bind",
                 bind.text + " is no loopback address, and the admin pages ask nobody who they are")
        .help = "bind it to 127.0.0.1, or let a firewall decide who reaches it";
  }

  static bool is_loopback(const net::Address& address) {
    constexpr std::array<std::uint8_t, 16> localhost{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    return address.is_v4 ? address.ip[12] == 127 : address.ip == localhost;
  }

  config::Diagnostic& report_twice(config::Place place, std::string_view code, std::string path, std::string what,
                                   config::Place first) {
    auto& diagnostic = diagnostics_.error(place, code, std::move(path), std::move(what));
    if (first.is_known()) diagnostic.notes.push_back({.what = "first given here", .place = first});
    return diagnostic;
  }

  void compile_upstreams() {
    for (const auto& entry : config_.upstreams) {
      check_not_admin(entry.key, entry.value);
      if (entry.value.endpoints.empty()) {  // was reported when it was read: no plan will come of it
        groups_.emplace(entry.key, nullptr);
        continue;
      }
      std::shared_ptr<const net::tls::ClientContext> tls;
      if (entry.value.tls)
        tls = compile_tls(*entry.value.tls, entry.value.alpn(), "upstreams." + entry.key + ".tls", kept_.tls,
                          diagnostics_);
      if (entry.value.tls && tls == nullptr) {  // never in the clear instead
        groups_.emplace(entry.key, nullptr);
        continue;
      }
      plan_->groups.push_back(upstream::Group::make(entry.key, entry.value, kept_.endpoints, std::move(tls)));
      groups_.emplace(entry.key, plan_->groups.back().get());
    }
  }

  // Admin pages are never reachable through a route (security invariant I10).
  void check_not_admin(const std::string& name, const upstream::UpstreamConfig& upstream) {
    for (const auto& endpoint : upstream.endpoints)
      if (endpoint.address.address == config_.admin.bind.address)
        diagnostics_
            .error(endpoint.address.place, "endpoint_is_admin", "upstreams." + name + ".endpoints",
                   endpoint.address.text + " is the admin listener: its pages must not be reachable through a route")
            .help = "name the service's own address, or move `admin.bind`";
  }

  void compile_global_chain() {
    chains_.append(global_, config_.global_policies, "global_policies", "global_policies");
  }

  void compile_routes() {
    std::map<std::string_view, config::Place> names;
    plan_->routes.resize(config_.routes.size());
    plan_->route_stats.resize(config_.routes.size());
    plan_->route_chains.resize(config_.routes.size());
    route_chains_.resize(config_.routes.size());
    for (std::size_t i = 0; i < config_.routes.size(); ++i) {
      const RouteConfig& route = config_.routes[i];
      const std::string path = indexed("routes", i);
      if (const auto [at, is_new] = names.emplace(*route.name, route.name.place); !is_new)
        report_twice(route.name.place, "duplicate_route_name", path + ".name",
                     "there is a route '" + *route.name + "' already", at->second);
      RoutePlan& plan = plan_->routes[i];
      plan_->route_stats[i] = kept_.route_stats.find_or_make(*route.name);
      plan.stats = plan_->route_stats[i].get();
      plan.name = plan.stats->name();
      plan.is_critical = route.priority == Priority::critical;
      plan_->has_critical_routes |= plan.is_critical;
      plan.keep_encoded_slash = route.encoded_slash == EncodedSlash::keep;
      chains_.append(route_chains_[i], route.policies, "route " + *route.name, path + ".policies");
      compile_targets(route, plan, route_chains_[i], path);
      check_captures(route_chains_[i], route, path);
      for (const auto& link : route_chains_[i]) {
        plan_->route_chains[i].push_back(link.link);
        plan.replaces_defaults |= link.kind->is_on_by_default;
      }
      plan.chain = plan_->route_chains[i];
      compile_streams(route, plan);
      plan_->admissions.push_back({.stats = plan.stats,
                                   .route = static_cast<std::uint32_t>(i),
                                   .fingerprint = fingerprint(config::dump(route.match), route_chains_[i], plan)});
    }
  }

  void compile_streams(const RouteConfig& route, RoutePlan& plan) {
    plan.allows_websocket = route.websocket->is_allowed;
    if (!route.websocket->changes_limits() && !route.event_stream->changes_limits()) return;
    plan.streams = static_cast<std::uint32_t>(plan_->route_streams.size());
    plan_->route_streams.push_back({*route.websocket, *route.event_stream});
  }

  // Of what decides who is let in: a policy that only changes what passes is none of it.
  static std::uint64_t fingerprint(std::string text, const Chain& chain, const RoutePlan& route) {
    text += route.allows_websocket ? 'w' : '-';
    text += route.keep_encoded_slash ? 's' : '-';
    text += route.replaces_defaults ? 'd' : '-';
    for (const auto& link : chain) {
      if ((link.kind->stage > policy::Stage::admit && !link.kind->always_answers) || link.entry->config == nullptr)
        continue;
      text += link.kind->name;
      text += link.kind->dump(link.entry->config.get());
    }
    return XXH3_64bits(text.data(), text.size());
  }

  void compile_targets(const RouteConfig& route, RoutePlan& plan, const Chain& chain, const std::string& path) {
    const bool is_answered = std::ranges::any_of(chain, [](const auto& link) { return link.kind->always_answers; });
    if (!*route.to) {
      if (is_answered || route.to.place.is_known()) return;  // a bad `to` was reported when it was read
      diagnostics_
          .error(route.place, "no_target", path,
                 "the route sends nowhere: it has no `to` and no policy that always answers")
          .help = "add `to:` with the name of an upstream, or a `respond` or `redirect` policy";
      return;
    }
    std::uint32_t sum = 0;
    std::vector<Target> targets;
    for (const auto& target : (*route.to)->targets) {
      const auto group = groups_.find(target.upstream);
      if (group == groups_.end()) {
        report_unknown_upstream(target, path);
        continue;
      }
      if (group->second == nullptr) continue;
      used_groups_.insert(group->second);
      sum += target.weight;
      if (target.weight == 0) continue;
      targets.push_back({.group = group->second,
                         .timeouts = upstream::merge(group->second->timeouts(), *route.timeouts),
                         .weight_up_to = sum});
    }
    plan.targets = *plan_->targets.insert(std::move(targets)).first;
  }

  void report_unknown_upstream(const RouteTargets::Target& target, const std::string& path) {
    std::vector<std::string_view> names;
    for (const auto& entry : config_.upstreams) names.push_back(entry.key);
    diagnostics_.error(target.place, "unknown_upstream", path + ".to", "there is no upstream '" + target.upstream + "'")
        .want =
        names.empty() ? "the config defines no `upstreams`" : config::suggestion(target.upstream, names, "upstreams");
  }

  static bool has_capture(const route::PathPattern& pattern, std::string_view name) {
    if (name.empty()) return pattern.kind == route::PathPattern::Kind::prefix;
    if (pattern.regex != nullptr)
      return std::ranges::find(pattern.regex->group_names(), name) != pattern.regex->group_names().end();
    return pattern.rest_name == name || std::ranges::any_of(pattern.segments, [&](const auto& segment) {
             return segment.is_parameter && segment.text == name;
           });
  }

  void check_captures(const Chain& chain, const RouteConfig& route, const std::string& path) {
    for (const auto& link : chain) {
      for (const auto& use : *link.captures) {
        const auto lacks = [&](const route::PathPattern& pattern) { return !has_capture(pattern, use.name); };
        if (!route.match.path.empty() && std::ranges::none_of(route.match.path, lacks)) continue;
        if (!reported_.insert({link.entry, use.name}).second) continue;
        if (use.name.empty()) {
          diagnostics_
              .error(use.place, "no_prefix", path, "the path of route '" + *route.name + "' has no prefix to replace")
              .help = "end it in `/*`: every one of its paths must";
          continue;
        }
        report_unknown_capture(use, route, path);
      }
    }
  }

  void report_unknown_capture(const policy::CompileContext::CaptureUse& use, const RouteConfig& route,
                              const std::string& path) {
    const auto& paths = route.match.path;
    const auto lacking =
        std::ranges::find_if(paths, [&](const auto& pattern) { return !has_capture(pattern, use.name); });
    const bool has_some =
        std::ranges::any_of(paths, [&](const auto& pattern) { return has_capture(pattern, use.name); });
    if (has_some) {
      diagnostics_
          .error(use.place, "unknown_capture", path,
                 "{" + use.name + "} is a capture of some paths of route '" + *route.name + "', but not of " +
                     lacking->text)
          .help = "give every path of the route this capture, or make it several routes";
      return;
    }
    auto& diagnostic = diagnostics_.error(
        use.place, "unknown_capture", path,
        "{" + use.name + "} is neither a capture of the path of route '" + *route.name + "' nor a variable");
    std::vector<std::string_view> known;
    for (const auto& pattern : paths) add_captures(pattern, known);
    for (const std::string_view name : policy::ValueTemplate::variables()) known.push_back(name);
    diagnostic.want = config::suggestion(use.name, known, "names");
    diagnostic.help = "captures are written in the route's path: `/users/{" + use.name + "}`";
  }

  static void add_captures(const route::PathPattern& pattern, std::vector<std::string_view>& names) {
    for (const auto& segment : pattern.segments)
      if (segment.is_parameter) names.push_back(segment.text);
    if (!pattern.rest_name.empty()) names.push_back(pattern.rest_name);
    if (pattern.regex != nullptr)
      for (const std::string& name : pattern.regex->group_names()) names.push_back(name);
  }

  void compile_listeners() {
    for (std::size_t i = 0; i < config_.listeners.size(); ++i) {
      const ListenerConfig& listener = config_.listeners[i];
      const std::string path = indexed("listeners", i);
      Chain chain = global_;
      chains_.append(chain, listener.policies, "listener " + *listener.name, path + ".policies");
      const std::size_t default_links = chains_.prepend_defaults(chain);
      chains_.check_order({}, chain, path);
      for (const auto& link : chain)
        for (const auto& use : *link.captures)
          if (reported_.insert({link.entry, use.name}).second)
            diagnostics_
                .error(use.place, use.name.empty() ? "no_prefix" : "unknown_capture", path,
                       use.name.empty()
                           ? "a policy for every route cannot replace the prefix of one path"
                           : "{" + use.name + "}: a policy for every route cannot use the capture of one path")
                .help = "put the policy on the routes that have it in their path";
      ListenerPlan plan{
          .name = *listener.name,
          .number = kept_.listener_numbers.number_of(*listener.name),
          .bind = listener.bind.address,
          .default_links = default_links,
          .server = server_settings(listener),
          .websocket = listener.websocket,
          .event_stream = listener.event_stream,
          .admission = fingerprint(listener.tls ? "tls" : "", chain, {}),
          .http2 = listener.http2.settings(static_cast<std::uint32_t>(listener.limits.header_total.bytes))};
      if (listener.tls) {
        plan.tls = compile_tls(*listener.tls, listener.alpn(), path + ".tls", kept_.tls, diagnostics_);
        plan.tls_handshake_timeout = listener.tls->handshake_timeout;
        plan.asks_for_staples = listener.tls->staple;
      }
      if (listener.proxy_protocol) {
        for (const auto& proxy : listener.proxy_protocol->trusted) plan.proxies.push_back(proxy.block);
        plan.proxy_header_timeout = listener.proxy_protocol->timeout;
      }
      for (const auto& link : chain) plan.chain.push_back(link.link);
      std::vector<route::Rule> rules;
      for (std::size_t r = 0; r < config_.routes.size(); ++r) {
        if (!serves(config_.routes[r], *listener.name)) continue;
        rules.push_back({.route = static_cast<std::uint32_t>(r), .match = &config_.routes[r].match});
        check_boundary(chain, r);
      }
      if (!diagnostics_.has_errors()) plan.router = route::Router::compile(rules);
      plan_->listeners.push_back(std::move(plan));
    }
  }

  // Most routes need no look at every link: only a chain that steps back does.
  void check_boundary(const Chain& before, std::size_t route) {
    if (!route_chains_[route].empty())
      chains_.check_order(before, route_chains_[route], indexed("routes", route) + ".policies");
  }

  static bool serves(const RouteConfig& route, std::string_view listener) {
    return route.match.listener.empty() ||
           std::ranges::any_of(route.match.listener, [&](const auto& name) { return *name == listener; });
  }

  static http::h1::ServerSettings server_settings(const ListenerConfig& listener) {
    http::h1::ServerSettings settings;
    settings.head.start_line_bytes = static_cast<std::uint32_t>(listener.limits.request_line.bytes);
    settings.head.field_line_bytes = static_cast<std::uint32_t>(listener.limits.header_line.bytes);
    settings.head.head_bytes = static_cast<std::uint32_t>(listener.limits.header_total.bytes);
    settings.head.fields = listener.limits.header_count;
    settings.request_header_timeout = listener.request_header_timeout;
    settings.keep_alive_timeout = listener.keep_alive_timeout;
    settings.client_idle_timeout = listener.client_idle_timeout;
    settings.least_upload_rate = static_cast<std::uint32_t>(listener.limits.min_upload_rate.bytes);
    settings.least_download_rate = static_cast<std::uint32_t>(listener.limits.min_download_rate.bytes);
    settings.rate_grace = listener.limits.rate_grace;
    settings.takes_http1 = listener.speaks(Protocol::http1);
    settings.takes_http2 = listener.speaks(Protocol::http2);
    return settings;
  }

  void report_unused() {
    std::vector<std::string_view> listeners;
    for (const auto& listener : config_.listeners) listeners.push_back(*listener.name);
    std::vector<route::NamedRule> rules;
    for (std::size_t i = 0; i < config_.routes.size(); ++i) {
      const RouteConfig& route = config_.routes[i];
      for (const auto& name : route.match.listener)
        if (std::ranges::find(listeners, *name) == listeners.end())
          diagnostics_
              .error(name.place, "unknown_listener", indexed("routes", i) + ".match.listener",
                     "there is no listener '" + *name + "'")
              .want = config::suggestion(*name, listeners, "listeners");
      rules.push_back(
          {.name = *route.name, .place = route.place, .path = indexed("routes", i) + ".match", .match = &route.match});
    }
    if (diagnostics_.has_errors()) return;  // what is unused may be so because of them
    route::find_unreachable_routes(rules, diagnostics_);
    for (const auto& entry : config_.upstreams)
      if (!used_groups_.contains(groups_.at(entry.key)))
        diagnostics_.warning(entry.place, "unused_upstream", "upstreams." + entry.key,
                             "no route sends to the upstream '" + entry.key + "'");
    chains_.report_unused();
  }

  const RootConfig& config_;
  Kept& kept_;
  config::Diagnostics& diagnostics_;
  std::unique_ptr<Plan> plan_ = std::make_unique<Plan>();
  ChainCompiler chains_;
  std::map<std::string_view, const upstream::Group*> groups_;
  std::set<const upstream::Group*> used_groups_;
  Chain global_;
  std::vector<Chain> route_chains_;
  std::set<std::pair<const policy::Entry*, std::string>> reported_;  // one message for an entry that many routes use
};

}  // namespace

std::unique_ptr<Plan> compile_plan(const RootConfig& config, Kept& kept, config::Diagnostics& diagnostics) {
  return Compiler(config, kept, diagnostics).compile();
}

}  // namespace sluice::gateway
