#pragma once
// Compiles `policies:` lists into chains: sets resolved, each entry compiled once however many routes use it, the order
// of stages checked. Control thread, while a plan is made.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostic.h"
#include "gateway/config.h"
#include "gateway/plan.h"

namespace sluice::gateway {

class ChainCompiler {
 public:
  // One link with what later checks need.
  struct Link {
    ChainLink link;
    const policy::Kind* kind;
    const policy::Entry* entry;
    const std::vector<policy::CompileContext::CaptureUse>* captures;
  };
  using Chain = std::vector<Link>;

  ChainCompiler(const RootConfig& config, Plan& plan, policy::StateStore& states, config::Diagnostics& diagnostics);

  // `from` says whose list it is ("route user"); `path` is for diagnostics ("routes[2].policies").
  void append(Chain& chain, const std::vector<policy::Entry>& entries, std::string_view from, const std::string& path);
  // Puts the kinds that are on by default, and not in the chain yet, first. Returns how many.
  std::size_t prepend_defaults(Chain& chain);
  // Every link's stage may be no earlier than the stages before it. Reports at the link that steps back.
  void check_order(const Chain& before, const Chain& chain, const std::string& path);
  // Sets that no list uses: warnings.
  void report_unused();

 private:
  struct Compiled {
    const policy::Policy* policy = nullptr;
    std::vector<policy::CompileContext::CaptureUse> captures;
  };
  const Compiled& compile(const policy::Entry& entry, std::string_view from);
  std::shared_ptr<const policy::ConsumerSource> open_consumers();
  std::string state_key(const policy::Entry& entry, std::string_view from);
  void append_set(Chain& chain, const policy::Entry& entry, const std::string& path);
  std::string_view keep(std::string text);

  const RootConfig& config_;
  Plan& plan_;
  policy::StateStore& states_;
  config::Diagnostics& diagnostics_;
  std::map<const void*, Compiled> compiled_;       // by the entry's config
  std::map<std::string, bool, std::less<>> used_;  // sets
  std::map<std::string, unsigned> alike_;          // how many policies of a list are defined so
  std::vector<std::string_view> open_sets_;        // being resolved: a set that meets itself is an error
  std::vector<std::unique_ptr<policy::Entry>> default_entries_;
  const std::shared_ptr<const policy::ConsumerSource> consumers_;  // never null; made of the above
};

}  // namespace sluice::gateway
