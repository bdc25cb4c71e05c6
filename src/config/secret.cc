#include "config/secret.h"

#include <cstring>

namespace sluice::config {

Secret& Secret::operator=(const Secret& other) {
  if (this != &other) {
    wipe();
    value_ = other.value_;
  }
  return *this;
}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    wipe();
    value_ = other.value_;
    other.wipe();
  }
  return *this;
}

bool Secret::equals(std::string_view other) const {
  if (value_.size() != other.size()) return false;
  volatile unsigned char difference = 0;  // volatile: the loop may not be left early
  for (std::size_t i = 0; i < other.size(); ++i)
    difference = static_cast<unsigned char>(difference | static_cast<unsigned char>(value_[i] ^ other[i]));
  return difference == 0;
}

void Secret::wipe() {
  explicit_bzero(value_.data(), value_.size());
  value_.clear();
}

}  // namespace sluice::config
