// SPDX-License-Identifier: BSD-3-Clause
// What a connection's tunnels are to its next-hop groups. Which of them carry is the dataplane's decision.
// Pure.
#pragma once

#include <cstdint>

#include "control/config/gateway.h"
#include "control/model.h"
#include "dataplane/api/messages.h"

namespace sallyport::control {

// What stands for a tunnel in the hash that spreads the flows: the same number at both ends, unless a NAT
// between them changes the addresses.
[[nodiscard]] uint32_t path_key(const IpAddress& local, const IpAddress& remote);

// `tunnel_id`: of the dataplane's tunnel; `policy`: which of the IKE connection's CHILD_SAs it is.
[[nodiscard]] api::GroupMember group_member(const Connection& connection, const TunnelPlan& tunnel,
                                            uint32_t tunnel_id, bool can_send, uint16_t policy);

}  // namespace sallyport::control
