#include "config/manual.h"

#include <fmt/format.h>

#include <cstdio>

#include "app/commands.h"
#include "control/prometheus.h"
#include "control/service.h"
#include "gateway/access_log.h"
#include "gateway/causes.h"
#include "gateway/config.h"
#include "http/causes.h"

namespace sluice::app {

namespace {

// A field table holds `|`, which Markdown's tables want escaped.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

std::string configuration() {
  std::string out = "## The file\n\n" + config::manual_table<gateway::RootConfig>() + "\n## Policies\n";
  for (const policy::Kind* kind : policy::kinds())
    out +=
        fmt::format("\n### `{}`\n\n{} Stage `{}`{}.\n\n{}", kind->name, kind->summary, policy::stage_name(kind->stage),
                    kind->is_on_by_default ? "; in force by default" : "", config::manual_table(kind->fields()));
  return out;
}

std::string causes() {
  std::string out = "| cause | status | who | when, and what to do |\n|---|---|---|---|\n";
  std::vector<std::span<const Cause* const>> lists{http::causes(), gateway::causes()};
  for (const policy::Kind* kind : policy::kinds()) lists.push_back(kind->causes);
  constexpr std::string_view sides[] = {"client", "gateway", "upstream"};
  for (const auto list : lists)
    for (const Cause* cause : list)
      out += fmt::format("| `{}` | {} | {} | {} |\n", cause->code, cause->status,
                         sides[static_cast<unsigned>(cause->side)], cell(cause->meaning));
  return out;
}

std::string metrics() {
  constexpr std::string_view types[] = {"counter", "gauge", "histogram"};
  std::string out = "| metric | type | labels | meaning |\n|---|---|---|---|\n";
  for (const auto& info : control::metric_infos())
    out += fmt::format("| `{}` | {} | {} | {} |\n", info.name, types[static_cast<unsigned>(info.type)], info.labels,
                       cell(info.help));
  return out;
}

std::string access_log() {
  std::string out = "| field | meaning |\n|---|---|\n";
  for (const auto& field : gateway::access_log_fields())
    out += fmt::format("| `{}` | {} |\n", field.name, cell(field.meaning));
  return out;
}

struct Page {
  const char* name;
  std::string (*make)();
};
constexpr Page pages[] = {
    {"configuration", configuration}, {"causes", causes}, {"metrics", metrics}, {"access-log", access_log}};

}  // namespace

std::vector<std::string> manual_pages() {
  std::vector<std::string> names;
  for (const Page& page : pages) names.emplace_back(page.name);
  return names;
}

int manual(const std::string& name) {
  for (const Page& page : pages)
    if (page.name == name) std::fputs(page.make().c_str(), stdout);
  return control::exit_ok;
}

}  // namespace sluice::app
