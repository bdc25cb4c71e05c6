// The command line: `sluice COMMAND ...`. What a command does stands in its own file.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "app/commands.h"
#include "config/suggest.h"
#include "control/service.h"
#include "net/tls/held_memory.h"

namespace sluice::app {

namespace {

constexpr const char* description =
    "Sluice, an API gateway: routes HTTP requests to the services behind it, and explains every decision.";

struct CommandLine {
  CLI::App app{description, "sluice"};
  RunOptions run;
  UpgradeOptions upgrade;
  CheckOptions check;
  ExplainOptions explain;
  std::string page;

  CommandLine() {
    app.set_version_flag("--version", std::string("sluice ") + SLUICE_VERSION);
    app.set_help_flag("-h,--help", "Print this help and exit");
    app.require_subcommand(0, 1);
    app.fallthrough(false);
    add_run();
    add_upgrade();
    add_check();
    add_explain();
    add_key();
    app.add_subcommand("schema", "Print the JSON Schema (2020-12) of the config file, for editors");
    auto* const manual = app.add_subcommand("manual", "Print a reference page as Markdown");
    manual->add_option("PAGE", page, "Which page")->required()->check(CLI::IsMember(manual_pages()));
    app.footer(
        "Without CONFIG the environment variable SLUICE_CONFIG names the config file.\n"
        "Exit codes: 0 good, 1 the config has errors, 2 wrong command line, 3 cannot start, 4 drain cut exchanges "
        "off, 5 died while stopping.");
  }

  static void add_config(CLI::App& command, std::string& config) {
    command.add_option("CONFIG", config, "The config file (YAML)")->envname("SLUICE_CONFIG")->required();
  }
  void add_run() {
    auto& command = *app.add_subcommand(
        "run", "Run the gateway in the foreground; SIGTERM drains, SIGHUP reloads, SIGUSR2 upgrades");
    add_config(command, run.config);
    command.add_option("--workers", run.workers, "Worker threads; default: the cores this process may use")
        ->check(CLI::Range(1u, 256u));
    command.add_option("--loop", run.loop, "What moves the bytes; auto takes io_uring where it works")
        ->check(CLI::IsMember({"auto", "uring", "epoll"}));
    command.add_flag("--no-supervisor", run.is_alone, "One process only: nobody starts it anew when it dies");
    command.add_option("--pid-file", run.pid_file, "Write the process id there, for `sluice upgrade --pid-file`");
    command
        .add_option("--proven-after", run.proven_after_s,
                    "Seconds that a new config must run without a crash to be called good")
        ->check(CLI::Range(1u, 86'400u));
    command
        .add_option("--state-dir", run.state_folder,
                    "Where the last good config is kept; default: /var/lib/sluice, when that exists")
        ->envname("STATE_DIRECTORY");
    command.add_flag("--fallback-to-last-good", run.may_fall_back,
                     "Start with the last good config when the given one has errors");
  }
  void add_upgrade() {
    auto& command = *app.add_subcommand("upgrade", "Let a running gateway become the binary that is now on disk");
    command.add_option("PID", upgrade.pid, "The process that `sluice run` started")->check(CLI::PositiveNumber);
    command.add_option("--pid-file", upgrade.pid_file, "The file that `sluice run --pid-file` wrote");
  }
  void add_check() {
    auto& command = *app.add_subcommand("check", "Read a config and run its tests; report every error at its place");
    add_config(command, check.config);
    command.add_flag("--json", check.as_json, "One JSON object a diagnostic, on standard output");
  }
  void add_key() {
    auto& command = *app.add_subcommand("key", "Make keys for consumers, and their hashes for the config");
    command.require_subcommand(1);
    command.add_subcommand("new", "Make a key: print it and its hash");
    command.add_subcommand("hash", "Print the hash of a key, which is read from standard input");
  }
  void add_explain() {
    auto& command =
        *app.add_subcommand("explain", "Say what would be done with a request and why; without URL: the plan");
    add_config(command, explain.config);
    command.add_option("URL", explain.url, "The request, such as http://api.example.com/users/42");
    command.add_option("-X,--method", explain.method, "Its method");
    command.add_option("-H,--header", explain.headers, "A header of it, 'name: value'; may be repeated")
        ->allow_extra_args(false);
    command.add_option("--listener", explain.listener, "The listener it arrives on; default: the first");
    command.add_flag("--json", explain.as_json, "As JSON");
  }
};

const CLI::App& chosen_command(const CommandLine& line) {
  const auto chosen = line.app.get_subcommands();
  return chosen.empty() ? line.app : *chosen.front();
}

// The words that may stand after this command: commands, options, and the values of those that have few.
std::vector<std::string> known_words(const CommandLine& line) {
  const CLI::App& command = chosen_command(line);
  std::vector<std::string> words;
  for (const CLI::App* known : command.get_subcommands([](const CLI::App*) { return true; }))
    words.push_back(known->get_name());
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
    for (const std::string& name : option->get_snames()) words.push_back("-" + name);
  }
  if (command.get_name() == "manual") std::ranges::move(manual_pages(), std::back_inserter(words));
  if (command.get_name() == "run") words.insert(words.end(), {"auto", "uring", "epoll"});
  return words;
}

// The parser names all words it could not place. One of them is the mistake: an unknown command, else an unknown
// option, else a word too many.
std::string name_mistake(const CommandLine& line, std::span<const std::string_view> known, int argc, char** argv) {
  if (line.app.get_subcommands().empty() && argc > 1 && *argv[1] != '-')
    return std::string("there is no command '") + argv[1] + "'";
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = std::string_view(argv[i]).substr(0, std::string_view(argv[i]).find('='));
    if (word.starts_with('-') && std::ranges::find(known, word) == known.end())
      return "there is no option '" + std::string(word) + "'";
  }
  const auto extras = line.app.remaining(true);
  return extras.empty() ? "too many arguments" : "one argument too many: '" + extras.front() + "'";
}

void suggest(const CommandLine& line, std::span<const std::string_view> known, int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word(argv[i]);
    const std::size_t end = word.find('=');
    for (const std::string_view part :
         {word.substr(0, end), end == std::string_view::npos ? "" : word.substr(end + 1)}) {
      if (part == chosen_command(line).get_name() || std::ranges::find(known, part) != known.end()) continue;
      if (const auto near = config::did_you_mean(part, known))
        std::fprintf(stderr, "  did you mean '%s'?\n", std::string(*near).c_str());
    }
  }
}

int complain(const CommandLine& line, const CLI::ParseError& fault, int argc, char** argv) {
  const std::vector<std::string> words = known_words(line);
  const std::vector<std::string_view> known(words.begin(), words.end());
  const bool has_extras = fault.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError);
  const std::string what = has_extras ? name_mistake(line, known, argc, argv) : fault.what();
  std::fprintf(stderr, "sluice: %s\n", what.c_str());
  suggest(line, known, argc, argv);
  std::fputs("  `sluice --help` lists the commands, `sluice COMMAND --help` what one takes\n", stderr);
  return control::exit_usage;
}

int dispatch(CommandLine& line) {
  const auto& app = line.app;
  if (app.got_subcommand("run")) return run(line.run);
  if (app.got_subcommand("upgrade")) return upgrade(line.upgrade);
  if (app.got_subcommand("check")) return check(line.check);
  if (app.got_subcommand("explain")) return explain(line.explain);
  if (app.got_subcommand("key")) return app.get_subcommand("key")->got_subcommand("new") ? key_new() : key_hash();
  if (app.got_subcommand("schema")) return schema();
  if (app.got_subcommand("manual")) return manual(line.page);
  std::fputs(app.help().c_str(), stderr);
  return control::exit_usage;
}

int main_of(int argc, char** argv) {
  CommandLine line;
  try {
    line.app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {  // --help, --version
    return line.app.exit(wanted);
  } catch (const CLI::ParseError& fault) {
    return complain(line, fault, argc, argv);
  }
  line.run.arguments.assign(argv, argv + argc);
  return dispatch(line);
}

}  // namespace
}  // namespace sluice::app

int main(int argc, char** argv) {
  (void)sluice::net::tls::count_memory();  // at worst the workers' figures leave TLS out
  return sluice::app::main_of(argc, argv);
}
