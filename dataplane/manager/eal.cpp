// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/manager/eal.h"

#include <fcntl.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_malloc.h>
#include <sched.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string_view>

#include "dataplane/manager/unique_fd.h"

namespace sallyport::dataplane {
namespace {

// DPDK has one log stream for the process and no context pointer for it; hence the two variables of this
// file.
std::mutex complaint_mutex;
std::string complaint;

void note_line(std::string_view line) {
  spdlog::debug("dpdk: {}", line);
  if (rte_log_cur_msg_loglevel() > static_cast<int>(RTE_LOG_WARNING)) return;
  const std::lock_guard lock(complaint_mutex);
  if (complaint.empty()) complaint = line;
}

ssize_t write_log(void*, const char* text, size_t size) {
  std::string_view rest(text, size);
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    if (const auto line = rest.substr(0, end); !line.empty()) note_line(line);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  return static_cast<ssize_t>(size);
}

void take_over_log() {
  cookie_io_functions_t functions{};
  functions.write = write_log;
  FILE* stream = fopencookie(nullptr, "w", functions);
  if (stream == nullptr) return;
  setvbuf(stream, nullptr, _IOLBF, 4096);
  rte_openlog_stream(stream);
}

// Where the manager may run: wherever no worker does, so that its work never takes time from packets; on any
// core where the workers have them all.
cpu_set_t manager_cores(const std::vector<uint32_t>& worker_cores) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  cpu_set_t rest = allowed;
  for (const uint32_t core : worker_cores)
    CPU_CLR(core, &rest);
  return CPU_COUNT(&rest) > 0 ? rest : allowed;
}

// "0@(0,3),1@1,2@2": the manager, then each worker on its own core.
std::string lcore_map(const std::vector<uint32_t>& worker_cores) {
  const cpu_set_t manager = manager_cores(worker_cores);
  std::string map;
  for (unsigned core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &manager)) map += (map.empty() ? "0@(" : ",") + std::to_string(core);
  map += ")";
  for (unsigned worker = 0; worker < worker_cores.size(); ++worker)
    map += "," + std::to_string(lcore_of_worker(worker)) + "@" + std::to_string(worker_cores[worker]);
  return map;
}

std::vector<std::string> eal_arguments(const Options& options) {
  std::vector<std::string> arguments = {"sallyport-dataplane",
                                        "--lcores",
                                        lcore_map(options.worker_cores),
                                        "--main-lcore",
                                        "0",
                                        "--no-telemetry",
                                        "--file-prefix",
                                        "sallyport",
                                        "-m",
                                        std::to_string(options.memory_mb)};
  // Neither kind of memory leaves a file. --single-file-segments is what virtio-user ports need.
  if (options.memory_kind == MemoryKind::kHuge)
    arguments.insert(arguments.end(), {"--in-memory", "--single-file-segments"});
  else
    arguments.insert(arguments.end(), {"--no-huge", "--no-shconf"});
  // Naming one device that can't exist leaves all others alone until a port asks for one by its address.
  if (access("/sys/bus/pci/devices", R_OK) == 0 && options.memory_kind == MemoryKind::kHuge)
    arguments.insert(arguments.end(), {"-a", "pci:ffff:ff:1f.7"});
  else
    arguments.push_back("--no-pci");
  return arguments;
}

void remove_directory(const std::filesystem::path& directory) {
  std::error_code ignored;  // what is left there harms nobody
  std::filesystem::remove_all(directory, ignored);
}

// The EAL writes its usage and fatal errors to the standard streams itself; our one line says it better.
class SilencedStreams {
 public:
  SilencedStreams() : null_(open("/dev/null", O_WRONLY | O_CLOEXEC)) {
    for (size_t i = 0; i < saved_.size(); ++i) {
      saved_[i] = UniqueFd(fcntl(kStreams[i], F_DUPFD_CLOEXEC, 3));
      dup2(null_.get(), kStreams[i]);
    }
  }
  ~SilencedStreams() {
    std::fflush(stdout);
    for (size_t i = 0; i < saved_.size(); ++i)
      dup2(saved_[i].get(), kStreams[i]);
  }

 private:
  static constexpr std::array<int, 2> kStreams = {STDOUT_FILENO, STDERR_FILENO};

  UniqueFd null_;
  std::array<UniqueFd, 2> saved_;
};

int initialize(std::vector<std::string> arguments) {
  const SilencedStreams silenced;
  std::vector<char*> argv;
  for (auto& argument : arguments)
    argv.push_back(argument.data());
  return rte_eal_init(static_cast<int>(argv.size()), argv.data());
}

}  // namespace

Result<Eal> Eal::start(const Options& options) {
  take_over_log();
  // Where the EAL makes the directory that it wants though it puts nothing into it.
  setenv("RUNTIME_DIRECTORY", options.run_dir.c_str(), 1);
  if (initialize(eal_arguments(options)) >= 0) return Eal(options.run_dir / "dpdk");
  const int error = rte_errno;
  auto reason = take_complaint();
  if (reason.empty()) reason = rte_strerror(error);
  return Failure{api::Error::kDeviceFailed, "DPDK did not start with " + std::to_string(options.memory_mb) +
                                                " MB and " + std::to_string(options.worker_cores.size()) +
                                                " workers: " + reason + "; --log-level debug shows more"};
}

Eal::~Eal() {
  if (directory_.empty()) return;
  rte_eal_cleanup();
  remove_directory(directory_);
}

MemoryUse memory_use() {
  MemoryUse use{};
  for (unsigned socket = 0; socket < rte_socket_count(); ++socket) {
    rte_malloc_socket_stats stats{};
    if (rte_malloc_get_socket_stats(rte_socket_id_by_idx(socket), &stats) != 0) continue;
    use.bytes += stats.heap_totalsz_bytes;
    use.used_bytes += stats.heap_allocsz_bytes;
  }
  return use;
}

std::string Eal::take_complaint() {
  const std::lock_guard lock(complaint_mutex);
  return std::exchange(complaint, {});
}

}  // namespace sallyport::dataplane
