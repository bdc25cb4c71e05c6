// The command line: `sluice COMMAND ...`. What a command does stands in its own file.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>

#include "app/commands.h"
#include "config/suggest.h"
#include "control/service.h"

namespace sluice::app {

namespace {

constexpr const char* description =
    "Sluice, an API gateway: routes HTTP requests to the services behind it, and explains every decision.";

struct CommandLine {
  CLI::App app{description, "sluice"};
  RunOptions run;
  CheckOptions check;
  ExplainOptions explain;
  std::string page;

  CommandLine() {
    app.set_version_flag("--version", std::string("sluice ") + SLUICE_VERSION);
    app.set_help_flag("-h,--help", "Print this help and exit");
    app.require_subcommand(0, 1);
    app.fallthrough(false);
    add_run();
    add_check();
    add_explain();
    app.add_subcommand("schema", "Print the JSON Schema (2020-12) of the config file, for editors");
    auto* const manual = app.add_subcommand("manual", "Print a reference page as Markdown");
    manual->add_option("PAGE", page, "Which page")->required()->check(CLI::IsMember(manual_pages()));
    app.footer("Without CONFIG the environment variable SLUICE_CONFIG names the config file.\n"
               "Exit codes: 0 good, 1 the config has errors, 2 wrong command line, 3 cannot start, 4 drain cut exchanges off.");
  }

  static void add_config(CLI::App& command, std::string& config) {
    command.add_option("CONFIG", config, "The config file (YAML)")->envname("SLUICE_CONFIG")->required();
  }
  void add_run() {
    auto& command = *app.add_subcommand("run", "Run the gateway in the foreground; SIGTERM drains, SIGHUP reloads");
    add_config(command, run.config);
    command.add_option("--workers", run.workers, "Worker threads; default: the cores this process may use")
        ->check(CLI::Range(1u, 256u));
    command.add_option("--loop", run.loop, "What moves the bytes; auto takes io_uring where it works")
        ->check(CLI::IsMember({"auto", "uring", "epoll"}));
  }
  void add_check() {
    auto& command = *app.add_subcommand("check", "Read a config and run its tests; report every error at its place");
    add_config(command, check.config);
    command.add_flag("--json", check.as_json, "One JSON object a diagnostic, on standard output");
  }
  void add_explain() {
    auto& command = *app.add_subcommand("explain", "Say what would be done with a request and why; without URL: the plan");
    add_config(command, explain.config);
    command.add_option("URL", explain.url, "The request, such as http://api.example.com/users/42");
    command.add_option("-X,--method", explain.method, "Its method");
    command.add_option("-H,--header", explain.headers, "A header of it, 'name: value'; may be repeated")->allow_extra_args(false);
    command.add_option("--listener", explain.listener, "The listener it arrives on; default: the first");
    command.add_flag("--json", explain.as_json, "As JSON");
  }
};

// "did you mean": of the commands for the first word, of the options of the command for an option.
void suggest(CommandLine& line, int argc, char** argv) {
  std::vector<std::string> words;
  const CLI::App* command = &line.app;
  for (const CLI::App* chosen : line.app.get_subcommands()) command = chosen;
  for (const CLI::App* known : command->get_subcommands([](const CLI::App*) { return true; })) words.push_back(known->get_name());
  for (const CLI::Option* option : command->get_options())
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
  const std::vector<std::string_view> known(words.begin(), words.end());
  for (int i = 1; i < argc; ++i) {
    const std::string_view word(argv[i]);
    if (std::find(known.begin(), known.end(), word) != known.end() || word == command->get_name()) continue;
    if (const auto near = config::did_you_mean(word.substr(0, word.find('=')), known))
      std::fprintf(stderr, "  did you mean '%s'?\n", std::string(*near).c_str());
  }
}

int dispatch(CommandLine& line) {
  const auto& app = line.app;
  if (app.got_subcommand("run")) return run(line.run);
  if (app.got_subcommand("check")) return check(line.check);
  if (app.got_subcommand("explain")) return explain(line.explain);
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
    std::fprintf(stderr, "sluice: %s\n", fault.what());
    suggest(line, argc, argv);
    std::fputs("  `sluice --help` lists the commands, `sluice COMMAND --help` what one takes\n", stderr);
    return control::exit_usage;
  }
  return dispatch(line);
}

}  // namespace
}  // namespace sluice::app

int main(int argc, char** argv) { return sluice::app::main_of(argc, argv); }
