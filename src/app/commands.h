#pragma once
// The commands of `sluice`, one file each. Each returns the process's exit code (docs/operations.md).

#include <string>
#include <utility>
#include <vector>

namespace sluice::app {

struct RunOptions {
  std::string config;
  unsigned workers = 0;  // 0: the cores this process may use
  std::string loop = "auto";
};
struct CheckOptions {
  std::string config;
  bool as_json = false;
};
struct ExplainOptions {
  std::string config;
  std::string url;  // "": the whole plan
  std::string method = "GET";
  std::vector<std::string> headers;  // "name: value"
  std::string listener;              // "": the first
  bool as_json = false;
};

int run(const RunOptions& options);
int check(const CheckOptions& options);
int explain(const ExplainOptions& options);
int schema();
// Prints a reference page of the manual as Markdown: configuration, causes, metrics, access-log.
int manual(const std::string& page);
std::vector<std::string> manual_pages();

}  // namespace sluice::app
