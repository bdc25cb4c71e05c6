#include "gateway/probe.h"

#include "gateway/fault_reply.h"
#include "net/security.h"

namespace sluice::gateway {

namespace {

// The bytes a client would send. Empty and `fault` when the URL has no authority.
std::string request_bytes(const ListenerPlan& listener, const ProbeRequest& request, std::string& fault) {
  const std::string_view scheme = listener.tls != nullptr ? "https://" : "http://";
  std::string_view rest = request.url;
  if (!rest.starts_with(scheme)) {
    fault = std::string("the URL must start with ")
                .append(scheme)
                .append(" and name a host, such as ")
                .append(scheme)
                .append("api.example.com/users/42");
    if (rest.starts_with("http"))
      fault = "listener " + listener.name + (listener.tls != nullptr ? " speaks TLS" : " has no `tls`") +
              ": write the URL with " + std::string(scheme) + ", or name another `listener`";
    return {};
  }
  rest.remove_prefix(scheme.size());
  const std::size_t path_at = rest.find_first_of("/?");
  const std::string authority(rest.substr(0, path_at));
  if (authority.empty()) {
    fault = "the URL names no host";
    return {};
  }
  std::string target(path_at == std::string_view::npos ? "/" : rest.substr(path_at));
  if (target.front() == '?') target.insert(0, "/");
  std::string bytes = request.method + " " + target + " HTTP/1.1\r\nhost: " + authority + "\r\n";
  for (const auto& [name, value] : request.headers) bytes += name + ": " + value + "\r\n";
  return bytes + "\r\n";
}

}  // namespace

const ListenerPlan& usual_listener(const Plan& plan, std::string_view url) {
  const bool is_secure = url.starts_with("https://");
  for (const ListenerPlan& listener : plan.listeners)
    if ((listener.tls != nullptr) == is_secure) return listener;
  return plan.listeners.front();
}

bool Probe::run(const Plan& plan, const ListenerPlan& listener, const ProbeRequest& request, policy::Listener* told,
                std::string& fault) {
  static const net::Security some_security{.version = "1.3"};
  const std::string bytes = request_bytes(listener, request, fault);
  if (bytes.empty()) return false;
  limits_ = listener.server.head;
  parser_.start(arena_);
  const auto progress = parser_.feed(bytes);
  if (!progress) {
    refusal_ = progress.error();
    return true;
  }
  if (!progress->complete || progress->consumed != bytes.size()) {
    fault = "the method, URL and headers do not make one request: is there a line end in them?";
    return false;
  }
  exchange_.listen(told);
  exchange_.begin({.request = &parser_.request(),
                   .arena = &arena_,
                   .now = Instant{},
                   .wall_now = WallTime{},
                   .random = request.random,
                   .peer = request.client,
                   .security = listener.tls != nullptr ? &some_security : nullptr,
                   .listener = listener.name,
                   .is_rehearsal = true});
  decision_ = decide(plan, listener, exchange_);
  if (!exchange_.has_reply()) return true;
  answer_ = reply_head(exchange_, "(now)");
  exchange_.set_response(answer_);
  run_response_chain(listener, decision_, exchange_);
  return true;
}

}  // namespace sluice::gateway
