#pragma once
// One worker's view of the published plans. Only that worker's thread touches it, so pins are plain integers; the
// shared_ptr's atomic count moves twice per worker and reload, never per request.

#include <cstdint>
#include <iterator>
#include <list>
#include <memory>
#include <utility>

#include "gateway/plan.h"

namespace sluice::gateway {

class PlanSlots {
  struct Slot {
    std::shared_ptr<const Plan> plan;
    std::uint32_t pins = 0;
  };
  using Place = std::list<Slot>::iterator;

 public:
  // Held by one exchange; move-only. The plan lives at least as long.
  class Pin {
   public:
    Pin() = default;
    explicit Pin(PlanSlots& owner) : owner_(&owner), slot_(owner.slots_.begin()) { ++slot_->pins; }
    Pin(Pin&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)), slot_(other.slot_) {}
    Pin& operator=(Pin&& other) noexcept {
      release();
      owner_ = std::exchange(other.owner_, nullptr);
      slot_ = other.slot_;
      return *this;
    }
    ~Pin() { release(); }
    Pin again() const { return Pin(*owner_, slot_); }
    void release() {
      if (owner_ != nullptr) std::exchange(owner_, nullptr)->unpin(slot_);
    }
    const Plan& operator*() const { return *slot_->plan; }
    const Plan* operator->() const { return slot_->plan.get(); }

   private:
    Pin(PlanSlots& owner, Place slot) : owner_(&owner), slot_(slot) { ++slot_->pins; }
    PlanSlots* owner_ = nullptr;
    Place slot_;
  };

  // Called from the worker's mailbox. The plan before goes as soon as its last exchange has ended.
  void publish(std::shared_ptr<const Plan> plan) {
    slots_.push_front({.plan = std::move(plan), .pins = 0});
    if (const auto old = std::next(slots_.begin()); old != slots_.end() && old->pins == 0) slots_.erase(old);
  }
  Pin pin() { return Pin(*this); }
  const Plan& current() const { return *slots_.front().plan; }
  bool has_plan() const { return !slots_.empty(); }
  std::size_t live_plans() const { return slots_.size(); }
  std::size_t pins() const {  // held now: one for each listener and exchange
    std::size_t sum = 0;
    for (const Slot& slot : slots_) sum += slot.pins;
    return sum;
  }

 private:
  void unpin(Place slot) {
    if (--slot->pins == 0 && slot != slots_.begin()) slots_.erase(slot);
  }
  std::list<Slot> slots_;  // front is current; the rest drain
};

}  // namespace sluice::gateway
