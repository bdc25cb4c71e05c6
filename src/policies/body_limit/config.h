#pragma once
// Config of `body_limit`.

#include <tuple>

#include "config/value.h"

namespace sluice::policies::body_limit {

struct Config {
  config::Size max{1 << 20};

  static constexpr auto fields() {
    using config::field;
    using config::Size;
    return std::tuple{
        field("max", &Config::max, Size{0}, Size{std::uint64_t{1} << 50},
              "Largest request body. A larger announced one is refused with 413 before the upstream is asked; one that "
              "grows past it is cut off.")};
  }
};

}  // namespace sluice::policies::body_limit
