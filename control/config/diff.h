// SPDX-License-Identifier: BSD-3-Clause
// What changes between two configurations: one line for each value that people see, and which objects it
// touches, so that everything else is left alone. Pure; any thread.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "control/config/gateway.h"

namespace sallyport::control {

struct Change {
  char op = '~';              // '+' added, '-' removed, '~' changed
  std::string path;           // connections.prod-berlin.esp.rekey
  std::string before, after;  // empty where there is none
  bool operator==(const Change&) const = default;
};

// In the order of the file's sections, then of names, then of keys.
[[nodiscard]] std::vector<Change> diff(const Gateway& before, const Gateway& after);

// What has to be done again, and nothing else. A connection is touched when its own values change, its site's
// peers or the families of its prefixes, or the address or port of a public address it uses: its tunnels have
// to be loaded again. Other new prefixes of a site or another next hop change routes alone; those show in
// sites and public_addresses. Added and removed ones are in too.
struct Touched {
  bool settings = false;  // gateway.*: the dataplane has to be started again
  std::set<std::string> ports, public_addresses, virtual_networks, sites, connections;
};
[[nodiscard]] Touched touched(const Gateway& before, const Gateway& after);

}  // namespace sallyport::control
