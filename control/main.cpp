// SPDX-License-Identifier: BSD-3-Clause
// sallyportd: command line, configuration in force, wiring, signals.
#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <cstdio>
#include <fstream>
#include <future>

#include "control/api_server.h"
#include "control/daemon.h"
#include "control/namespace_claim.h"
#include "control/version.h"

namespace sallyport::control {
namespace {

struct CommandLine {
  DaemonOptions daemon;
  std::string log_level = "info";
  std::string base_dir;
  bool cleanup = false;
};

int complain(const std::string& what) {
  fmt::print(stderr, "sallyportd: {}\n", what);
  return 1;
}

// Keys pass through our memory on their way to the dataplane.
void forbid_core_dumps() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int cleanup(const CommandLine& line) {
  const NamespaceClaim claim;
  const RunState state = load_run_state(line.daemon.run_dir);
  const auto failures = Networks::cleanup(state.made);
  for (const std::string& failure : failures)
    complain(failure);
  if (!failures.empty()) return 1;
  ::unlink((line.daemon.run_dir + "/sallyportd.json").c_str());
  return 0;
}

int serve(const CommandLine& line) {
  const NamespaceClaim claim;
  const std::string path = line.daemon.run_dir + "/gateway.yaml";
  std::ifstream file(path);
  if (!file) return complain(fmt::format("cannot read {}: {}", path, std::strerror(errno)));
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  RunState state = load_run_state(line.daemon.run_dir);
  if (!line.base_dir.empty()) state.base_dir = line.base_dir;
  if (state.base_dir.empty()) state.base_dir = line.daemon.run_dir;
  ParseResult parsed = parse(text, path, state.base_dir);
  for (const ConfigError& error : parsed.errors)
    complain(error.to_string());
  if (!parsed.ok()) return 2;

  asio::io_context io(1);
  Daemon daemon(io, line.daemon);
  HttpServer api(io, daemon, line.daemon.run_dir + "/api.sock");
  asio::signal_set signals(io, SIGTERM, SIGINT);
  signals.async_wait([&](asio::error_code error, int) {
    if (!error) io.stop();
  });
  daemon.start(std::move(parsed.gateway), std::move(state));
  api.start();
  spdlog::info("sallyportd {} serves {}", kVersion, line.daemon.run_dir);
  io.run();
  // Dataplane, charon and namespaces go on; the next start takes them over. Requests in progress still get
  // answers.
  daemon.events().close();
  io.restart();
  auto stopped = std::async(std::launch::async, [&] { api.stop(); });
  while (stopped.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
    io.run_for(std::chrono::milliseconds(10));
  }
  daemon.stop();
  return 0;
}

}  // namespace
}  // namespace sallyport::control

int main(int argc, char** argv) {
  using namespace sallyport::control;
  CommandLine line;
  CLI::App app{"Sallyport's control process"};
  app.set_version_flag("--version", kVersion);
  app.add_option("--run-dir", line.daemon.run_dir,
                 "Directory of sockets, logs and the configuration in force");
  app.add_option("--netns-prefix", line.daemon.netns_prefix,
                 "Begins the names of the virtual networks' namespaces");
  app.add_option("--base-dir", line.base_dir, "Where relative file names of the configuration start");
  app.add_option("--log-level", line.log_level, "trace, debug, info, warn or error");
  app.add_flag("--cleanup", line.cleanup,
               "Remove namespaces, mirrors, routes and rules of this run directory, and exit");
  CLI11_PARSE(app, argc, argv);
  if (::geteuid() != 0) return complain("must run as root: it creates network devices and namespaces");
  forbid_core_dumps();
  spdlog::set_default_logger(spdlog::stderr_logger_mt("sallyportd"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
  spdlog::set_level(spdlog::level::from_str(line.log_level));
  ::umask(0077);
  try {
    return line.cleanup ? cleanup(line) : serve(line);
  } catch (const std::exception& error) {
    return complain(error.what());
  }
}
