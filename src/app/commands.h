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
  bool is_alone = false;               // --no-supervisor
  std::string pid_file;                // "": none
  unsigned proven_after_s = 30;        // seconds
  std::string state_folder;            // "": the default, when it exists
  bool may_fall_back = false;          // --fallback-to-last-good
  std::vector<std::string> arguments;  // the whole command line
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

struct UpgradeOptions {
  int pid = 0;           // 0: see pid_file
  std::string pid_file;  // as given to `run`
};

int run(const RunOptions& options);
int upgrade(const UpgradeOptions& options);
int check(const CheckOptions& options);
int explain(const ExplainOptions& options);
int schema();
// A new key and its hash; the hash of a key that is read from standard input.
int key_new();
int key_hash();
// Prints a reference page of the manual as Markdown: configuration, causes, metrics, access-log.
int manual(const std::string& page);
std::vector<std::string> manual_pages();

}  // namespace sluice::app
