// SPDX-License-Identifier: BSD-3-Clause
// The end of step 6 in a group whose members are CHILD_SAs with selectors of their own. Worker thread.
#pragma once

#include <bit>

#include "dataplane/path/choose_sa.h"
#include "dataplane/path/context.h"

namespace sallyport::dataplane {

// Of the members that carry, the first one within the selectors of one of whose outbound SAs the packet is:
// entries keep their order (RFC 4301 section 4.4.1). Its policy decides, and the flow who of that policy's
// members carries it. Where it is within none, the last one, whose selectors then drop it with their reason.
// nullptr: nobody carries.
template <typename IpHeader>
const api::GroupMember* policy_member(const PathContext& context, const NextHopGroup& group,
                                      const IpHeader& header) {
  const api::GroupMember* last = nullptr;
  for (uint64_t left = group.carrying(); left != 0; left &= left - 1) {
    const auto index = static_cast<uint32_t>(std::countr_zero(left));
    const api::GroupMember& member = group.members()[index];
    last = &member;
    if (member.kind != api::MemberKind::kTunnel) continue;
    const Tunnel* tunnel = context.world->tunnels.at(member.id);
    if (tunnel == nullptr || outbound_slot_for(*context.world, *tunnel, header) == api::kNone) continue;
    const bool shares = group.live() > 1 && group.shares(index);
    return shares ? &group.sharer(index, flow_hash(read_flow(header))) : &member;
  }
  return last;
}

}  // namespace sallyport::dataplane
