// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/manager/options.h"

#include <sched.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>

#include "dataplane/api/messages.h"

namespace sallyport::dataplane {
namespace {

constexpr uint32_t kMaxWorkers = 64;
constexpr uint32_t kMinMemoryMb = 64;

Failure wrong(std::string text) {
  return {api::Error::kInvalid, std::move(text)};
}

// Free bytes in hugepages of every size.
uint64_t free_hugepage_bytes() {
  uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/kernel/mm/hugepages", error)) {
    const std::string name = entry.path().filename();  // hugepages-2048kB
    uint64_t pages = 0;
    std::ifstream(entry.path() / "free_hugepages") >> pages;
    bytes += pages * std::strtoull(name.c_str() + name.find('-') + 1, nullptr, 10) * 1024;
  }
  return bytes;
}

Failure check_cores(const std::vector<uint32_t>& cores) {
  if (cores.empty() || cores.size() > kMaxWorkers)
    return wrong("--workers: name 1 to " + std::to_string(kMaxWorkers) + " cores, as in --workers 1,2");
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  for (size_t i = 0; i < cores.size(); ++i) {
    if (cores[i] >= CPU_SETSIZE || !CPU_ISSET(cores[i], &allowed))
      return wrong("--workers: core " + std::to_string(cores[i]) +
                   " is not one this process may run on; `nproc` and /proc/self/status (Cpus_allowed_list) "
                   "show which are");
    if (std::count(cores.begin(), cores.end(), cores[i]) > 1)
      return wrong("--workers: core " + std::to_string(cores[i]) +
                   " is named twice; a worker needs its own core");
  }
  return success();
}

Failure check_hugepages(const Options& options) {
  const uint64_t wanted = uint64_t{options.memory_mb} << 20;
  const uint64_t found = free_hugepage_bytes();
  if (found >= wanted) return success();
  return wrong("--memory " + std::to_string(options.memory_mb) + ": only " + std::to_string(found >> 20) +
               " MB of hugepages are free; reserve them with `sysctl vm.nr_hugepages=" +
               std::to_string((wanted + (2 << 20) - 1) >> 21) + "` or run with --no-huge");
}

}  // namespace

Result<Options> parse_options(int argc, const char* const* argv) {
  Options options;
  bool huge = false, no_huge = false;
  std::string idle = "poll", log_level = "info";
  CLI::App app(
      "The packet path of a Sallyport gateway. scripts/gateway starts it; sallyportd tells it what to do.",
      "sallyport-dataplane");
  app.set_version_flag("--version", std::string("sallyport-dataplane " SALLYPORT_VERSION));
  app.add_option("--run-dir", options.run_dir, "Directory of the gateway's sockets (mode 0700)")->required();
  app.add_option("--workers", options.worker_cores, "Cores of the workers, as in 1,2")
      ->delimiter(',')
      ->required();
  app.add_option("--idle", idle, "What a worker without packets does")
      ->check(CLI::IsMember({"poll", "sleep"}))
      ->capture_default_str();
  auto* huge_flag = app.add_flag("--huge", huge, "Packet buffers in hugepages (the default)");
  app.add_flag("--no-huge", no_huge, "Packet buffers in ordinary memory: slower, no PCI devices")
      ->excludes(huge_flag);
  app.add_option("--memory", options.memory_mb, "MB for packet buffers and tables")
      ->check(CLI::Range(kMinMemoryMb, 1u << 20));
  app.add_option("--slots", options.slots, "How many CHILD_SAs fit")
      ->check(CLI::Range(1u, api::kSlotMask + 1));
  app.add_option("--max-mtu", options.max_mtu_bytes, "Largest MTU that a port can have, in bytes")
      ->check(CLI::Range(1280u, 9600u));
  app.add_option("--state", options.state_file,
                 "The shared-state file, on a tmpfs; default: state in the run directory");
  app.add_option("--log-level", log_level, "How much goes to standard error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    options.only_informs = true;
    options.information = app.help();
  } catch (const CLI::CallForVersion& version) {
    options.only_informs = true;
    options.information = std::string(version.what()) + "\n";
  } catch (const CLI::ParseError& error) {
    return wrong(std::string(error.what()) + "; see sallyport-dataplane --help");
  }
  options.idle = idle == "sleep" ? IdleMode::kSleep : IdleMode::kPoll;
  options.log_level = spdlog::level::from_str(log_level);
  if (no_huge) options.memory_kind = MemoryKind::kNoHuge;
  if (options.state_file.empty()) options.state_file = options.run_dir / "state";
  return options;
}

Failure check_machine(const Options& options) {
  if (geteuid() != 0) return wrong("must be run as root: it takes over network devices");
  if (auto failure = check_cores(options.worker_cores); failure.failed()) return failure;
  std::error_code error;
  if (!std::filesystem::is_directory(options.run_dir, error))
    return wrong("--run-dir " + options.run_dir.string() + ": no such directory; make it with mode 0700");
  if (!std::filesystem::is_directory(std::filesystem::absolute(options.state_file).parent_path(), error))
    return wrong("--state " + options.state_file.string() +
                 ": its directory does not exist; make it with mode 0700");
  if (options.memory_kind == MemoryKind::kHuge) return check_hugepages(options);
  return success();
}

}  // namespace sallyport::dataplane
