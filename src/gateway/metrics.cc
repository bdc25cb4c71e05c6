#include "gateway/metrics.h"

#include <algorithm>
#include <bit>

namespace sluice::gateway {

// ---- WorkerMetrics

// What is wrong with a client's certificate is told in OpenSSL's words, which are no label.
std::size_t WorkerMetrics::tls_fault_number(const Error& error) {
  const std::string_view what = error.code == Code::denied ? net::tls::fault_client_certificate.what : error.what;
  const auto known = net::tls::faults();
  const auto found =
      std::ranges::find(known, what, [](const net::tls::Fault* fault) { return std::string_view(fault->what); });
  return found == known.end() ? tls_faults - 1 : static_cast<std::size_t>(found - known.begin());
}

const char* WorkerMetrics::tls_fault_name(std::size_t number) {
  const auto known = net::tls::faults();
  return number < known.size() ? known[number]->name : "other";
}

// ---- CauseTable

CauseTable::CauseTable(std::span<const std::span<const Cause* const>> lists) {
  std::size_t listed = 0;
  for (const auto& list : lists) listed += list.size();
  places_.resize(std::bit_ceil(2 * listed + 2));
  for (const auto& list : lists) {
    for (const Cause* const cause : list) {
      // By code, so that no label can stand twice on the page.
      const auto same = std::ranges::find(causes_, std::string_view(cause->code),
                                          [](const Cause* known) { return std::string_view(known->code); });
      const auto index = static_cast<std::uint32_t>(same - causes_.begin());
      if (same == causes_.end()) causes_.push_back(cause);
      std::size_t place = hash(cause) & (places_.size() - 1);
      while (places_[place].cause != nullptr && places_[place].cause != cause)
        place = (place + 1) & (places_.size() - 1);
      places_[place] = {cause, index};
    }
  }
}

std::size_t CauseTable::hash(const Cause* cause) {
  return static_cast<std::size_t>((reinterpret_cast<std::uintptr_t>(cause) * 0x9e3779b97f4a7c15) >> 32);
}

std::uint32_t CauseTable::index_of(const Cause* cause) const {
  if (cause == nullptr) return none;
  for (std::size_t place = hash(cause) & (places_.size() - 1); places_[place].cause != nullptr;
       place = (place + 1) & (places_.size() - 1))
    if (places_[place].cause == cause) return places_[place].index;
  return static_cast<std::uint32_t>(causes_.size());
}

// ---- ListenerNumbers

std::uint32_t ListenerNumbers::number_of(std::string_view name) {
  const auto found = std::ranges::find(names_, name);
  if (found == names_.end() && names_.size() < most - 1) {
    names_.emplace_back(name);
    return static_cast<std::uint32_t>(names_.size() - 1);
  }
  return found == names_.end() ? most - 1 : static_cast<std::uint32_t>(found - names_.begin());
}

std::string_view ListenerNumbers::name(std::uint32_t number) const {
  return number < names_.size() ? std::string_view(names_[number]) : "other";
}

// ---- RouteStats

// What one worker counts of one route. Parts are made by that worker and published with release, so that a reader who
// sees the pointer sees zeros behind it, never garbage.
struct alignas(64) RouteStats::Slot {
  using ByClass = std::array<Counter, class_count>;

  Slot(std::uint32_t listener, std::size_t cause_count) : first_listener(listener), cause_count_(cause_count) {}
  Slot(const Slot&) = delete;
  ~Slot() {
    for (auto& counts : by_listener) delete counts.load(std::memory_order_relaxed);
    delete causes.load(std::memory_order_relaxed);
    delete grpc.load(std::memory_order_relaxed);
  }

  ByClass& requests(std::uint32_t listener) {
    if (listener == first_listener) return first_requests;
    auto& place = by_listener[std::min(listener, ListenerNumbers::most - 1)];
    ByClass* counts = place.load(std::memory_order_relaxed);
    if (counts == nullptr) place.store(counts = new ByClass, std::memory_order_release);
    return *counts;
  }
  void add_cause(std::uint32_t cause) {
    if (cause >= cause_count_) return;
    std::vector<Counter>* counts = causes.load(std::memory_order_relaxed);
    if (counts == nullptr) causes.store(counts = new std::vector<Counter>(cause_count_), std::memory_order_release);
    (*counts)[cause].add();
  }

  void add_grpc(std::uint8_t status) {
    ByGrpcStatus* counts = grpc.load(std::memory_order_relaxed);
    if (counts == nullptr) grpc.store(counts = new ByGrpcStatus, std::memory_order_release);
    (*counts)[status].add();
  }

  // What nearly every request touches stands in the first two cache lines: of many routes it is nearly always cold.
  const std::uint32_t first_listener;
  ByClass first_requests;
  Counter request_bytes;
  Counter response_bytes;
  Histogram durations;
  std::atomic<std::vector<Counter>*> causes{nullptr};
  std::atomic<ByGrpcStatus*> grpc{nullptr};
  std::array<std::atomic<ByClass*>, ListenerNumbers::most> by_listener{};  // but the first

 private:
  const std::size_t cause_count_;
};

RouteStats::RouteStats(std::string name, std::size_t workers, std::size_t causes)
    : name_(std::move(name)),
      workers_(workers),
      causes_(causes),
      more_slots_(workers > first_slots_.size() ? std::make_unique<std::atomic<Slot*>[]>(workers - first_slots_.size())
                                                : nullptr) {}

RouteStats::~RouteStats() {
  for (std::size_t i = 0; i < workers_; ++i) delete place_of(i).load(std::memory_order_acquire);
}

RouteStats::Slot& RouteStats::slot(const Sample& sample) {
  std::atomic<Slot*>& place = place_of(sample.worker);
  Slot* known = place.load(std::memory_order_relaxed);
  if (known == nullptr) place.store(known = new Slot(sample.listener, causes_), std::memory_order_release);
  return *known;
}

void RouteStats::record(const Sample& sample) {
  Slot& mine = slot(sample);
  mine.requests(sample.listener)[static_cast<std::size_t>(std::clamp(sample.status / 100, 1, 5) - 1)].add();
  mine.durations.record(sample.duration);
  mine.request_bytes.add(sample.request_bytes);
  mine.response_bytes.add(sample.response_bytes);
  mine.add_cause(sample.cause);  // `none` is no index
  if (sample.grpc_status < http::grpc::status_count) mine.add_grpc(sample.grpc_status);
}

void RouteStats::record_stream(const Sample& sample) {
  Slot& mine = slot(sample);
  mine.request_bytes.add(sample.request_bytes);
  mine.response_bytes.add(sample.response_bytes);
  mine.add_cause(sample.cause);
}

RouteStats::Totals RouteStats::totals() const {
  Totals sums;
  std::array<std::array<std::uint64_t, class_count>, ListenerNumbers::most> by_listener{};
  std::array<bool, ListenerNumbers::most> is_served{};
  for (std::size_t worker = 0; worker < workers_; ++worker) {
    const Slot* const slot = place_of(worker).load(std::memory_order_acquire);
    if (slot == nullptr) continue;
    const auto add = [&](std::size_t listener, const Slot::ByClass& counts) {
      is_served[listener] = true;
      for (std::size_t i = 0; i < class_count; ++i) by_listener[listener][i] += counts[i].value();
    };
    add(std::min(slot->first_listener, ListenerNumbers::most - 1), slot->first_requests);
    for (std::size_t listener = 0; listener < by_listener.size(); ++listener) {
      const Slot::ByClass* const counts = slot->by_listener[listener].load(std::memory_order_acquire);
      if (counts != nullptr) add(listener, *counts);
    }
    sums.durations.add(slot->durations);
    sums.request_bytes += slot->request_bytes.value();
    sums.response_bytes += slot->response_bytes.value();
    if (const auto* const causes = slot->causes.load(std::memory_order_acquire)) {
      sums.causes.resize(causes_);
      for (std::size_t i = 0; i < causes_; ++i) sums.causes[i] += (*causes)[i].value();
    }
    if (const auto* const grpc = slot->grpc.load(std::memory_order_acquire)) {
      sums.grpc.resize(grpc->size());
      for (std::size_t i = 0; i < grpc->size(); ++i) sums.grpc[i] += (*grpc)[i].value();
    }
  }
  for (std::uint32_t listener = 0; listener < by_listener.size(); ++listener)
    if (is_served[listener]) sums.requests.push_back({listener, by_listener[listener]});
  return sums;
}

// ---- RouteStatsStore

std::shared_ptr<RouteStats> RouteStatsStore::find_or_make(std::string_view name) {
  std::weak_ptr<RouteStats>& known = by_name_[std::string(name)];
  std::shared_ptr<RouteStats> stats = known.lock();
  if (stats == nullptr) {
    stats = std::make_shared<RouteStats>(std::string(name), workers_, causes_);
    known = stats;
  }
  return stats;
}

std::vector<std::shared_ptr<const RouteStats>> RouteStatsStore::all() {
  std::vector<std::shared_ptr<const RouteStats>> used;
  for (auto it = by_name_.begin(); it != by_name_.end();) {
    if (auto stats = it->second.lock()) {
      used.push_back(std::move(stats));
      ++it;
    } else {
      it = by_name_.erase(it);
    }
  }
  std::ranges::sort(used, {}, [](const auto& stats) -> const std::string& { return stats->name(); });
  return used;
}

}  // namespace sluice::gateway
