#include "report.h"

#include <fmt/format.h>

#include <algorithm>

namespace load {

namespace {

constexpr std::size_t most_told = 20;  // failures in full

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 200)) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e)
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out;
}

double seconds_of(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

std::string object(const std::map<std::string, std::uint64_t, std::less<>>& counts) {
  std::string out = "{";
  for (const auto& [name, count] : counts)
    out += fmt::format("{}\"{}\":{}", out.size() > 1 ? "," : "", escaped(name), count);
  return out + "}";
}

}  // namespace

Report::Second& Report::second(Instant at) {
  const auto number = static_cast<std::size_t>(std::max(0.0, seconds_of(at - began_)));
  if (seconds_.size() <= number) seconds_.resize(number + 1);
  return seconds_[number];
}

void Report::good(std::string_view upstream, Instant due, Instant now) {
  ++good_;
  ++upstreams_[std::string(upstream)];
  Second& at = second(now);
  ++at.good;
  at.latencies_us.push_back(
      static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::microseconds>(now - due).count()));
}

void Report::failed(std::string_view kind, std::string_view detail, Instant now) {
  ++failures_[std::string(kind)];
  ++second(now).failed;
  if (first_.size() < most_told)
    first_.push_back(fmt::format(R"({{"at":{:.3f},"kind":"{}","detail":"{}"}})", seconds_of(now - began_),
                                 escaped(kind), escaped(detail)));
}

void Report::quantiles(std::string& out, std::vector<std::uint32_t>& latencies) const {
  std::ranges::sort(latencies);
  const auto at = [&](double share) {
    if (latencies.empty()) return 0u;
    return latencies[std::min(latencies.size() - 1,
                              static_cast<std::size_t>(share * static_cast<double>(latencies.size())))];
  };
  out += fmt::format(R"("p50_us":{},"p99_us":{},"p999_us":{},"max_us":{})", at(0.5), at(0.99), at(0.999), at(1.0));
}

std::string Report::json(Instant now, std::size_t waiting) {
  std::string out =
      fmt::format(R"({{"seconds":{:.3f},"asked":{},"good":{},"raced":{},"waiting":{},"connects":{},"closed_idle":{},)",
                  seconds_of(now - began_), asked_, good_, raced_, waiting, connects_, closed_idle_);
  out += "\"failures\":" + object(failures_) + ",\"upstreams\":" + object(upstreams_) + ",\"first\":[";
  for (const std::string& one : first_) out += (out.back() == '[' ? "" : ",") + one;
  out += "],\"timeline\":[";
  std::vector<std::uint32_t> all;
  for (Second& one : seconds_) {
    all.insert(all.end(), one.latencies_us.begin(), one.latencies_us.end());
    out += fmt::format("{}{{\"good\":{},\"failed\":{},", out.back() == '[' ? "" : ",", one.good, one.failed);
    quantiles(out, one.latencies_us);
    out += '}';
  }
  out += "],";
  quantiles(out, all);
  return out + "}";
}

}  // namespace load
