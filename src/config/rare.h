#pragma once
// A struct that few give where many could: one pointer where it is not given.

#include <memory>
#include <utility>

namespace sluice::config {

// Reads as a T made by its initialisers until it is given.
template <class T>
class Rare {
 public:
  Rare() = default;
  explicit Rare(T value) : value_(std::make_shared<const T>(std::move(value))) {}

  const T& operator*() const {
    static const T absent{};
    return value_ != nullptr ? *value_ : absent;
  }
  const T* operator->() const { return &**this; }

 private:
  std::shared_ptr<const T> value_;  // shared by copies
};

}  // namespace sluice::config
