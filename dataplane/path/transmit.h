// SPDX-License-Identifier: BSD-3-Clause
// The ways out of a worker: a port's transmit queue, another worker, the manager. Buffered within a loop
// where that pays, so that flush_* must follow before the worker reports its quiescent state.
#pragma once

#include "dataplane/path/context.h"

namespace sallyport::dataplane {

// A whole frame to the worker's queue of a port.
void send_frame(PathContext& context, uint32_t port_id, rte_mbuf* frame);
// An IP packet to a neighbour: rewrite and send, or to the manager to wait where the neighbour is not
// resolved.
void send_to_neighbour(PathContext& context, uint32_t neighbour_id, rte_mbuf* packet);
void flush_transmit(PathContext& context);

// To another worker; its PacketMeta is filled.
void hand_over(PathContext& context, uint32_t worker, rte_mbuf* packet);
void flush_handover(PathContext& context);

// To the manager's mirrors, or to wait there; all within the class's rate.
void punt_to_port(PathContext& context, uint32_t port_id, rte_mbuf* frame, PuntClass punt_class);
void punt_to_vrf(PathContext& context, uint32_t vrf_id, rte_mbuf* packet);
void punt_path_mtu(PathContext& context, uint32_t port_id, rte_mbuf* packet);
void await_neighbour(PathContext& context, uint32_t port_id, uint32_t neighbour_id, uint32_t next_hop_be,
                     rte_mbuf* packet);

}  // namespace sallyport::dataplane
