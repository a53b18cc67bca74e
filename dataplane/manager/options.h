// SPDX-License-Identifier: BSD-3-Clause
// The command line of sallyport-dataplane, checked against the machine before anything is changed. Main
// thread.
#pragma once

#include <spdlog/common.h>

#include <cstdint>
#include <filesystem>
#include <vector>

#include "dataplane/manager/failure.h"

namespace sallyport::dataplane {

enum class IdleMode : uint8_t { kPoll, kSleep };
enum class MemoryKind : uint8_t { kHuge, kNoHuge };

struct Options {
  std::filesystem::path run_dir;
  std::filesystem::path state_file;
  std::vector<uint32_t> worker_cores;
  IdleMode idle = IdleMode::kPoll;
  MemoryKind memory_kind = MemoryKind::kHuge;
  uint32_t memory_mb = 1024;
  uint32_t slots = 65536;
  uint32_t max_mtu_bytes = 1500;
  spdlog::level::level_enum log_level = spdlog::level::info;

  bool only_informs = false;  // --help or --version: print `information` and leave
  std::string information;
};

// What the command line says, or one line that says which option is wrong and what it takes.
Result<Options> parse_options(int argc, const char* const* argv);

// Whether this machine has what the options ask for: root, cores, hugepages, the run directory. Changes
// nothing.
Failure check_machine(const Options& options);

}  // namespace sallyport::dataplane
