// SPDX-License-Identifier: BSD-3-Clause
#include "control/carriers_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace sallyport::control {

std::string list_of(const std::set<std::string>& tunnels) {
  constexpr size_t kMostNamed = 4;
  if (tunnels.size() <= kMostNamed) return fmt::format("{}", fmt::join(tunnels, ", "));
  const auto rest = std::next(tunnels.begin(), kMostNamed - 1);
  return fmt::format("{} and {} more", fmt::join(tunnels.begin(), rest, ", "),
                     tunnels.size() - (kMostNamed - 1));
}

std::string carriers_changed(const std::set<std::string>& before, const std::set<std::string>& now) {
  if (now.empty()) return "no tunnel carries its traffic";
  std::set<std::string> left;
  std::set_difference(before.begin(), before.end(), now.begin(), now.end(),
                      std::inserter(left, left.begin()));
  const std::string text = "its traffic goes over " + list_of(now);
  return left.empty() ? text : text + ", no longer over " + list_of(left);
}

}  // namespace sallyport::control
