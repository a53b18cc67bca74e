// SPDX-License-Identifier: BSD-3-Clause
#include "control/ecmp.h"

#include <algorithm>

namespace sallyport::control {

std::vector<api::GroupMember> offer_members(std::vector<Candidate> candidates) {
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.preference < b.preference; });
  auto chosen = std::find_if(candidates.begin(), candidates.end(),
                             [](const Candidate& one) { return one.can_send && !one.suspect; });
  if (chosen == candidates.end()) {
    chosen =
        std::find_if(candidates.begin(), candidates.end(), [](const Candidate& one) { return one.can_send; });
  }
  std::vector<api::GroupMember> members;
  for (auto it = candidates.begin(); it != candidates.end() && members.size() < api::kMaxGroupMembers; ++it) {
    const uint8_t up = it == chosen ? 1 : 0;
    members.push_back({api::MemberKind::kTunnel, up, it->weight, it->tunnel_id, it->tunnel_id});
  }
  return members;
}

}  // namespace sallyport::control
