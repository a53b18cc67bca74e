// SPDX-License-Identifier: BSD-3-Clause
// The end of step 6 in a group whose members are CHILD_SAs with selectors of their own. Worker thread.
#pragma once

#include "dataplane/path/context.h"
#include "dataplane/path/outbound.h"

namespace sallyport::dataplane {

// The first live member within whose outbound SA's selectors the packet is: entries keep their order (RFC
// 4301 section 4.4.1). Where it is within none, the last live one, whose selectors then drop it with their
// reason. nullptr: none is up.
template <typename IpHeader>
const api::GroupMember* policy_member(const PathContext& context, const NextHopGroup& group,
                                      const IpHeader& header) {
  const api::GroupMember* last = nullptr;
  for (const api::GroupMember& member : group.members()) {
    if (!is_live(member)) continue;
    last = &member;
    if (member.kind != api::MemberKind::kTunnel) continue;
    const Tunnel* tunnel = context.world->tunnels.at(member.id);
    const OutboundSa* sa =
        tunnel == nullptr
            ? nullptr
            : context.world->outbound_sas.at(tunnel->outbound_slot.load(std::memory_order_relaxed));
    if (sa != nullptr && is_within_selectors(*sa, header)) return &member;
  }
  return last;
}

}  // namespace sallyport::dataplane
