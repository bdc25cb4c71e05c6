#include "gateway/probe.h"

#include "gateway/fault_reply.h"

namespace sluice::gateway {

namespace {

// The bytes a client would send. Empty and `fault` when the URL has no authority.
std::string request_bytes(const ProbeRequest& request, std::string& fault) {
  constexpr std::string_view scheme = "http://";
  std::string_view rest = request.url;
  if (rest.starts_with("https://")) {
    fault = "https listeners do not exist yet: write the URL with http://";
    return {};
  }
  if (!rest.starts_with(scheme)) {
    fault = "the URL must start with http:// and name a host, such as http://api.example.com/users/42";
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

bool Probe::run(const Plan& plan, const ListenerPlan& listener, const ProbeRequest& request, policy::Listener* told,
                std::string& fault) {
  const std::string bytes = request_bytes(request, fault);
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
                   .listener = listener.name});
  decision_ = decide(plan, listener, exchange_);
  if (!exchange_.has_reply()) return true;
  answer_ = reply_head(exchange_, "(now)");
  exchange_.set_response(answer_);
  run_response_chain(listener, decision_, exchange_);
  return true;
}

}  // namespace sluice::gateway
