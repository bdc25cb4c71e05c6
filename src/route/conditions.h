#pragma once
// The method, header and query conditions of one route, ready to be asked. Host and path are the router's affair.
// The router and explain ask the same function, so they cannot disagree.

#include <cstdint>
#include <string>
#include <vector>

#include "base/arena.h"
#include "http/message.h"
#include "route/config.h"

namespace sluice::route {

class Conditions {
 public:
  explicit Conditions(const MatchConfig& match);

  bool is_empty() const { return is_empty_; }  // holds for every request

  enum class Stage : std::uint8_t { method, header, query, none };
  struct Failure {
    Stage stage = Stage::none;
    std::uint32_t index = 0;  // of the condition, in the order of the config
  };
  // The first condition that fails. Cost: linear in conditions x (fields | query bytes); the arena is used only for
  // query values that need decoding.
  Failure find_failure(const http::Request& request, Arena& arena) const;
  bool hold(const http::Request& request, Arena& arena) const {
    return is_empty_ || find_failure(request, arena).stage == Stage::none;
  }
  // "header x-beta: want exactly '1', got '2'"; "" for none.
  std::string describe(Failure failure, const http::Request& request, Arena& arena) const;

 private:
  struct Condition {
    std::string name;
    http::FieldId id = http::FieldId::other;  // header conditions only
    StringMatch match;
  };
  bool method_holds(const http::Request& request) const;
  static bool header_holds(const Condition& condition, const http::FieldList& fields);
  static bool query_holds(const Condition& condition, const http::Request& request, Arena& arena);

  bool is_empty_ = true;
  std::uint16_t methods_ = 0;               // a bit a http::Method; 0 with no other_methods_: any
  std::vector<std::string> other_methods_;  // those without a bit
  std::vector<Condition> headers_, queries_;
};

}  // namespace sluice::route
