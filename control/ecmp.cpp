// SPDX-License-Identifier: BSD-3-Clause
#include "control/ecmp.h"

#include <algorithm>

namespace sallyport::control {

uint32_t path_key(const IpAddress& local, const IpAddress& remote) {
  uint32_t hash = 2166136261u;  // FNV-1a
  for (const IpAddress* end : {&std::min(local, remote), &std::max(local, remote)}) {
    for (const uint8_t byte : end->bytes)
      hash = (hash ^ byte) * 16777619u;
  }
  return hash;
}

api::GroupMember group_member(const Connection& connection, const TunnelPlan& tunnel, uint32_t tunnel_id,
                              bool can_send, uint16_t policy) {
  api::GroupMember member;
  member.kind = api::MemberKind::kTunnel;
  member.up = can_send ? 1 : 0;
  member.id = tunnel_id;
  member.key = path_key(tunnel.local, tunnel.remote);
  member.policy = policy;
  member.weight = static_cast<uint16_t>(tunnel.weight);
  if (connection.mode == Mode::kActiveStandby)
    member.rank = static_cast<uint8_t>(std::min<uint32_t>(tunnel.preference, UINT8_MAX));
  return member;
}

}  // namespace sallyport::control
