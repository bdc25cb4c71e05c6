#include "control/supervisor_state.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <iterator>
#include <limits>

#include "control/channel.h"

namespace sluice::control {

namespace {

constexpr long long most = std::numeric_limits<long long>::max();

long long ns(Instant at) { return at.time_since_epoch().count(); }

// Reads words; remembers whether one was not what it must be.
class Words {
 public:
  explicit Words(std::string_view line) : rest_(line) {}
  std::string_view word() {
    const std::string_view word = take_word(rest_);
    is_good_ &= !word.empty();
    return word;
  }
  long long number(long long low = std::numeric_limits<long long>::min(), long long high = most) {
    long long value = low;
    is_good_ &= take_number(rest_, low, high, value);
    return value;
  }
  int descriptor() { return static_cast<int>(number(0, 1 << 30)); }
  int process() { return static_cast<int>(number(1, 1 << 30)); }
  bool flag() { return number(0, 1) == 1; }
  Instant instant() { return Instant(Duration(number())); }
  bool is_at_end() const { return rest_.empty(); }
  bool is_good() const { return is_good_; }
  std::string rest() { return std::string(std::exchange(rest_, {})); }

 private:
  std::string_view rest_;
  bool is_good_ = true;
};

KeptConfig read_config(Words& words) {
  KeptConfig config;
  config.hash = words.word();
  config.file = std::make_shared<const Descriptor>(words.descriptor());
  return config;
}

void read_socket(Words& words, SupervisorState& state) {
  SocketStore::Entry entry{.key = std::string(words.word()),
                           .sharing = words.flag() ? net::Sharing::shared : net::Sharing::alone,
                           .address = {},
                           .sockets = {},
                           .wanted_by = {}};
  for (auto left = words.number(0, 1024); left > 0 && words.is_good(); --left) entry.wanted_by.insert(words.process());
  while (!words.is_at_end() && words.is_good()) entry.sockets.emplace_back(words.descriptor());
  if (entry.sockets.empty()) return;
  if (const auto bound = net::bound_address(entry.sockets.front())) entry.address = *bound;
  state.sockets.push_back(std::move(entry));
}

void read_process(Words& words, SupervisorState& state) {
  GatewayProcess process;
  process.id = words.process();
  const int channel = static_cast<int>(words.number(-1, 1 << 30));  // -1: it has closed its end, and is dying
  process.role = static_cast<Role>(words.number(0, 2));
  process.choice = static_cast<ConfigChoice>(words.number(0, 3));
  process.is_upgrade = words.flag();
  process.is_ready = words.flag();
  process.has_spoken = words.flag();
  process.was_killed = words.flag();
  process.started_at = words.instant();
  process.ends_by = words.instant();
  state.supervision.processes.push_back(process);
  state.channels.push_back({process.id, channel});
}

void read_facts(Words& words, SupervisionState& state) {
  state.active_since = words.instant();
  state.is_active_proven = words.flag();
  state.has_fallen_back = words.flag();
  state.young_crashes = static_cast<unsigned>(words.number(0, 1 << 30));
  state.was_ever_ready = words.flag();
  state.crashed_at = words.instant();
  for (auto* count :
       {&state.counts.crashes, &state.counts.stuck, &state.counts.upgrades, &state.counts.failed_upgrades})
    *count = static_cast<std::uint64_t>(words.number(0));
}

bool read_line(std::string_view line, SupervisorState& state) {
  Words words(line);
  const std::string_view kind = words.word();
  if (kind == "socket") {
    read_socket(words, state);
  } else if (kind == "process") {
    read_process(words, state);
  } else if (kind == "active") {
    state.supervision.active = read_config(words);
  } else if (kind == "good") {
    state.supervision.good = read_config(words);
  } else if (kind == "facts") {
    read_facts(words, state.supervision);
  } else if (kind == "reason") {
    state.supervision.fallback_reason = words.rest();
  } else if (kind == "crash") {
    state.supervision.crashes.push_back(words.instant());
  } else if (kind == "executable") {
    state.executable = words.rest();
  } else if (kind == "outcomes") {
    state.outcomes = words.descriptor();
  }
  return words.is_good();
}

}  // namespace

std::string write_state(const SupervisionState& supervision, const SocketStore& sockets,
                        const std::vector<SupervisorState::ProcessChannel>& channels, std::string_view executable,
                        int outcomes) {
  std::string text = fmt::format("supervisor {}\nexecutable {}\n", supervisor_state_form, executable);
  if (outcomes >= 0) text += fmt::format("outcomes {}\n", outcomes);
  const auto add = [&]<class... T>(fmt::format_string<T...> form, T&&... values) {
    fmt::format_to(std::back_inserter(text), form, std::forward<T>(values)...);
  };
  for (const SocketStore::Entry& entry : sockets.entries()) {
    add("socket {} {} {} {}", entry.key, entry.sharing == net::Sharing::shared ? 1 : 0, entry.wanted_by.size(),
        fmt::join(entry.wanted_by, " "));
    for (const net::ListenSocket& socket : entry.sockets) add(" {}", socket.descriptor());
    text += '\n';
  }
  for (const GatewayProcess& one : supervision.processes)
    for (const auto& channel : channels)
      if (channel.process == one.id)
        add("process {} {} {} {} {} {} {} {} {} {}\n", one.id, channel.descriptor, static_cast<int>(one.role),
            static_cast<int>(one.choice), one.is_upgrade ? 1 : 0, one.is_ready ? 1 : 0, one.has_spoken ? 1 : 0,
            one.was_killed ? 1 : 0, ns(one.started_at), ns(one.ends_by));
  if (supervision.active) add("active {} {}\n", supervision.active.hash, supervision.active.file->number());
  if (supervision.good) add("good {} {}\n", supervision.good.hash, supervision.good.file->number());
  add("facts {} {} {} {} {} {} {} {} {} {}\n", ns(supervision.active_since), supervision.is_active_proven ? 1 : 0,
      supervision.has_fallen_back ? 1 : 0, supervision.young_crashes, supervision.was_ever_ready ? 1 : 0,
      ns(supervision.crashed_at), supervision.counts.crashes, supervision.counts.stuck, supervision.counts.upgrades,
      supervision.counts.failed_upgrades);
  if (!supervision.fallback_reason.empty()) add("reason {}\n", supervision.fallback_reason);
  for (const Instant at : supervision.crashes) add("crash {}\n", ns(at));
  return text;
}

std::optional<SupervisorState> read_state(std::string_view text) {
  SupervisorState state;
  bool is_first = true;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (std::exchange(is_first, false)) {
      if (line != fmt::format("supervisor {}", supervisor_state_form)) return std::nullopt;
    } else if (!read_line(line, state)) {
      return std::nullopt;
    }
  }
  if (is_first || state.executable.empty()) return std::nullopt;
  return state;
}

}  // namespace sluice::control
