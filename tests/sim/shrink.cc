// Makes a failing scenario smaller: whole clients, requests, changes and endpoints first, then every field back to its
// default, again and again while something helps.
#include <algorithm>

#include "run.h"

namespace sluice::sim {
namespace {

// Sets the field with number `wanted` to its default; counts fields on the way.
class Resetter {
 public:
  // `is_world`: of the scenario itself, whose window is TCP's.
  Resetter(int wanted, bool is_world) : wanted_(wanted), is_world_(is_world) {}
  void number(std::string_view name, auto& value) {
    std::remove_reference_t<decltype(value)> fallback{};
    if (name == "tag" || name == "seed" || name == "group" || name == "number") return;  // names, not sizes
    if (name == "window") fallback = is_world_ ? 65'536 : 65'535;
    if (name == "stream_window") fallback = 65'536;
    if (name == "streams" || name == "max_streams") fallback = 100;
    if (name == "block") fallback = 16'384;
    if (name == "workers" || name == "early" || name == "least_delay" || name == "most_delay") return;
    if (name == "piece" || name == "answer_piece") fallback = 4'000;
    if (name == "status" || name == "answer") fallback = name == "status" ? 200 : 100;
    if (name == "max_idle") fallback = 256;
    if (name == "exchange_buffer") fallback = 65'536;
    if (name == "r0" || name == "r1" || name == "r2" || name == "u0" || name == "u1") return;
    set(value, fallback);
  }
  void flag(std::string_view name, bool& value) { set(value, name == "second_listener"); }
  void choice(std::string_view name, auto& value, const auto&) {
    if (name == "kind") return;
    set(value, std::remove_reference_t<decltype(value)>{});
  }
  bool has_changed = false;
  bool is_past_end() const { return count_ <= wanted_; }

 private:
  void set(auto& value, auto fallback) {
    if (count_++ != wanted_ || value == fallback) return;
    value = fallback;
    has_changed = true;
  }
  const int wanted_;
  const bool is_world_;
  int count_ = 0;
};

// What a violation is about: its words, without numbers and what is quoted of the log.
std::string kind_of(const std::string& violation) {
  std::string kind;
  for (const char c : violation.substr(0, violation.find(": {"))) {
    if (c < '0' || c > '9') kind += c;
  }
  return kind;
}

class Shrinker {
 public:
  Shrinker(const Scenario& failing, int most_runs)
      : best_(failing), runs_left_(most_runs), kind_(kind_of(run(failing).violations.at(0))) {}

  Scenario shrink() {
    for (bool helps = true; helps && runs_left_ > 0;) {
      helps = false;
      helps |= drop_from([](Scenario& s) -> auto& { return s.clients; });
      for (std::size_t i = 0; i < best_.clients.size(); ++i)
        helps |= drop_from([i](Scenario& s) -> auto& { return s.clients[i].requests; });
      helps |= drop_from([](Scenario& s) -> auto& { return s.changes; });
      helps |= drop_from([](Scenario& s) -> auto& { return s.endpoints; });
      helps |= reset([](Scenario& s) -> auto& { return s; });
      for (std::size_t i = 0; i < best_.endpoints.size(); ++i)
        helps |= reset([i](Scenario& s) -> auto& { return s.endpoints[i]; });
      for (std::size_t i = 0; i < best_.changes.size(); ++i)
        helps |= reset([i](Scenario& s) -> auto& { return s.changes[i]; });
      for (std::size_t i = 0; i < best_.clients.size(); ++i) {
        helps |= reset([i](Scenario& s) -> auto& { return s.clients[i]; });
        for (std::size_t j = 0; j < best_.clients[i].requests.size(); ++j)
          helps |= reset([i, j](Scenario& s) -> auto& { return s.clients[i].requests[j]; });
      }
    }
    return best_;
  }

 private:
  bool still_fails(const Scenario& scenario) {
    if (runs_left_-- <= 0) return false;
    // Another schedule may show the same bug when this one does not any more.
    Scenario tried = scenario;
    for (int i = 0; i < 3; ++i, ++tried.seed) {
      const std::vector<std::string> violations = run(tried).violations;
      if (std::ranges::none_of(violations, [&](const std::string& found) { return kind_of(found) == kind_; })) continue;
      best_ = tried;
      return true;
    }
    return false;
  }

  bool drop_from(auto list_of) {
    bool helps = false;
    for (std::size_t half = list_of(best_).size(); half > 0; half /= 2) {
      for (std::size_t at = 0; at < list_of(best_).size();) {
        Scenario tried = best_;
        auto& list = list_of(tried);
        const std::size_t end = std::min(at + half, list.size());
        list.erase(list.begin() + static_cast<std::ptrdiff_t>(at), list.begin() + static_cast<std::ptrdiff_t>(end));
        if (still_fails(tried))
          helps = true;
        else
          at += half;
      }
    }
    return helps;
  }

  bool reset(auto plan_of) {
    bool helps = false;
    for (int field = 0;; ++field) {
      Scenario tried = best_;
      Resetter resetter(field, std::is_same_v<std::remove_cvref_t<decltype(plan_of(tried))>, Scenario>);
      plan_of(tried).each(resetter);
      if (resetter.is_past_end()) return helps;
      if (resetter.has_changed && still_fails(tried)) helps = true;
    }
  }

  Scenario best_;
  int runs_left_;
  const std::string kind_;
};

}  // namespace

Scenario shrink(const Scenario& failing, int most_runs) { return Shrinker(failing, most_runs).shrink(); }

}  // namespace sluice::sim
