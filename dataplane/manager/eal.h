// SPDX-License-Identifier: BSD-3-Clause
// Starts and ends DPDK's environment: one lcore per worker pinned to its core, the manager on lcore 0
// unpinned, no files shared with other processes, no device touched until a port asks for it. Main thread.
#pragma once

#include "dataplane/manager/options.h"

namespace sallyport::dataplane {

class Eal {
 public:
  static Result<Eal> start(const Options& options);

  Eal(Eal&& other) noexcept : directory_(std::exchange(other.directory_, {})) {}
  Eal& operator=(Eal&&) = delete;
  ~Eal();

  // The first complaint, and so the cause of those after it, that DPDK or a driver logged since this was last
  // called; empty: none. For messages to people.
  static std::string take_complaint();

 private:
  explicit Eal(std::filesystem::path directory) : directory_(std::move(directory)) {}

  std::filesystem::path directory_;  // to be removed at the end; empty: moved from
};

// The worker with index 0, 1... runs on this lcore.
struct MemoryUse {
  uint64_t bytes, used_bytes;
};
// Of DPDK's heaps on all sockets. Any thread.
MemoryUse memory_use();

inline unsigned lcore_of_worker(unsigned worker) {
  return worker + 1;
}

}  // namespace sallyport::dataplane
