#pragma once
// A policy made from a snippet of YAML and run on a request made from bytes, for the tests of this room and of the
// folders under policies/. Not used outside tests.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/document.h"
#include "http/h1/parser.h"
#include "policy/exchange.h"
#include "policy/kind.h"

namespace sluice::policy {

inline std::shared_ptr<const void> read_config(const Kind& kind, std::string_view yaml,
                                               config::Diagnostics& diagnostics) {
  const auto document = config::parse(std::string(yaml), "policy.yaml", diagnostics);
  if (!document || diagnostics.has_errors()) return nullptr;
  config::ReadContext context(diagnostics);
  return kind.read(document->root(), context);
}

// What `sluice check` would print about the fields of that kind; "" when they are good.
inline std::string diagnose(const Kind& kind, std::string_view yaml) {
  config::Diagnostics diagnostics;
  (void)read_config(kind, yaml, diagnostics);  // the diagnostics say it all
  return diagnostics.render();
}

// Where a policy is made. Tests that look at what stays over a reload make two in one.
struct World {
  StateStore states;
  config::Diagnostics diagnostics;
  std::shared_ptr<const ConsumerSource> consumers = ConsumerSource::open({}, {}, diagnostics);

  // `yaml`: as a file of consumers.
  void know(std::string_view yaml) {
    const auto document = config::parse(std::string(yaml), "consumers.yaml", diagnostics);
    ConsumerFile file;
    if (document && config::read(*document, file, diagnostics))
      consumers = ConsumerSource::open(std::move(file.consumers), {}, diagnostics);
    EXPECT_EQ(diagnostics.render(), "");
  }
  CompileContext context(std::string key = "list\nkind") {
    return CompileContext({.states = states, .consumers = consumers, .key = std::move(key)});
  }
};
inline World& some_world() {
  static World world;
  return world;
}

// The policy, and what it asked of its routes. A snippet that does not read fails the test.
struct Made {
  std::shared_ptr<const void> config;
  CompileContext context;
  std::shared_ptr<const Policy> policy;
  const Policy* operator->() const { return policy.get(); }
};
inline Made make_policy(const Kind& kind, std::string_view yaml, World& world = some_world()) {
  config::Diagnostics diagnostics;
  Made made{.config = read_config(kind, yaml, diagnostics), .context = world.context(), .policy = nullptr};
  EXPECT_EQ(diagnostics.render(), "");
  if (made.config == nullptr) std::abort();
  made.policy = kind.compile(made.config.get(), made.context);
  // As a plan outlives its exchanges: what a policy says may point into it.
  static std::vector<std::shared_ptr<const Policy>> plan;
  plan.push_back(made.policy);
  return made;
}

// One exchange from the bytes of a request head. Set what `facts` should hold besides, then begin().
class Fixture : public Listener {
 public:
  explicit Fixture(std::string_view head) : head_(head) {
    parser_.start(arena);
    const auto progress = parser_.feed(head_);
    EXPECT_TRUE(progress && progress->complete) << head;
    facts = {.request = &parser_.request(),
             .arena = &arena,
             .wall_now = WallTime{std::chrono::milliseconds{0x0123456789ab}},
             .random = 0xfedcba9876543210,
             .listener = "public",
             .route = "all"};
    set_peer("192.0.2.7");
    begin();
  }
  Fixture(std::string_view method, std::string_view target, std::string_view fields = "")
      : Fixture(std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: a.example\r\n" +
                std::string(fields) + "\r\n") {}

  void set_peer(std::string_view ip) { facts.peer = *net::Address::parse_ip(ip); }
  void set_captures(std::vector<Capture> captures) {
    captures_ = std::move(captures);
    facts.captures = captures_;
  }
  void begin() {
    exchange.begin(facts);
    exchange.listen(this);
    exchange.set_response(response);
  }

  // Every value of a field, in order, with `|` between them; "(none)" when there is none.
  static std::string values(const http::FieldList& fields, std::string_view name) {
    std::string all;
    bool is_there = false;
    fields.each(name, [&](const http::Field& field) {
      if (is_there) all += '|';
      all += field.value;
      is_there = true;
    });
    return is_there ? all : "(none)";
  }
  std::string sent(std::string_view name) const { return values(exchange.upstream_request().fields, name); }
  std::string answered(std::string_view name) const { return values(exchange.made_reply().fields, name); }
  std::string returned(std::string_view name) const { return values(response.fields, name); }
  std::string told_text() const {
    std::string all;
    for (const std::string& line : told_lines) all += line + "\n";
    return all;
  }

  Arena arena;
  Facts facts;
  Exchange exchange;
  http::ResponseHead response;
  std::vector<std::string> told_lines;

 private:
  void begins(std::string_view) override {}
  void told(std::string_view what) override { told_lines.emplace_back(what); }

  std::string head_;
  http::HeadLimits limits_;
  http::h1::RequestParser parser_{limits_};
  std::vector<Capture> captures_;
};

}  // namespace sluice::policy
