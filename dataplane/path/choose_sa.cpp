// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/path/choose_sa.h"

#include "dataplane/path/forward.h"
#include "dataplane/path/forward_ipv6.h"
#include "dataplane/policy/selector_set.h"

namespace sallyport::dataplane {

namespace {

// The first SA that `takes` it, of a list that began with `word` a moment ago. One that the manager has taken
// out meanwhile still leads on to those behind it. `left`: so many are looked at.
template <typename Takes>
uint32_t first_of(const World& world, uint32_t word, uint32_t& left, Takes takes) {
  uint32_t slot = word & ~kSeveralSas;
  for (; left > 0 && slot < world.outbound_sas.slots(); --left) {
    const OutboundSa* sa = world.outbound_sas.at(slot);
    if (sa != nullptr && takes(*sa)) return slot;
    if ((word & kSeveralSas) == 0) break;
    slot = world.outbound_beside[slot].load(std::memory_order_acquire);
  }
  return api::kNone;
}

// Of the tunnel's. An SA may have come in front meanwhile for one further behind that is gone: then both were
// missed, and the list begins with another SA.
template <typename Takes>
uint32_t first_slot(const World& world, const Tunnel& tunnel, Takes takes) {
  uint32_t left = kMaxSasOfTunnel;
  uint32_t word, now = tunnel.outbound_slot.load(std::memory_order_acquire);
  do {
    word = now;
    if (const uint32_t slot = first_of(world, word, left, takes); slot != api::kNone) return slot;
    now = tunnel.outbound_slot.load(std::memory_order_acquire);
  } while (now != word && left > 0);
  return api::kNone;
}

template <typename IpHeader>
Home choose(const PathContext& context, const Tunnel& tunnel, const IpHeader& header) {
  uint32_t slot = outbound_slot_for(*context.world, tunnel, header);
  if (slot == api::kNone) slot = tunnel.outbound_slot.load(std::memory_order_acquire) & ~kSeveralSas;
  OutboundSa* sa = context.world->outbound_sas.at(slot);
  if (sa == nullptr || context.world->home_worker(slot) != context.index) return {nullptr, slot};
  prefetch_sa(*sa);
  return {sa, slot};
}

}  // namespace

uint32_t outbound_slot_for(const World& world, const Tunnel& tunnel, const rte_ipv4_hdr& header) {
  const uint32_t slot = first_slot(world, tunnel, [&](const OutboundSa& sa) {
    return sa.selectors == nullptr || sa.selectors->matches_outbound(header);
  });
  if (slot != api::kNone) return slot;
  const rte_ipv4_hdr* quoted = quoted_by_icmp_error(header);
  if (quoted == nullptr) return api::kNone;
  return first_slot(world, tunnel, [&](const OutboundSa& sa) {
    return sa.selectors != nullptr && sa.selectors->matches_inbound(*quoted);
  });
}

uint32_t outbound_slot_for(const World& world, const Tunnel& tunnel, const rte_ipv6_hdr& header) {
  const Ipv6Flow flow = read_flow(header);
  const uint32_t slot = first_slot(world, tunnel, [&](const OutboundSa& sa) {
    return sa.selectors == nullptr ? !sa.ipv4_only : sa.selectors->matches_outbound(flow);
  });
  if (slot != api::kNone) return slot;
  const std::optional<Ipv6Flow> quoted = quoted_by_icmpv6_error(header);
  if (!quoted) return api::kNone;
  return first_slot(world, tunnel, [&](const OutboundSa& sa) {
    return sa.selectors != nullptr && sa.selectors->matches_inbound(*quoted);
  });
}

Home choose_home(const PathContext& context, const Tunnel& tunnel, const rte_ipv4_hdr& header) {
  return choose(context, tunnel, header);
}

Home choose_home(const PathContext& context, const Tunnel& tunnel, const rte_ipv6_hdr& header) {
  return choose(context, tunnel, header);
}

}  // namespace sallyport::dataplane
