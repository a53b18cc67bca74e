// SPDX-License-Identifier: BSD-3-Clause
// Holding the first packets of a new SA. Home worker.
#include "dataplane/path/first_packets.h"

#include <algorithm>

#include "dataplane/path/context.h"

namespace sallyport::dataplane {

FirstPackets::~FirstPackets() {
  for (uint32_t i = 0; i < count_; ++i)
    rte_pktmbuf_free(packets_[i].packet);
}

bool FirstPackets::hold(PathContext& context, InboundSa& sa, const DecapPacket& packet) {
  if (sa.opening == SaOpening::kNew) {
    const uint64_t token = rte_rcu_qsbr_start(context.world->qsbr());
    if (context.world->workers() == 1 || rte_rcu_qsbr_check(context.world->qsbr(), token, false) == 1) {
      sa.opening = SaOpening::kOpen;
      return false;
    }
    sa.opening = SaOpening::kHeld;
    token_ = token;
    turns_ = 0;
  }
  if (count_ == kCapacity) {
    release(context);
    sa.opening = SaOpening::kOpen;
    return false;
  }
  if (count_ == 0) deadline_ns_ = context.now_ns + kMaxHoldNs;
  packets_[count_++] = packet;
  return true;
}

bool FirstPackets::settled(const PathContext& context) const {
  if (count_ == 0) return false;
  return context.now_ns >= deadline_ns_ || rte_rcu_qsbr_check(context.world->qsbr(), token_, false) == 1;
}

void FirstPackets::end_turn(PathContext& context, bool drained) {
  ++turns_;
  if (drained || turns_ * kBurst >= context.rings->handover_packets() || context.now_ns >= deadline_ns_)
    release(context);
}

// The SAs may have gone since: they are looked up again.
void FirstPackets::release(PathContext& context) {
  const uint32_t count = count_;
  count_ = 0;
  turns_ = 0;
  InboundBurst burst;
  for (uint32_t i = 0; i < count; ++i) {
    find_slot(context, packets_[i].packet, packets_[i].esp_offset, burst);
    if (burst.count == kBurst || i + 1 == count) open(context, burst);
  }
}

void FirstPackets::open(PathContext& context, InboundBurst& burst) {
  for (uint32_t i = 0; i < burst.count; ++i) {
    const DecapPacket& packet = burst.packets[i];
    if (packet.sa->spi == packet.spi) packet.sa->opening = SaOpening::kOpen;
  }
  decapsulate_burst(context, burst);
}

}  // namespace sallyport::dataplane
