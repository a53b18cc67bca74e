// SPDX-License-Identifier: BSD-3-Clause
#include "control/cli/commands.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <regex>
#include <set>
#include <sstream>
#include <thread>

#include "control/cli/dataplane_args.h"
#include "control/cli/why_text.h"
#include "control/config/parse.h"

namespace sallyport::cli {

namespace {

constexpr int kLongPollSeconds = 20;
constexpr const char* kClearScreen = "\033[H\033[2J";

// A file that is no configuration at all should not be read to its end.
constexpr size_t kMaxFileBytes = 8u << 20;

std::optional<std::string> read_file(const std::string& name) {
  std::error_code error;
  if (std::filesystem::is_directory(name, error)) errno = EISDIR;
  std::ifstream file(name, std::ios::binary);
  std::string text;
  if (file && !std::filesystem::is_directory(name, error)) {
    text.resize(kMaxFileBytes);
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<size_t>(file.gcount()));
    if (!file.bad()) return text;
  }
  std::cerr << "sallyport: can't read " << name << ": " << std::strerror(errno) << "\n";
  return std::nullopt;
}

std::string directory_of(const std::string& file) {
  return std::filesystem::absolute(file).lexically_normal().parent_path().string();
}

std::string mistakes_text(size_t count) {
  return std::to_string(count) + (count == 1 ? " mistake" : " mistakes");
}

// The parsed file, or nothing after printing its mistakes.
std::optional<control::Gateway> parsed(const std::string& file) {
  const auto text = read_file(file);
  if (!text) return std::nullopt;
  auto result = control::parse(*text, file, directory_of(file));
  for (const auto& error : result.errors) {
    std::cerr << config_error_text({{"file", error.file},
                                    {"line", error.line},
                                    {"column", error.column},
                                    {"message", error.message},
                                    {"hint", error.hint}});
  }
  if (result.ok()) return std::move(result.gateway);
  std::cerr << "sallyport: " << file << " has " << mistakes_text(result.errors.size()) << "\n";
  return std::nullopt;
}

const Json& list_in(const Json& body, const char* key) {
  static const Json kEmpty = Json::array();
  const auto found = body.is_object() ? body.find(key) : body.end();
  return body.is_object() && found != body.end() && found->is_array() ? *found : kEmpty;
}

bool asked_yes() {
  std::cout << "apply? [y/N] " << std::flush;
  std::string line;
  std::getline(std::cin, line);
  return line == "y" || line == "Y" || line == "yes";
}

// What the API said about a configuration that it didn't take; its status doesn't matter then.
std::optional<ExitCode> refused(const Answer& answer, const std::string& file) {
  const Json& errors = list_in(answer.body, "errors");
  for (const Json& error : errors)
    std::cerr << config_error_text(error);
  if (!errors.empty()) {
    std::cerr << "sallyport: " << file << " has " << mistakes_text(errors.size())
              << "; nothing was changed\n";
    return ExitCode::kUsage;
  }
  if (answer.ok()) return std::nullopt;
  std::cerr << "sallyport: " << printable(answer.error_text()) << "\n";
  return ExitCode::kFailed;
}

// Says on stderr when it is none.
bool is_connection_name(const std::string& text) {
  static const std::regex kName("[A-Za-z0-9][A-Za-z0-9_-]{0,63}");
  if (std::regex_match(text, kName)) return true;
  std::cerr << "sallyport: '" << printable(text)
            << "' can't be the name of a connection (see sallyport show connections)\n";
  return false;
}

std::string events_path(uint64_t since) {
  return "/v1/events?since=" + std::to_string(since) + "&wait_s=" + std::to_string(kLongPollSeconds);
}

ExitCode watch_events(const Client& client, Output output, const ShowStyle& style) {
  uint64_t since = 0;
  bool first = true;
  while (true) {
    const Json events = client.fetch(first ? "/v1/events?since=0" : events_path(since));
    if (events.is_array() && !events.empty()) {
      if (output == Output::kJson) {
        for (const Json& event : events)
          std::cout << event.dump() << "\n";
      } else {
        const std::string text = show("events", events, style);
        std::cout << (first ? text : text.substr(text.find('\n') + 1));  // titles once
      }
      std::cout << std::flush;
      for (const Json& event : events)
        since = std::max(since, event.value("number", since));
      first = false;
    } else if (first) {
      first = false;
    }
    if (!std::cout) return ExitCode::kOk;  // nobody reads on
  }
}

}  // namespace

Colours stdout_colours() {
  const char* term = std::getenv("TERM");
  const bool wanted = std::getenv("NO_COLOR") == nullptr && term != nullptr && std::strcmp(term, "dumb") != 0;
  return wanted && isatty(STDOUT_FILENO) == 1 ? Colours::kOn : Colours::kOff;
}

ExitCode check(const std::string& file) {
  const auto gateway = parsed(file);
  if (!gateway) return ExitCode::kUsage;
  std::cout << file << ": good: gateway " << gateway->settings.name << ", " << gateway->ports.size()
            << " ports, " << gateway->virtual_networks.size() << " virtual networks, "
            << gateway->connections.size() << " connections\n";
  return ExitCode::kOk;
}

ExitCode print_dataplane_args(const std::string& file) {
  const auto gateway = parsed(file);
  if (!gateway) return ExitCode::kUsage;
  std::cout << dataplane_args(*gateway) << "\n";
  return ExitCode::kOk;
}

ExitCode print_public_ports(const std::string& file) {
  const auto gateway = parsed(file);
  if (!gateway) return ExitCode::kUsage;
  std::set<std::string> ports;
  for (const auto& [name, address] : gateway->public_addresses)
    ports.insert(address.port);
  for (const std::string& port : ports)
    std::cout << port << "\n";
  return ExitCode::kOk;
}

ExitCode apply(const Client& client, const std::string& file, Consent consent, Rehearsal rehearsal) {
  const auto text = read_file(file);
  if (!text) return ExitCode::kUsage;
  const std::map<std::string, std::string> headers = {{"X-File-Name", file},
                                                      {"X-Base-Dir", directory_of(file)}};
  const Answer plan = client.post("/v1/config?dry_run=1", *text, headers);
  if (const auto code = refused(plan, file)) return *code;
  std::cout << diff_text(list_in(plan.body, "diff"), stdout_colours()) << std::flush;
  if (!plan.body.value("changed", false)) {
    std::cout << "nothing to change\n";
    return ExitCode::kOk;
  }
  if (rehearsal == Rehearsal::kDryRun) return ExitCode::kOk;
  if (consent == Consent::kAsk) {
    if (isatty(STDIN_FILENO) != 1) {
      std::cerr << "sallyport: nobody to ask, stdin is no terminal (add --yes to apply without asking)\n";
      return ExitCode::kUsage;
    }
    if (!asked_yes()) {
      std::cout << "nothing was changed\n";
      return ExitCode::kFailed;
    }
  }
  const Answer done = client.post("/v1/config?dry_run=0", *text, headers);
  if (const auto code = refused(done, file)) return *code;
  std::cout << "applied\n";
  return ExitCode::kOk;
}

ExitCode show_once(const Client& client, const std::string& noun, Output output, const ShowStyle& style) {
  const Json answer = client.fetch("/v1/" + noun);
  std::cout << (output == Output::kJson ? answer.dump(2) + "\n" : show(noun, answer, style));
  return ExitCode::kOk;
}

ExitCode watch(const Client& client, const std::string& noun, Output output, const ShowStyle& style) {
  if (noun == "events") return watch_events(client, output, style);
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  while (std::cout) {
    const Json answer = client.fetch("/v1/" + noun);
    if (output == Output::kJson) {
      std::cout << answer.dump() << "\n" << std::flush;
    } else {
      std::cout << (terminal ? kClearScreen : "") << show(noun, answer, style) << (terminal ? "" : "\n")
                << std::flush;
    }
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
  return ExitCode::kOk;
}

ExitCode act(const Client& client, const std::string& verb, const std::string& connection) {
  if (!is_connection_name(connection)) return ExitCode::kUsage;
  const Answer answer = client.post("/v1/connections/" + connection + "/" + verb, "", {});
  if (!answer.ok()) throw ApiError(answer.error_text());
  std::cout << printable(answer.body.value("message", "done")) << "\n";
  return ExitCode::kOk;
}

ExitCode why(const Client& client, const std::string& connection, Output output) {
  if (!is_connection_name(connection)) return ExitCode::kUsage;
  const Json answer = client.fetch("/v1/connections/" + connection + "/why");
  std::cout << (output == Output::kJson ? answer.dump(2) + "\n" : why_text(answer, stdout_colours()));
  return answer.at("up").get<bool>() ? ExitCode::kOk : ExitCode::kFailed;
}

ExitCode print_version(const Client& client, Output output) {
  Json versions = {{"sallyport", SALLYPORT_VERSION}};
  try {
    const Json running = client.fetch("/v1/version");
    if (running.is_object()) {
      for (const char* part : {"version", "dataplane", "strongswan"}) {
        if (running.contains(part))
          versions[std::strcmp(part, "version") == 0 ? "sallyportd" : part] = running[part];
      }
    }
  } catch (const ApiError&) {
    // Without a running gateway there is only this program's own version to tell.
  }
  if (output == Output::kJson) {
    std::cout << versions.dump(2) << "\n";
    return ExitCode::kOk;
  }
  for (const char* part : {"sallyport", "sallyportd", "dataplane", "strongswan"}) {
    if (!versions.contains(part) || !versions[part].is_string()) continue;
    std::cout << part << " " << printable(versions[part].get<std::string>()) << "\n";
  }
  return ExitCode::kOk;
}

ExitCode print_connection_names(const Client& client) {
  const Json connections = client.fetch("/v1/connections");
  if (!connections.is_array()) return ExitCode::kFailed;
  for (const Json& connection : connections) {
    if (connection.is_object()) std::cout << printable(connection.value("name", "")) << "\n";
  }
  return ExitCode::kOk;
}

}  // namespace sallyport::cli
