#include "config/reader.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/manual.h"
#include "config/sample_test.h"

namespace sluice::config {
namespace {

using namespace std::chrono_literals;

std::string file_text(const std::string& name) {
  std::ifstream in(std::string(SLUICE_SOURCE_DIR) + "/src/config/" + name);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

struct Outcome {
  sample::Gateway value;
  std::string messages;
};

Outcome outcome_of(const std::string& text) {
  Outcome out;
  Diagnostics diagnostics;
  const auto document = parse(text, "g.yaml", diagnostics);
  if (document) (void)read(*document, out.value, diagnostics);  // the messages say it
  out.messages = diagnostics.render();
  return out;
}

TEST(Reader, ReadsEveryKindOfField) {
  const Outcome got = outcome_of(R"(
name: 1.10
trace: true
level: -0
seed: 0xff
share: 1
grace: 10us
drain: 1m
body: 1MiB
admit: 5/m
balance: round_robin
timeout: 250ms
method: get
endpoints: [127.0.0.1:7001, {address: b, weight: 2}]
limits: {small: {requests: 5}, large: {window: 24h}}
labels: {z: 1, a: true}
to: users
limit: {requests: 7, burst: 2}
)");
  ASSERT_EQ(got.messages, "");
  const sample::Gateway& g = got.value;
  EXPECT_EQ(g.name, "1.10");  // as written, not as a number
  EXPECT_TRUE(g.trace);
  EXPECT_EQ(g.level, 0);
  EXPECT_EQ(g.seed, 255u);
  EXPECT_EQ(g.share, 1.0);
  EXPECT_EQ(g.grace, 10us);
  EXPECT_EQ(g.drain, 60s);
  EXPECT_EQ(g.body, Size{1 << 20});
  EXPECT_EQ(g.admit, (Rate{5, 1min}));
  EXPECT_EQ(g.balance, sample::Balance::round_robin);
  EXPECT_EQ(g.timeout, 250ms);
  EXPECT_EQ(g.method, std::vector<std::string>{"get"});
  ASSERT_EQ(g.endpoints.size(), 2u);
  EXPECT_EQ(g.endpoints[0].address, "127.0.0.1:7001");
  EXPECT_EQ(g.endpoints[0].place, (Place{14, 13, 0, 14}));
  EXPECT_EQ(g.endpoints[1].weight, 2u);
  ASSERT_EQ(g.limits.size(), 2u);
  EXPECT_EQ(g.limits.entries[1].key, "large");
  EXPECT_EQ(g.limits.entries[1].place, (Place{15, 32, 0, 5}));
  EXPECT_EQ(g.limits.find("large")->window, 24h);
  EXPECT_EQ(g.limits.find("small")->requests, 5u);
  EXPECT_EQ(g.labels.entries[0].key, "z");  // in the order of the file
  EXPECT_EQ(*g.labels.find("a"), "true");
  EXPECT_EQ(*g.to, "users");
  EXPECT_EQ(g.to.place, (Place{17, 5, 0, 5}));
  EXPECT_EQ(g.limit->requests, 7u);
  EXPECT_EQ(g.limit->window, 1s);
}

TEST(Reader, AnAbsentKeyKeepsTheInitialiser) {
  const Outcome got = outcome_of("to: u\n");
  EXPECT_EQ(got.messages, "");
  EXPECT_EQ(got.value.level, -3);
  EXPECT_FALSE(got.value.timeout);
  EXPECT_FALSE(got.value.limit->place.is_known());
}

TEST(Reader, AListMayStandWhereOneMay) {
  EXPECT_EQ(outcome_of("to: u\nmethod: [get, head]\n").value.method, (std::vector<std::string>{"get", "head"}));
}

TEST(Reader, NumbersAtTheirEnds) {
  EXPECT_EQ(outcome_of("to: u\nlevel: 32767\n").messages, "");
  EXPECT_EQ(outcome_of("to: u\nlevel: -32768\n").messages, "");
  EXPECT_NE(outcome_of("to: u\nlevel: 32768\n").messages, "");
  EXPECT_NE(outcome_of("to: u\nseed: -1\n").messages, "");
  EXPECT_EQ(outcome_of("to: u\nseed: 9223372036854775807\n").messages, "");
  EXPECT_EQ(outcome_of("to: u\nlimit: {requests: 1000000}\n").messages, "");
  EXPECT_NE(outcome_of("to: u\nlimit: {requests: 1000001}\n").messages, "");
  EXPECT_NE(outcome_of("to: u\nshare: .nan\n").messages, "");
  EXPECT_NE(outcome_of("to: u\nshare: 1e400\n").messages, "");
}

TEST(Reader, FetchesSecrets) {
  ::setenv("SLUICE_TEST_SECRET", "from the environment", 1);
  EXPECT_EQ(outcome_of("to: u\ntoken: env:SLUICE_TEST_SECRET\n").value.token.reveal(), "from the environment");
  ::setenv("SLUICE_TEST_SECRET", "", 1);
  EXPECT_NE(outcome_of("to: u\ntoken: env:SLUICE_TEST_SECRET\n").messages.find("is an empty secret"),
            std::string::npos);

  std::string folder = (std::filesystem::temp_directory_path() / "sluice_secret_XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  std::ofstream(folder + "/key") << "from a file\n";
  EXPECT_EQ(outcome_of("to: u\ntoken: file:" + folder + "/key\n").value.token.reveal(), "from a file");
  std::ofstream(folder + "/key") << std::string(Secret::max_bytes + 1, 'x');
  EXPECT_NE(outcome_of("to: u\ntoken: file:" + folder + "/key\n").messages.find("more than 64 KiB"), std::string::npos);
  EXPECT_NE(outcome_of("to: u\ntoken: file:" + folder + "\n").messages.find("does not name a readable file"),
            std::string::npos);
  std::filesystem::remove_all(folder);
}

TEST(Reader, ASecretIsNeverPrinted) {
  const Outcome got = outcome_of("to: u\ntoken: \"hunter2\n  second line\"\nnam: x\n");
  EXPECT_EQ(got.messages.find("hunter2"), std::string::npos) << got.messages;
  sample::Gateway g;
  g.token = Secret("hunter2");
  EXPECT_EQ(dump(g).find("hunter2"), std::string::npos);
  EXPECT_NE(dump(g).find("\"token\": \"(secret)\""), std::string::npos);
}

TEST(Reader, DumpsWhatIsInForce) {
  sample::Gateway g;
  g.to.value = "users";
  g.endpoints.push_back({.address = "a:1"});
  g.limits.entries.push_back({"x", {}, {}});
  EXPECT_EQ(
      dump(g),
      R"({"name": "edge", "trace": false, "level": -3, "seed": 0, "share": 0.5, "grace": "250ms", "drain": "30s", )"
      R"("body": "64KiB", "admit": "100/s", "balance": "least_request", "method": [], )"
      R"("endpoints": [{"address": "a:1", "weight": 1}], )"
      R"("limits": {"x": {"requests": 100, "window": "1s", "burst": 1}}, "labels": {}, "to": "users", )"
      R"("limit": {"requests": 100, "window": "1s", "burst": 1}})");
}

// What dump() writes reads back to the same.
TEST(Reader, ReadsItsOwnDump) {
  const Outcome first =
      outcome_of("to: u\nbody: 12345\ntimeout: 90s\nendpoints: [{address: a, weight: 3}]\nlabels: {a: '\\\"x'}\n");
  const Outcome second = outcome_of(dump(first.value));
  EXPECT_EQ(second.messages, "");
  EXPECT_EQ(dump(first.value), dump(second.value));
}

// Each case of broken.golden: a name, a config, and every message about it.
TEST(Reader, ExplainsEveryBrokenConfig) {
  const std::string all = file_text("broken.golden");
  std::size_t count = 0;
  for (std::size_t at = 0; at < all.size(); ++count) {
    std::size_t end = all.find("\n### ", at);
    end = end == std::string::npos ? all.size() : end + 1;
    const std::string one = all.substr(at, end - at);
    const std::size_t text = one.find('\n') + 1;
    const std::size_t middle = one.find("=>\n");
    ASSERT_NE(middle, std::string::npos) << one;
    EXPECT_EQ(outcome_of(one.substr(text, middle - text)).messages, one.substr(middle + 3)) << one.substr(0, text);
    at = end;
  }
  EXPECT_GE(count, 50u);
}

TEST(Reader, EveryCutOfAGoodConfigIsAnsweredInWords) {
  const std::string good =
      "to: u\nlimits: {a: {requests: 5, window: \"1s\"}}\nendpoints:\n  - {address: 'b', weight: 2}\n# end\n";
  for (std::size_t size = 0; size <= good.size(); ++size) {
    const std::string messages = outcome_of(good.substr(0, size)).messages;
    EXPECT_EQ(messages.find("[syntax]"), std::string::npos) << messages;
  }
}

TEST(Schema, IsWhatItWas) { EXPECT_EQ(schema<sample::Gateway>("Sample"), file_text("schema.golden.json")); }

TEST(Manual, IsATableOfAllFields) {
  EXPECT_EQ(manual_table<sample::Limit>(),
            "| field | type | default | meaning |\n| --- | --- | --- | --- |\n"
            "| `requests` | integer, 1 to 1000000 | `100` | Requests admitted per window and client key. |\n"
            "| `window` | duration, 1ms to 24h | `1s` | Length of the window. Longer windows are smoother. |\n"
            "| `burst` | integer, 1 to 1000000 | `1` | Requests that may arrive at the same instant. |\n");
  const std::string table = manual_table<sample::Gateway>();
  for (const char* row :
       {"| `limits.*.window` | duration", "| `endpoints[].weight` | integer, 1 to 1000 | `1` |",
        "| `to` | text | required | Upstream name. Example: `users`. |", "Labels \\| any.",
        "| `token` | secret | none |", "| `balance` | `round_robin`, `least_request` | `least_request` |"})
    EXPECT_NE(table.find(row), std::string::npos) << row << '\n' << table;
}

}  // namespace
}  // namespace sluice::config
