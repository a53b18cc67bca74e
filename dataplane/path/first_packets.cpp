// SPDX-License-Identifier: BSD-3-Clause
// Holding the first packets of a new SA. Home worker.
#include "dataplane/path/first_packets.h"

#include <algorithm>

#include "dataplane/path/context.h"

namespace sallyport::dataplane {

namespace {

InboundSa* sa_of(const PathContext& context, const InboundPacket& packet) {
  return context.world->inbound_sas.find(spi_of(packet));
}

}  // namespace

FirstPackets::~FirstPackets() {
  for (uint32_t i = 0; i < count_; ++i)
    rte_pktmbuf_free(packets_[i].packet);
}

bool FirstPackets::hold(PathContext& context, InboundSa& sa, const InboundPacket& packet) {
  if (sa.opening == SaOpening::kNew) {
    const uint64_t token = rte_rcu_qsbr_start(context.world->qsbr());
    if (context.world->workers() == 1 || rte_rcu_qsbr_check(context.world->qsbr(), token, false) == 1) {
      sa.opening = SaOpening::kOpen;
      return false;
    }
    sa.opening = SaOpening::kHeld;
    token_ = token;
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

void FirstPackets::release(PathContext& context) {
  const uint32_t count = count_;
  count_ = 0;
  for (uint32_t i = 0; i < count; ++i) {
    InboundSa* sa = sa_of(context, packets_[i]);
    if (sa != nullptr) sa->opening = SaOpening::kOpen;
  }
  for (uint32_t start = 0; start < count; start += kBurst) {
    InboundBurst burst;
    burst.count = std::min(kBurst, count - start);
    std::copy_n(packets_.begin() + start, burst.count, burst.packets.begin());
    decapsulate_burst(context, burst);
  }
}

}  // namespace sallyport::dataplane
