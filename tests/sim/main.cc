// sluice_sim: plays scenarios of the simulated world. docs/testing.md says how it is used.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/random.h"
#include "run.h"

namespace sluice::sim {
namespace {

constexpr const char* usage = R"(usage: sluice_sim [options]
  --seeds N        plays N seeds (default 1)
  --from N         the first of them (default 1)
  --minutes N      goes on from a random seed, or from --from, until N minutes are over
  --script FILE    plays a scenario from a file instead; a folder: all *.sim in it
  --trace          prints every event of each run
  --print          prints the scenario as a script, and does not play it
  --shrink         of each failing scenario, looks for the smallest that still fails and prints it
  --keep FOLDER    writes the shrunk scenario of each failing seed there
)";

struct Options {
  std::uint64_t seeds = 1, from = 1;
  double minutes = 0;
  bool is_traced = false, is_printed = false, is_shrunk = false, has_from = false;
  std::string script, keep;
};

struct Totals {
  std::uint64_t runs = 0, failed = 0, exchanges = 0, whole = 0, by_gateway = 0, events = 0;
};

void print_line(const std::string& line) { std::puts(line.c_str()); }

constexpr std::uint64_t replay_every = 100;  // seeds: played twice, to prove that a seed fixes everything

// Plays one scenario; twice when it fails, to prove that it fails in the same way.
bool play(const Scenario& scenario, const std::string& name, const Options& options, Totals& totals) {
  if (options.is_printed) {
    std::fputs(to_script(scenario).c_str(), stdout);
    return true;
  }
  const Outcome outcome = options.is_traced ? run(scenario, print_line) : run(scenario);
  ++totals.runs;
  totals.exchanges += static_cast<std::uint64_t>(outcome.exchanges);
  totals.whole += static_cast<std::uint64_t>(outcome.whole);
  totals.by_gateway += static_cast<std::uint64_t>(outcome.by_gateway);
  totals.events += outcome.events;
  if (options.is_traced) std::printf("%s: trace hash %016lx\n", name.c_str(), outcome.trace_hash);
  if (outcome.violations.empty()) {
    if (totals.runs % replay_every != 0 || run(scenario).trace_hash == outcome.trace_hash) return true;
    ++totals.failed;
    std::printf("FAILED %s: a second run went another way\n", name.c_str());
    return false;
  }
  ++totals.failed;
  std::printf("FAILED %s (trace hash %016lx)\n", name.c_str(), outcome.trace_hash);
  for (const std::string& violation : outcome.violations) std::printf("  %s\n", violation.c_str());
  if (run(scenario).trace_hash != outcome.trace_hash) std::printf("  and a second run went another way\n");
  if (options.is_shrunk || !options.keep.empty()) {
    const std::string small = to_script(shrink(scenario, 2'000));
    std::printf("smallest that fails:\n%s", small.c_str());
    if (!options.keep.empty()) {
      std::string file = name;
      std::ranges::replace(file, ' ', '_');
      std::ofstream(options.keep + "/" + file + ".sim") << small;
    }
  }
  std::fflush(stdout);
  return false;
}

int play_scripts(const Options& options, Totals& totals) {
  std::vector<std::filesystem::path> files;
  if (std::filesystem::is_directory(options.script)) {
    for (const auto& entry : std::filesystem::directory_iterator(options.script))
      if (entry.path().extension() == ".sim") files.push_back(entry.path());
    std::sort(files.begin(), files.end());
  } else {
    files.emplace_back(options.script);
  }
  for (const auto& path : files) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    std::string fault;
    const auto scenario = from_script(text.str(), fault);
    if (!file || !scenario) {
      std::fprintf(stderr, "sluice_sim: %s: cannot be read%s%s\n", path.c_str(), fault.empty() ? "" : ": ",
                   fault.c_str());
      return 2;
    }
    (void)play(*scenario, path.stem().string(), options, totals);  // counted in totals
  }
  if (files.empty()) std::fprintf(stderr, "sluice_sim: no scripts in %s\n", options.script.c_str());
  return files.empty() ? 2 : 0;
}

void play_seeds(const Options& options, Totals& totals) {
  const auto start = std::chrono::steady_clock::now();
  const auto over = [&](std::uint64_t played) {
    if (options.minutes == 0) return played >= options.seeds;
    return std::chrono::steady_clock::now() - start > std::chrono::duration<double, std::ratio<60>>(options.minutes);
  };
  std::uint64_t seed = options.from;
  if (options.minutes > 0 && !options.has_from) seed = kernel_random() >> 16;
  std::printf("from seed %lu\n", seed);
  for (std::uint64_t played = 0; !over(played); ++played, ++seed)
    (void)play(generate(seed), "seed " + std::to_string(seed), options, totals);  // counted in totals
}

bool read_options(int count, char** words, Options& options) {
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    const char* const value = i + 1 < count ? words[i + 1] : nullptr;
    if (word == "--trace")
      options.is_traced = true;
    else if (word == "--print")
      options.is_printed = true;
    else if (word == "--shrink")
      options.is_shrunk = true;
    else if (value == nullptr)
      return false;
    else if (word == "--seeds")
      options.seeds = std::strtoull(words[++i], nullptr, 10);
    else if (word == "--from")
      options.has_from = true, options.from = std::strtoull(words[++i], nullptr, 10);
    else if (word == "--minutes")
      options.minutes = std::strtod(words[++i], nullptr);
    else if (word == "--script")
      options.script = words[++i];
    else if (word == "--keep")
      options.keep = words[++i];
    else
      return false;
  }
  return true;
}

}  // namespace
}  // namespace sluice::sim

int main(int count, char** words) {
  using namespace sluice::sim;
  Options options;
  if (!read_options(count, words, options)) {
    std::fputs(usage, stderr);
    return 2;
  }
  Totals totals;
  if (!options.script.empty()) {
    if (const int fault = play_scripts(options, totals); fault != 0) return fault;
  } else {
    play_seeds(options, totals);
  }
  if (options.is_printed) return 0;
  std::printf(
      "%lu runs, %lu failed; %lu exchanges, %lu answered whole, %lu of these by the gateway itself; %lu events\n",
      totals.runs, totals.failed, totals.exchanges, totals.whole, totals.by_gateway, totals.events);
  return totals.failed == 0 && totals.runs > 0 ? 0 : 1;
}
