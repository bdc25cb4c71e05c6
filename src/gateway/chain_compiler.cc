#include "gateway/chain_compiler.h"

#include <algorithm>

#include "config/suggest.h"

namespace sluice::gateway {

ChainCompiler::ChainCompiler(const RootConfig& config, Plan& plan, policy::StateStore& states,
                             config::Diagnostics& diagnostics)
    : config_(config), plan_(plan), states_(states), diagnostics_(diagnostics), consumers_(open_consumers()) {}

// The same as before, with what its files hold by now, where the config says the same. One that has mistakes, which
// were said, is as good as an empty one: no plan comes of it.
std::shared_ptr<const policy::ConsumerSource> ChainCompiler::open_consumers() {
  std::string key = config::dump(config_.consumers);
  for (const auto& path : config_.consumers_from) key.append("\n").append(*path);
  std::vector<std::string> paths;
  for (const auto& path : config_.consumers_from) paths.push_back(*path);
  auto source = states_.find_or_make_source<policy::ConsumerSource>(
      key, [&] { return policy::ConsumerSource::open(config_.consumers, paths, diagnostics_); });
  if (source == nullptr) {
    config::Diagnostics none;
    source = policy::ConsumerSource::open({}, {}, none);
  }
  return source;
}

std::string_view ChainCompiler::keep(std::string text) {
  return *plan_.texts.emplace_back(std::make_unique<const std::string>(std::move(text)));
}

// Policies have no names: one is what it was before when it stands in the same list and is defined alike. Of several of
// which that is true, their order tells.
std::string ChainCompiler::state_key(const policy::Entry& entry, std::string_view from) {
  std::string key(from);
  key.append("\n").append(entry.kind->name).append("\n").append(entry.kind->dump(entry.config.get()));
  const unsigned before = alike_[key]++;
  return key.append("\n").append(std::to_string(before));
}

const ChainCompiler::Compiled& ChainCompiler::compile(const policy::Entry& entry, std::string_view from) {
  const auto [at, is_new] = compiled_.try_emplace(entry.config.get());
  if (is_new &&
      entry.config != nullptr) {  // null: its mistakes were reported when it was read, no plan will come of it
    policy::CompileContext context({.states = states_, .consumers = consumers_, .key = state_key(entry, from)});
    plan_.policies.push_back(entry.kind->compile(entry.config.get(), context));
    at->second = {.policy = plan_.policies.back().get(), .captures = context.captures()};
  }
  return at->second;
}

void ChainCompiler::append(Chain& chain, const std::vector<policy::Entry>& entries, std::string_view from,
                           const std::string& path) {
  const std::string_view kept_from = entries.empty() ? std::string_view() : keep(std::string(from));
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const policy::Entry& entry = entries[i];
    const std::string entry_path = path + "[" + std::to_string(i) + "]";
    if (entry.kind == nullptr && entry.set.empty()) continue;  // was reported when it was read
    if (entry.kind == nullptr) {
      append_set(chain, entry, entry_path);
      continue;
    }
    const Compiled& compiled = compile(entry, from);
    chain.push_back({.link = {.policy = compiled.policy, .kind = entry.kind->name, .from = kept_from},
                     .kind = entry.kind,
                     .entry = &entry,
                     .captures = &compiled.captures});
  }
}

void ChainCompiler::append_set(Chain& chain, const policy::Entry& entry, const std::string& path) {
  const auto* const set = config_.policies.find(entry.set);
  if (set == nullptr) {
    std::vector<std::string_view> names;
    for (const auto& known : config_.policies) names.push_back(known.key);
    for (const policy::Kind* kind : policy::kinds()) names.push_back(kind->name);
    auto& diagnostic = diagnostics_.error(entry.place, "unknown_policy_set", path,
                                          "there is no set '" + entry.set + "' under `policies`");
    if (policy::find_kind(entry.set) != nullptr) {
      diagnostic.help =
          "`" + entry.set + "` is a kind of policy: with all its defaults it is written {" + entry.set + ": {}}";
    } else {
      diagnostic.want = config::suggestion(entry.set, names, "sets and kinds");
    }
    return;
  }
  used_[entry.set] = true;
  if (const auto begin = std::ranges::find(open_sets_, entry.set); begin != open_sets_.end()) {
    std::string way;
    for (auto at = begin; at != open_sets_.end(); ++at) (way += *at) += " -> ";
    diagnostics_
        .error(entry.place, "policy_set_loop", path, "the set '" + entry.set + "' contains itself: " + way + entry.set)
        .help = "take it out of one of these sets";
    return;
  }
  open_sets_.push_back(entry.set);
  append(chain, *set, "set " + entry.set, "policies." + entry.set);
  open_sets_.pop_back();
}

std::size_t ChainCompiler::prepend_defaults(Chain& chain) {
  const std::size_t before = chain.size();
  for (const policy::Kind* kind : policy::kinds()) {
    const auto is_kind = [&](const Link& link) { return link.kind == kind; };
    if (!kind->is_on_by_default || std::ranges::any_of(chain, is_kind)) continue;
    auto& entry = *default_entries_.emplace_back(std::make_unique<policy::Entry>());
    entry.kind = kind;
    entry.config = kind->defaults();
    const Compiled& compiled = compile(entry, "default");
    chain.insert(chain.begin(), {.link = {.policy = compiled.policy, .kind = kind->name, .from = "default"},
                                 .kind = kind,
                                 .entry = &entry,
                                 .captures = &compiled.captures});
  }
  return chain.size() - before;
}

void ChainCompiler::check_order(const Chain& before, const Chain& chain, const std::string& path) {
  const Link* latest = nullptr;
  const auto pass = [&](const Link& link, bool may_report) {
    if (link.entry->any_stage) return;
    if (latest == nullptr || link.kind->stage >= latest->kind->stage) {
      latest = &link;
      return;
    }
    if (!may_report) return;
    const std::string name(link.kind->name), other(latest->kind->name);
    auto& diagnostic =
        diagnostics_.error(link.entry->place, "stage_order", path,
                           "`" + other + "` (stage " + std::string(policy::stage_name(latest->kind->stage)) +
                               ", from " + std::string(latest->link.from) + ") stands before `" + name + "` (stage " +
                               std::string(policy::stage_name(link.kind->stage)) + ")");
    if (latest->entry->place.is_known())
      diagnostic.notes.push_back({.what = "`" + other + "` stands here", .place = latest->entry->place});
    diagnostic.help = "move `" + name + "` up, before `" + other +
                      "`, or write `stage: any` beside one of them if this order is meant";
  };
  for (const Link& link : before) pass(link, false);
  for (const Link& link : chain) pass(link, true);
}

void ChainCompiler::report_unused() {
  for (const auto& set : config_.policies)
    if (!used_.contains(set.key))
      diagnostics_.warning(set.place, "unused_policy_set", "policies." + set.key,
                           "the set '" + set.key + "' is not used");
}

}  // namespace sluice::gateway
