// SPDX-License-Identifier: BSD-3-Clause
#include "bench/dataplane_watch.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "bench/api_client.h"

namespace sallyport::bench {
namespace {

template <typename Row>
const Row* rows_at(const std::byte* base, uint64_t offset) {
  return reinterpret_cast<const Row*>(base + offset);
}

uint64_t value(const api::Counter& counter) {
  return counter.load(std::memory_order_relaxed);
}

}  // namespace

PacketCounts PacketCounts::operator-(const PacketCounts& earlier) const {
  PacketCounts difference;
  difference.received = received - earlier.received;
  difference.sent = sent - earlier.sent;
  for (size_t i = 0; i < drops.size(); ++i)
    difference.drops[i] = drops[i] - earlier.drops[i];
  return difference;
}

uint64_t PacketCounts::dropped() const {
  uint64_t sum = 0;
  for (const uint64_t count : drops)
    sum += count;
  return sum;
}

std::string PacketCounts::drops_json() const {
  std::string text;
  for (size_t i = 0; i < drops.size(); ++i) {
    if (drops[i] == 0) continue;
    text += text.empty() ? "" : ",";
    text += '"' + std::string(api::kDropReasonTexts[i].name) + "\":" + std::to_string(drops[i]);
  }
  return "{" + text + "}";
}

DataplaneWatch::DataplaneWatch(const std::string& shared_state_path) {
  const int fd = open(shared_state_path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status {};
  if (fd < 0 || fstat(fd, &status) != 0) throw ApiError(shared_state_path + ": " + std::strerror(errno));
  size_ = static_cast<size_t>(status.st_size);
  void* base = mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  if (base == MAP_FAILED) throw ApiError(shared_state_path + ": " + std::strerror(errno));
  base_ = static_cast<const std::byte*>(base);
}

DataplaneWatch::~DataplaneWatch() {
  munmap(const_cast<std::byte*>(base_), size_);
}

PacketCounts DataplaneWatch::packets() const {
  const auto& header = *rows_at<api::SharedStateHeader>(base_, 0);
  const auto* threads = rows_at<api::WorkerCounters>(base_, header.worker_offset);
  const auto* ports = rows_at<api::PortCounters>(base_, header.port_offset);
  PacketCounts counts;
  for (uint32_t i = 0; i < header.ports * header.workers; ++i) {
    counts.received += value(ports[i].rx_packets);
    counts.sent += value(ports[i].tx_packets);
  }
  for (uint32_t thread = 0; thread < header.workers; ++thread)
    for (size_t reason = 0; reason < counts.drops.size(); ++reason)
      counts.drops[reason] += value(threads[thread].drops[reason]);
  return counts;
}

// The manager is the first thread; DPDK names the workers.
CpuSeconds cpu_seconds(pid_t dataplane) {
  CpuSeconds seconds;
  const std::filesystem::path tasks = "/proc/" + std::to_string(dataplane) + "/task";
  std::error_code gone;
  for (const auto& task : std::filesystem::directory_iterator(tasks, gone)) {
    std::string name;
    double nanoseconds = 0;
    std::getline(std::ifstream(task.path() / "comm"), name);
    std::ifstream(task.path() / "schedstat") >> nanoseconds;
    if (task.path().filename() == std::to_string(dataplane)) seconds.manager += nanoseconds / 1e9;
    if (name.find("worker") != std::string::npos) seconds.workers += nanoseconds / 1e9;
  }
  return seconds;
}

uint64_t resident_kib(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmRSS:")) return std::stoull(line.substr(6));
  return 0;
}

}  // namespace sallyport::bench
