// SPDX-License-Identifier: BSD-3-Clause
// Which tunnels carry a connection's traffic, and how that changed, in words. Pure.
#pragma once

#include <set>
#include <string>

namespace sallyport::control {

// "a, b, c": the names in order, of more than four the first three and the number of the others.
[[nodiscard]] std::string list_of(const std::set<std::string>& tunnels);

// What became of a connection's traffic; the two differ.
[[nodiscard]] std::string carriers_changed(const std::set<std::string>& before,
                                           const std::set<std::string>& now);

}  // namespace sallyport::control
