#include "gateway/plan.h"

#include <algorithm>
#include <bit>
#include <functional>

namespace sluice::gateway {

namespace {

const Plan::RouteAdmission* find(const std::vector<Plan::RouteAdmission>& admissions, const RouteStats* stats) {
  const auto at = std::ranges::lower_bound(admissions, stats, std::less<>(), &Plan::RouteAdmission::stats);
  return at != admissions.end() && at->stats == stats ? &*at : nullptr;
}

}  // namespace

const RoutePlan* Plan::find_route(const RouteStats& stats) const {
  const RouteAdmission* const found = find(admissions, &stats);
  return found != nullptr ? &routes[found->route] : nullptr;
}

std::uint64_t Plan::admission_of(const ListenerPlan& listener, const RoutePlan& route) const {
  const RouteAdmission* const found = find(admissions, route.stats);
  return std::rotl(listener.admission, 1) ^ (found != nullptr ? found->fingerprint : 0);
}

}  // namespace sluice::gateway
