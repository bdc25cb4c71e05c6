#pragma once
// Says what the gateway would do with a request, and why: the decision engine's own answer, told step by step.

#include <string>

#include "gateway/config.h"
#include "gateway/plan.h"
#include "gateway/probe.h"

namespace sluice::gateway {

enum class ExplainFormat : std::uint8_t { text, json };

// One request. False when the URL cannot be used (`fault` says why).
bool explain_request(const RootConfig& config, const Plan& plan, const ListenerPlan& listener,
                     const ProbeRequest& request, ExplainFormat format, std::string& out, std::string& fault);

// The whole plan: listeners, routes with their effective chains, upstreams.
std::string explain_plan(const RootConfig& config, const Plan& plan, ExplainFormat format);

}  // namespace sluice::gateway
