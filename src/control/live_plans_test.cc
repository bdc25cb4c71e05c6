#include "control/live_plans.h"

#include <gtest/gtest.h>

#include <thread>

#include "gateway/plan_slots.h"

namespace sluice::control {
namespace {

class LivePlansTest : public testing::Test {
 protected:
  // A plan that writes down which thread took it apart.
  LivePlans::PlanPtr plan() {
    return {new gateway::Plan, [this](const gateway::Plan* it) {
              freed_on_.push_back(std::this_thread::get_id());
              delete it;
            }};
  }
  template <class Task>
  static void on_a_worker(Task task) {
    std::thread(task).join();
  }

  std::vector<std::thread::id> freed_on_;
  LivePlans plans_;
};

TEST_F(LivePlansTest, AnOldPlanIsFreedHereWhenTheLastWorkerHasLetGo) {
  gateway::PlanSlots first;
  gateway::PlanSlots second;
  plans_.add(plan());
  for (gateway::PlanSlots* const worker : {&first, &second}) worker->publish(plans_.newest());
  auto exchange = second.pin();
  plans_.add(plan());
  on_a_worker([&] { first.publish(plans_.newest()); });
  on_a_worker([&] { second.publish(plans_.newest()); });
  EXPECT_EQ(plans_.sweep(), 2U) << "an exchange is under it";

  on_a_worker([&] { exchange.release(); });
  EXPECT_TRUE(freed_on_.empty());
  EXPECT_EQ(plans_.size(), 2U);
  EXPECT_EQ(plans_.sweep(), 1U);
  EXPECT_EQ(freed_on_, std::vector{std::this_thread::get_id()});
}

TEST_F(LivePlansTest, TheNewestStaysThoughNoWorkerHasItYet) {
  EXPECT_EQ(plans_.sweep(), 0U);
  plans_.add(plan());
  plans_.add(plan());
  EXPECT_EQ(plans_.sweep(), 1U);
  EXPECT_EQ(plans_.sweep(), 1U);
  EXPECT_EQ(freed_on_.size(), 1U);
}

}  // namespace
}  // namespace sluice::control
