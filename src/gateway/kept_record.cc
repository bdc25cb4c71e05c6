#include "gateway/kept_record.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace sluice::gateway {

namespace {

using Text = std::string_view AccessRecord::*;
constexpr std::array texts{
    &AccessRecord::id,       &AccessRecord::listener, &AccessRecord::route,    &AccessRecord::upstream,
    &AccessRecord::endpoint, &AccessRecord::client,   &AccessRecord::consumer, &AccessRecord::peer,
    &AccessRecord::method,   &AccessRecord::host,     &AccessRecord::path,     &AccessRecord::query,
    &AccessRecord::version,  &AccessRecord::retry,    &AccessRecord::referer,  &AccessRecord::user_agent,
};

std::size_t kept_bytes(std::string_view text) { return std::min(text.size(), KeptRecord::most_text_bytes); }

}  // namespace

// First the attempts, then the texts, theirs included.
KeptRecord::KeptRecord(const AccessRecord& from) : record(from) {
  std::size_t bytes = from.attempts.size_bytes();
  for (const Text text : texts) bytes += kept_bytes(from.*text);
  for (const AccessAttempt& attempt : from.attempts)
    bytes += kept_bytes(attempt.endpoint) + kept_bytes(attempt.outcome);
  memory_ = std::make_unique_for_overwrite<std::byte[]>(bytes);  // as aligned as any allocation

  auto* const attempts = reinterpret_cast<AccessAttempt*>(memory_.get());
  auto* at = reinterpret_cast<char*>(memory_.get() + from.attempts.size_bytes());
  const auto keep = [&at](std::string_view text) {
    const std::string_view kept(at, kept_bytes(text));
    if (!kept.empty()) std::memcpy(at, text.data(), kept.size());
    at += kept.size();
    return kept;
  };
  for (const Text text : texts) record.*text = keep(from.*text);
  for (std::size_t i = 0; i < from.attempts.size(); ++i) {
    const AccessAttempt& attempt = from.attempts[i];
    std::construct_at(attempts + i, AccessAttempt{.endpoint = keep(attempt.endpoint),
                                                  .outcome = keep(attempt.outcome),
                                                  .waited_us = attempt.waited_us});
  }
  record.attempts = {attempts, from.attempts.size()};
}

}  // namespace sluice::gateway
