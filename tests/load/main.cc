// sluice-load client --to ADDRESS:PORT [--from ADDRESS] [--seconds N] [--rate N] [--kept N] [--short-rate N] ...
// sluice-load upstream [--address A] [--port N] [--name N] [--flap-ms N] [--delay-ms N]
//
// Both end at SIGTERM and print what they counted as one JSON object. tests/e2e/harness/l1.py runs them.

#include <arpa/inet.h>
#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#include "client.h"
#include "upstream.h"

namespace {

class Options {
 public:
  Options(int count, char** words) {
    for (int i = 2; i + 1 < count; i += 2) given_[words[i]] = words[i + 1];
    is_good_ = count % 2 == 0;
  }
  bool is_good() const { return is_good_ && given_.empty(); }  // all were known

  std::string text(const char* name, std::string otherwise) {
    const auto found = given_.find(name);
    if (found == given_.end()) return otherwise;
    otherwise = found->second;
    given_.erase(found);
    return otherwise;
  }
  double number(const char* name, double otherwise) {
    const std::string given = text(name, "");
    return given.empty() ? otherwise : std::atof(given.c_str());
  }
  unsigned count(const char* name, unsigned otherwise) { return static_cast<unsigned>(number(name, otherwise)); }
  std::chrono::milliseconds milliseconds(const char* name, unsigned otherwise) {
    return std::chrono::milliseconds(count(name, otherwise));
  }

 private:
  std::map<std::string, std::string> given_;
  bool is_good_ = false;
};

int usage() {
  fmt::print(stderr, "usage: sluice-load client|upstream [--option value]...; see tests/load/main.cc\n");
  return 2;
}

bool read_address(const std::string& text, sockaddr_in& out) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return false;
  out.sin_family = AF_INET;
  out.sin_port = htons(static_cast<std::uint16_t>(std::atoi(text.c_str() + colon + 1)));
  return ::inet_pton(AF_INET, text.substr(0, colon).c_str(), &out.sin_addr) == 1;
}

int run_client(Options& options) {
  load::ClientSettings settings;
  if (!read_address(options.text("--to", ""), settings.to)) return usage();
  if (!read_address(options.text("--other", "127.0.0.1:1"), settings.other)) return usage();
  settings.agent_bytes = options.count("--agent-bytes", 0);
  const std::string from = options.text("--from", "0.0.0.0");
  if (::inet_pton(AF_INET, from.c_str(), &settings.from) != 1) return usage();
  settings.seconds = options.number("--seconds", settings.seconds);
  settings.rate = options.number("--rate", settings.rate);
  settings.kept = options.count("--kept", settings.kept);
  settings.short_rate = options.number("--short-rate", settings.short_rate);
  settings.post_every = options.count("--post-every", settings.post_every);
  settings.large_every = options.count("--large-every", settings.large_every);
  settings.large_bytes = options.count("--large-bytes", static_cast<unsigned>(settings.large_bytes));
  settings.patience = options.milliseconds("--patience-ms", 10'000);
  if (!options.is_good()) return usage();
  fmt::print("{}\n", load::Client(settings).run());
  return 0;
}

int run_upstream(Options& options) {
  load::UpstreamSettings settings;
  settings.address = options.text("--address", settings.address);
  settings.port = static_cast<std::uint16_t>(options.count("--port", 0));
  settings.name = options.text("--name", settings.name);
  settings.flap = options.milliseconds("--flap-ms", 0);
  settings.delay = options.milliseconds("--delay-ms", 0);
  if (!options.is_good()) return usage();
  return load::Upstream(settings).run();
}

}  // namespace

int main(int count, char** words) {
  if (count < 2) return usage();
  Options options(count, words);
  if (std::strcmp(words[1], "client") == 0) return run_client(options);
  if (std::strcmp(words[1], "upstream") == 0) return run_upstream(options);
  return usage();
}
