#include "policy/state_store.h"

namespace sluice::policy {

std::vector<std::shared_ptr<LiveSource>> StateStore::sources() const {
  std::vector<std::shared_ptr<LiveSource>> all;
  for (const auto& [address, source] : sources_)
    if (auto held = source.lock()) all.push_back(std::move(held));
  return all;
}

void StateStore::forget_unused() {
  if (states_.size() + sources_.size() < forget_above_) return;
  std::erase_if(states_, [](const auto& known) { return known.second.expired(); });
  std::erase_if(sources_, [](const auto& known) { return known.second.expired(); });
  forget_above_ = 2 * (states_.size() + sources_.size()) + 64;
}

}  // namespace sluice::policy
