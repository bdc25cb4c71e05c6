#pragma once
// A map with text keys in the order of the file, as configs have them. Not for look-ups on the hot path: linear.

#include <string>
#include <string_view>
#include <vector>

#include "config/place.h"

namespace sluice::config {

template <class T>
struct Map {
  struct Entry {
    std::string key;
    Place place;  // of the key
    T value{};
  };
  std::vector<Entry> entries;

  bool empty() const { return entries.empty(); }
  std::size_t size() const { return entries.size(); }
  auto begin() const { return entries.begin(); }
  auto end() const { return entries.end(); }
  const T* find(std::string_view key) const {
    for (const Entry& entry : entries)
      if (entry.key == key) return &entry.value;
    return nullptr;
  }
};

}  // namespace sluice::config
