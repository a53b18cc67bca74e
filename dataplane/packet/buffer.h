// SPDX-License-Identifier: BSD-3-Clause
// Which packet buffers may be written in place, and a cold way to make one that may not. Worker threads.
#pragma once

#include <rte_mbuf.h>

#include <cstddef>
#include <cstring>

namespace sallyport::dataplane {

// One segment, its own data, nobody else's reference: safe for in-place crypto.
inline bool is_private_linear(const rte_mbuf* packet) {
  // Reference count and number of segments lie side by side: both 1, in one load.
  static_assert(offsetof(rte_mbuf, nb_segs) == offsetof(rte_mbuf, refcnt) + sizeof(uint16_t));
  uint32_t count_and_segments;
  std::memcpy(&count_and_segments, &packet->refcnt, sizeof count_and_segments);
  // The two flags that make it another's data are in the highest byte: a test of that byte needs no 64-bit
  // mask.
  constexpr uint64_t kNotDirect = RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
  constexpr auto kNotDirectHigh = static_cast<uint8_t>(kNotDirect >> 56);
  static_assert(uint64_t{kNotDirectHigh} << 56 == kNotDirect && RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN);
  const uint8_t high_flags = reinterpret_cast<const uint8_t*>(&packet->ol_flags)[7];
  return count_and_segments == 0x0001'0001 && (high_flags & kNotDirectHigh) == 0;
}

// A packet with the same bytes that is_private_linear, from the same pool; the one given is freed. Its
// private area (PacketMeta) is not copied: for packets that no other thread has described or is to read.
// nullptr, and the one given left alone, where the pool is empty or its buffers are too small.
rte_mbuf* make_private_linear(rte_mbuf* packet);

}  // namespace sallyport::dataplane
