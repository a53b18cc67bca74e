// SPDX-License-Identifier: BSD-3-Clause
// Which packet buffers may be written in place, and a cold way to make one that may not. Worker threads.
#pragma once

#include <rte_mbuf.h>

namespace sallyport::dataplane {

// One segment, its own data, nobody else's reference: safe for in-place crypto.
inline bool is_private_linear(const rte_mbuf* packet) {
  return packet->nb_segs == 1 && RTE_MBUF_DIRECT(packet) && rte_mbuf_refcnt_read(packet) == 1;
}

// A packet with the same bytes that is_private_linear, from the same pool; the one given is freed. Its
// private area (PacketMeta) is not copied: for packets that no other thread has described or is to read.
// nullptr, and the one given left alone, where the pool is empty or its buffers are too small.
rte_mbuf* make_private_linear(rte_mbuf* packet);

}  // namespace sallyport::dataplane
