// SPDX-License-Identifier: BSD-3-Clause
// What sallyportd keeps in the run directory beside the configuration in force, to know after a restart what
// an earlier life did. Main thread.
#pragma once

#include <set>
#include <string>

#include "control/networks.h"
#include "control/sa_ledger.h"

namespace sallyport::control {

struct RunState {
  std::string base_dir;             // that relative secrets of the configuration start from
  Instance charon{};                // whose SAs the dataplane was given
  std::set<std::string> held_down;  // connections the operator took down
  MadeInLinux made;
  bool operator==(const RunState&) const = default;
};

// A missing or unreadable file is an empty state.
[[nodiscard]] RunState load_run_state(const std::string& run_dir);
// Written whole or not at all. Throws std::system_error.
void save_run_state(const std::string& run_dir, const RunState& state);
void write_file_atomically(const std::string& path, const std::string& content);

}  // namespace sallyport::control
