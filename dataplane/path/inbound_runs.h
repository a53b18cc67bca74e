// SPDX-License-Identifier: BSD-3-Clause
// Packets of a burst that lie side by side and came by one SA: what is the same for them is done once.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "dataplane/path/inbound.h"

namespace sallyport::dataplane {

// Each run begins where the one before ends, the first one with the burst.
struct Runs {
  uint32_t count = 0;
  std::array<uint32_t, kBurst> ends;
};

// Calls work(packets, jobs) for each run; `jobs`: the first packet's.
template <typename Jobs, typename Work>
[[gnu::always_inline]] inline void for_each_run(const Runs& runs, std::span<DecapPacket> packets, Jobs* jobs,
                                                Work work) {
  uint32_t begin = 0;
  for (const uint32_t end : std::span(runs.ends.data(), runs.count)) {
    work(packets.subspan(begin, end - begin), jobs + begin);
    begin = end;
  }
}

// Whether an SA asks for nothing but that its packets are verified.
inline bool is_undemanding(const InboundSa& sa) {
  return !sa.limited && sa.due == 0 && sa.selectors == nullptr && !sa.encap.load(std::memory_order_relaxed);
}

}  // namespace sallyport::dataplane
