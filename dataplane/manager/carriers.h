// SPDX-License-Identifier: BSD-3-Clause
// Which members of a next-hop group carry, from what the client said of them and the health of the tunnels
// among them (api::MemberChoice). Pure functions over values, any thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/api/messages.h"

namespace sallyport::dataplane {

enum class Preemption : uint8_t {
  kNo,   // a rank keeps the traffic while one of its members is live
  kYes,  // a lower rank takes over as soon as a member of it is live
};

// The rank that carries, of each policy; in a group of kByFlow there is one, of number 0.
struct RankInForce {
  uint16_t policy;
  uint8_t rank;
};

// Bit i: members[i] carries. `causes`: of each member, kHealthy for all but tunnels. `in_force` is what the
// last call for this group left there (at first empty), and is brought up to date. At most 64 members.
uint64_t choose_carriers(std::span<const api::GroupMember> members, std::span<const api::HealthCause> causes,
                         api::MemberChoice choice, Preemption preemption, std::vector<RankInForce>& in_force);

}  // namespace sallyport::dataplane
