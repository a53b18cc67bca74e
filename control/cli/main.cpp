// SPDX-License-Identifier: BSD-3-Clause
// `sallyport`: reads the command line and calls one verb. A client of sallyportd's API and of nothing else,
// except for `check`, which needs no running gateway. Exit: 0 done, 1 it could not be done, 2 wrong command
// line or configuration.
#include <CLI/CLI.hpp>
#include <iostream>

#include "completion.h"
#include "control/cli/commands.h"
#include "control/config/suggest.h"

namespace sallyport::cli {
namespace {

struct Options {
  std::string run_dir = "/run/sallyport";
  std::string file, connection;
  bool yes = false, dry_run = false, json = false, watch = false, all = false;
  std::function<ExitCode()> verb;

  [[nodiscard]] Output output() const { return json ? Output::kJson : Output::kText; }
};

const char* description_of(const std::string& noun) {
  static const std::map<std::string, const char*> kDescriptions = {
      {"gateway", "the appliance and its processes"},
      {"ports", "ports with their link, addresses and counters"},
      {"connections", "connections and how many of their tunnels are up"},
      {"tunnels", "tunnels with their state, traffic and reason"},
      {"sas", "IPsec SAs with their counters"},
      {"routes", "routes of every virtual network, as the dataplane has them"},
      {"neighbours", "neighbours on the links"},
      {"drops", "why packets were dropped"},
      {"events", "what happened lately"},
  };
  return kDescriptions.at(noun);
}

void add_show(CLI::App& app, Options& options) {
  CLI::App* show = app.add_subcommand("show", "Show what the gateway has and does");
  show->require_subcommand(1);
  for (const std::string& noun : show_nouns()) {
    CLI::App* one = show->add_subcommand(noun, description_of(noun));
    one->add_flag("--json", options.json, "the API's answer as JSON");
    if (noun == "tunnels" || noun == "events") {
      one->add_flag("--watch", options.watch, "go on until interrupted");
    }
    if (noun == "drops") one->add_flag("--all", options.all, "reasons without a packet, too");
    one->callback([&options, noun] {
      options.verb = [&options, noun] {
        const ShowStyle style{stdout_colours(), options.all ? DropRows::kAll : DropRows::kNonZero};
        const Client client(options.run_dir);
        return options.watch ? watch(client, noun, options.output(), style)
                             : show_once(client, noun, options.output(), style);
      };
    });
  }
}

void add_config(CLI::App& app, Options& options) {
  CLI::App* check_verb = app.add_subcommand("check", "Check a configuration; needs no running gateway");
  check_verb->add_option("FILE", options.file, "the configuration")->required();
  check_verb->callback([&options] { options.verb = [&options] { return check(options.file); }; });

  CLI::App* apply_verb = app.add_subcommand("apply", "Show what a configuration changes, ask, and apply it");
  apply_verb->add_option("FILE", options.file, "the configuration")->required();
  apply_verb->add_flag("--yes", options.yes, "don't ask");
  apply_verb->add_flag("--dry-run", options.dry_run, "only show");
  apply_verb->callback([&options] {
    options.verb = [&options] {
      return apply(Client(options.run_dir), options.file, options.yes ? Consent::kGiven : Consent::kAsk,
                   options.dry_run ? Rehearsal::kDryRun : Rehearsal::kForReal);
    };
  });

  CLI::App* args_verb =
      app.add_subcommand("dataplane-args", "Options of sallyport-dataplane for a configuration");
  args_verb->group("");  // for scripts/gateway
  args_verb->add_option("FILE", options.file)->required();
  args_verb->callback(
      [&options] { options.verb = [&options] { return print_dataplane_args(options.file); }; });

  CLI::App* ports_verb = app.add_subcommand("public-ports", "Ports of a configuration with a public address");
  ports_verb->group("");  // for scripts/gateway
  ports_verb->add_option("FILE", options.file)->required();
  ports_verb->callback(
      [&options] { options.verb = [&options] { return print_public_ports(options.file); }; });
}

void add_actions(CLI::App& app, Options& options) {
  const std::vector<std::pair<std::string, const char*>> verbs = {
      {"up", "Bring the tunnels of a connection up"},
      {"down", "Take the tunnels of a connection down and keep them down"},
      {"rekey", "Negotiate new keys for the tunnels of a connection"}};
  for (const auto& [verb, description] : verbs) {
    CLI::App* one = app.add_subcommand(verb, description);
    one->add_option("CONNECTION", options.connection, "its name")->required();
    one->callback([&options, verb = verb] {
      options.verb = [&options, verb] { return act(Client(options.run_dir), verb, options.connection); };
    });
  }
}

void add_why(CLI::App& app, Options& options) {
  CLI::App* why_verb =
      app.add_subcommand("why", "Say why each tunnel of a connection is up or down, and what to do");
  why_verb->add_option("CONNECTION", options.connection, "its name")->required();
  why_verb->add_flag("--json", options.json, "the API's answer as JSON");
  why_verb->footer("Exit status: 0 when all its tunnels are up, else 1.");
  why_verb->callback([&options] {
    options.verb = [&options] { return why(Client(options.run_dir), options.connection, options.output()); };
  });
}

void add_others(CLI::App& app, Options& options) {
  CLI::App* version = app.add_subcommand("version", "Versions of this program and of the running gateway");
  version->add_flag("--json", options.json, "as JSON");
  version->callback([&options] {
    options.verb = [&options] { return print_version(Client(options.run_dir), options.output()); };
  });

  CLI::App* completion = app.add_subcommand("completion", "Completion script for a shell");
  completion->require_subcommand(1);
  completion->add_subcommand("bash", "for bash: source <(sallyport completion bash)")->callback([&options] {
    options.verb = [] {
      std::cout << kBashCompletion;
      return ExitCode::kOk;
    };
  });

  CLI::App* names = app.add_subcommand("complete-connections", "Names of the connections");
  names->group("");  // for the completion script
  names->callback(
      [&options] { options.verb = [&options] { return print_connection_names(Client(options.run_dir)); }; });
}

// CLI11 says only that a subcommand is required; the word that stands in its place says more.
std::string usage_error_text(const CLI::App& app, const CLI::ParseError& error) {
  const auto words = app.remaining(true);
  if (dynamic_cast<const CLI::RequiredError*>(&error) == nullptr || words.empty()) {
    return printable(error.what()) + " (see sallyport --help)";
  }
  const CLI::App* inner = &app;
  while (!inner->get_subcommands().empty())
    inner = inner->get_subcommands().front();
  std::set<std::string> known;
  for (const CLI::App* one :
       inner->get_subcommands([](const CLI::App* sub) { return !sub->get_group().empty(); })) {
    known.insert(one->get_name());
  }
  return "there is no '" + printable(words.front()) + "' (" + control::suggest(words.front(), known) + ")";
}

int run(int argc, char** argv) {
  Options options;
  CLI::App app("Sallyport, an IPsec VPN gateway", "sallyport");
  app.add_option("--run-dir", options.run_dir, "directory of the running gateway")->capture_default_str();
  app.require_subcommand(1);
  app.fallthrough();  // --run-dir may follow the verb
  app.footer("Exit status: 0 done, 1 it could not be done, 2 wrong command line or configuration.");
  add_config(app, options);
  add_show(app, options);
  add_actions(app, options);
  add_why(app, options);
  add_others(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool is_help = error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success);
    if (is_help) return app.exit(error);
    std::cerr << "sallyport: " << usage_error_text(app, error) << "\n";
    return static_cast<int>(ExitCode::kUsage);
  }
  try {
    const ExitCode code = options.verb();
    std::cout << std::flush;
    return static_cast<int>(code);
  } catch (const ApiError& error) {
    std::cerr << "sallyport: " << printable(error.what()) << "\n";
  } catch (const nlohmann::json::exception&) {
    std::cerr << "sallyport: sallyportd's answer has an unexpected form (is it of another version? see "
                 "sallyport version)\n";
  }
  return static_cast<int>(ExitCode::kFailed);
}

}  // namespace
}  // namespace sallyport::cli

int main(int argc, char** argv) {
  return sallyport::cli::run(argc, argv);
}
