#include "upstream/endpoint_store.h"

#include <algorithm>

namespace sluice::upstream {

std::shared_ptr<Endpoint> EndpointStore::find_or_make(std::string_view upstream, const net::Address& address,
                                                      const HealthConfig& health) {
  if (endpoints_.size() >= forget_above_) forget_unused();
  Name name(upstream, address.text());
  const auto found = endpoints_.find(name);
  if (found != endpoints_.end()) {
    if (auto endpoint = found->second.endpoint.lock()) return endpoint;
    const auto made = std::make_shared<Endpoint>(std::string(upstream), address, found->second.slot, health);
    found->second.endpoint = made;
    return made;
  }
  const std::uint32_t slot = take_slot();
  auto made = std::make_shared<Endpoint>(std::string(upstream), address, slot, health);
  endpoints_.emplace(std::move(name), Known{.endpoint = made, .slot = slot});
  return made;
}

std::shared_ptr<Cursor> EndpointStore::find_or_make_cursor(std::string_view upstream, std::string_view members) {
  std::weak_ptr<Cursor>& known = cursors_[Name(upstream, members)];
  auto cursor = known.lock();
  if (cursor == nullptr) known = cursor = std::make_shared<Cursor>(0);
  return cursor;
}

std::shared_ptr<RetryBudget> EndpointStore::find_or_make_budget(std::string_view upstream) {
  std::weak_ptr<RetryBudget>& known = budgets_[std::string(upstream)];
  auto budget = known.lock();
  if (budget == nullptr) known = budget = std::make_shared<RetryBudget>();
  return budget;
}

std::vector<std::shared_ptr<const Endpoint>> EndpointStore::all() const {
  std::vector<std::shared_ptr<const Endpoint>> all;
  for (const auto& [name, known] : endpoints_)
    if (auto endpoint = known.endpoint.lock()) all.push_back(std::move(endpoint));
  return all;
}

void EndpointStore::forget_unused() {
  std::erase_if(endpoints_, [this](const auto& entry) {
    if (!entry.second.endpoint.expired()) return false;
    free_slots_.push_back(entry.second.slot);
    return true;
  });
  std::erase_if(cursors_, [](const auto& entry) { return entry.second.expired(); });
  std::erase_if(budgets_, [](const auto& entry) { return entry.second.expired(); });
  forget_above_ = std::max<std::size_t>(64, endpoints_.size() * 2);
}

std::uint32_t EndpointStore::take_slot() {
  if (free_slots_.empty()) return slots_++;
  const std::uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  return slot;
}

}  // namespace sluice::upstream
