#pragma once
// What the log line of a long stream needs of its exchange, which is over long before: the texts of its record, copied
// into one block. Only the worker's thread.

#include <memory>

#include "gateway/access_log.h"

namespace sluice::gateway {

class KeptRecord {
 public:
  static constexpr std::size_t most_text_bytes = 2048;  // of one text, no less than what the log writes of it

  // cost: one allocation of what the texts have, a few hundred bytes as a rule
  explicit KeptRecord(const AccessRecord& record);

  AccessRecord record;

 private:
  std::unique_ptr<std::byte[]> memory_;
};

}  // namespace sluice::gateway
