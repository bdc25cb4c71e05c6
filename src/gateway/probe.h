#pragma once
// Asks the decision engine about a request that nobody sent: for `explain` and for the config's tests. The request is
// read by the same parser and canonicaliser as one from the network.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/arena.h"
#include "gateway/decide.h"
#include "http/h1/parser.h"

namespace sluice::gateway {

struct ProbeRequest {
  std::string method = "GET";
  std::string url;  // absolute: http://host[:port]/path?query, or https:// where the listener has `tls`
  std::vector<std::pair<std::string, std::string>> headers;
  net::Address client{.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1},
                      .port = 40000};  // RFC 5737: nobody's
  std::uint64_t random = 0x9f2c'0000'0000'0001;
};

// Where a request for `url` arrives when no listener is named: the first that speaks its scheme, else the first.
const ListenerPlan& usual_listener(const Plan& plan, std::string_view url);

// One decision with everything it points at.
class Probe {
 public:
  Probe() : parser_(limits_) {}

  // False when the URL itself cannot be used (`fault` says why). A request that the gateway would refuse is no fault:
  // see refusal().
  bool run(const Plan& plan, const ListenerPlan& listener, const ProbeRequest& request, policy::Listener* told,
           std::string& fault);

  const std::optional<Refusal>& refusal() const { return refusal_; }
  const Decision& decision() const { return decision_; }
  policy::Exchange& exchange() { return exchange_; }
  const http::Request& request() const { return parser_.request(); }
  Arena& arena() { return arena_; }
  // The gateway's own answer as the client would get it, when there is one.
  const http::ResponseHead& answer() const { return answer_; }

 private:
  http::HeadLimits limits_;
  Arena arena_;
  http::h1::RequestParser parser_;
  policy::Exchange exchange_;
  Decision decision_;
  std::optional<Refusal> refusal_;
  http::ResponseHead answer_;
};

}  // namespace sluice::gateway
