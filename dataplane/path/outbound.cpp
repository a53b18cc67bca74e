// SPDX-License-Identifier: BSD-3-Clause
// The outbound steps, in the order packets take them.
#include "dataplane/path/outbound.h"

#include <rte_ethdev.h>

#include "dataplane/esp/encapsulate.h"
#include "dataplane/esp/overhead.h"
#include "dataplane/packet/fragment.h"
#include "dataplane/packet/ipv4.h"
#include "dataplane/packet/tcp_mss.h"
#include "dataplane/path/events.h"
#include "dataplane/path/forward.h"
#include "dataplane/path/transmit.h"
#include "dataplane/path/validate.h"
#include "dataplane/policy/selector_set.h"

namespace sallyport::dataplane {

namespace {

constexpr uint32_t kMaxFragments = 32;
// More than ESP tunnel mode adds with any algorithm: outer IPv4, UDP, ESP header, IV, padding, trailer, ICV.
constexpr uint32_t kMaxOverheadBytes = 20 + 8 + 8 + 16 + 16 + 2 + 32;

// Packets with their SA, and what is left to do for each.
struct EspBurst {
  uint32_t count = 0;
  std::array<EncapPacket, kBurst> packets;
  std::array<const Tunnel*, kBurst> tunnels;
};

rte_ipv4_hdr& header_of(rte_mbuf* packet) {
  return *rte_pktmbuf_mtod(packet, rte_ipv4_hdr*);
}

bool is_link_local_or_broadcast(uint32_t address_be) {
  const uint32_t address = rte_be_to_cpu_32(address_be);
  return (address & 0xffffff00) == 0xe0000000 || address == 0xffffffff;  // 224.0.0.0/24: RFC 5771 section 4
}

// Step 2 and 3 for one frame: true where `routed` is to be routed; otherwise the frame is gone.
bool classify_lan(PathContext& context, const Port& port, rte_mbuf* received, RoutedPacket& routed) {
  rte_mbuf* frame = own_frame(received);
  if (frame == nullptr) [[unlikely]] {
    drop(context, received, api::DropReason::kNoMbuf);
    return false;
  }
  const FrameKind kind = classify_frame(frame, port);
  if (kind == FrameKind::kArp) {
    punt_to_port(context, port.id, frame, PuntClass::kArp);
    return false;
  }
  if (const api::DropReason reason = enter_ipv4(frame, kind); reason != kKeep) {
    drop(context, frame, reason);
    return false;
  }
  const rte_ipv4_hdr& header = header_of(frame);
  if (is_group_address(header.dst_addr)) {
    if (!is_link_local_or_broadcast(header.dst_addr)) {
      drop(context, frame, api::DropReason::kNoRoute);
    } else {
      rte_pktmbuf_prepend(frame, RTE_ETHER_HDR_LEN);  // as it came; the header is still there
      punt_to_port(context, port.id, frame, PuntClass::kRouting);
    }
    return false;
  }
  if (!header_checksum_good(frame)) {
    drop(context, frame, api::DropReason::kIpBadHeader);
    return false;
  }
  routed = {frame, port.vrf_id, port.id, Origin::kLan};
  return true;
}

OutboundSa* find_outbound_sa(const PathContext& context, const Tunnel& tunnel) {
  const uint32_t slot = tunnel.outbound_slot.load(std::memory_order_relaxed);
  return slot == api::kNone ? nullptr : context.world->outbound_sas.at(slot);
}

// Step 5. An ICMP error passes where what it quotes, reversed, would (RFC 4301 section 6).
bool matches_policy(const OutboundSa& sa, const rte_ipv4_hdr& header) {
  if (sa.selectors == nullptr || sa.selectors->matches_outbound(header)) return true;
  const rte_ipv4_hdr* quoted = quoted_by_icmp_error(header);
  return quoted != nullptr && sa.selectors->matches_inbound(*quoted);
}

// Step 7's number: the largest inner packet that fits the tunnel's path MTU in one outer packet.
uint16_t tunnel_mtu(const Tunnel& tunnel, const OutboundSa& sa) {
  const bool encap = sa.outer.load(std::memory_order_acquire)->encap;
  return static_cast<uint16_t>(
      inner_mtu(tunnel.path_mtu_bytes.load(std::memory_order_relaxed), sa.shape, encap, api::Family::kIpv4));
}

// Step 11 and 12, after 9 and 10: everything in the burst is sent or dropped.
void encrypt_and_send(PathContext& context, EspBurst& burst) {
  std::array<CryptoJob, kBurst> jobs;
  const std::span packets(burst.packets.data(), burst.count);
  prepare_encapsulation(packets, jobs);
  context.engine->encrypt({jobs.data(), burst.count});
  finish_encapsulation(packets, {jobs.data(), burst.count});
  for (uint32_t i = 0; i < burst.count; ++i) {
    EncapPacket& packet = packets[i];
    if (packet.sa->due != 0) [[unlikely]]
      report_expiry(context, *packet.sa);
    if (packet.drop != kKeep) [[unlikely]] {
      bump(packet.sa->row->other_dropped);
      drop(context, packet.packet, packet.drop);
      continue;
    }
    send_to_neighbour(context, burst.tunnels[i]->neighbour_id.load(std::memory_order_relaxed), packet.packet);
  }
  burst.count = 0;
}

// Step 8. A packet without a sequence number stays in the burst, to be dropped with its reason.
void append(PathContext& context, EspBurst& burst, rte_mbuf* packet, OutboundSa& sa, const Tunnel& tunnel) {
  if (burst.count == kBurst) encrypt_and_send(context, burst);
  const Sequence sequence = assign_sequence(sa, packet->pkt_len, context.now_ns);
  burst.packets[burst.count] = {packet, &sa, sequence.number, sequence.drop};
  burst.tunnels[burst.count++] = &tunnel;
}

// Step 7 for the packets that don't fit.
[[gnu::cold, gnu::noinline]] void fit_too_big(PathContext& context, EspBurst& burst,
                                              const OutboundPacket& packet, OutboundSa& sa,
                                              uint16_t mtu_bytes) {
  rte_mbuf* inner = packet.routed.packet;
  bump(sa.row->too_big);
  if (ipv4_df(header_of(inner))) {
    refuse_too_big(context, packet.routed, mtu_bytes);
    return;
  }
  std::array<rte_mbuf*, kMaxFragments> fragments;
  const uint32_t count = fragment_ipv4(inner, mtu_bytes, context.pool, fragments);
  if (count == 0) {
    drop(context, inner, api::DropReason::kFragmentFailed);
    return;
  }
  rte_pktmbuf_free(inner);
  for (uint32_t i = 0; i < count; ++i)
    append(context, burst, fragments[i], sa, *packet.tunnel);
}

void clamp_mss(const OutboundPacket& packet, const OutboundSa& sa) {
  rte_ipv4_hdr& header = header_of(packet.routed.packet);
  if (header.next_proto_id != IPPROTO_TCP || !packet.tunnel->mss_clamp.load(std::memory_order_relaxed))
    return;
  clamp_tcp_mss(header, tcp_mss_for_ipv4(tunnel_mtu(*packet.tunnel, sa)));
}

void encapsulate(PathContext& context, EspBurst& burst, const OutboundPacket& packet, OutboundSa& sa) {
  rte_mbuf* inner = packet.routed.packet;
  if (!matches_policy(sa, header_of(inner))) [[unlikely]] {
    bump(sa.row->policy_dropped);
    refuse(context, packet.routed, api::DropReason::kPolicyOutbound);
    return;
  }
  clamp_mss(packet, sa);
  if (inner->pkt_len + kMaxOverheadBytes > packet.tunnel->path_mtu_bytes.load(std::memory_order_relaxed)) {
    const uint16_t mtu_bytes = tunnel_mtu(*packet.tunnel, sa);
    if (inner->pkt_len > mtu_bytes) {
      fit_too_big(context, burst, packet, sa, mtu_bytes);
      return;
    }
  }
  append(context, burst, inner, sa, *packet.tunnel);
}

}  // namespace

void receive_lan(PathContext& context, const Port& port, std::span<rte_mbuf*> frames) {
  std::array<RoutedPacket, kBurst> packets;
  uint32_t count = 0;
  for (rte_mbuf* frame : frames) {
    if (classify_lan(context, port, frame, packets[count])) ++count;
  }
  forward_burst(context, {packets.data(), count});
}

void select_home(PathContext& context, const RoutedPacket& packet, const Tunnel& tunnel,
                 OutboundBurst& outbound) {
  const uint32_t slot = tunnel.outbound_slot.load(std::memory_order_relaxed);
  if (slot == api::kNone) {
    drop(context, packet.packet, api::DropReason::kNoOutboundSa);
    return;
  }
  const uint32_t home = context.world->home_worker(slot);
  if (home == context.index) {
    outbound.packets[outbound.count++] = {packet, &tunnel};
    return;
  }
  PacketMeta& meta = meta_of(packet.packet);
  meta.kind = MetaKind::kHandoverOutbound;
  meta.tunnel_id = tunnel.id;
  meta.vrf_id = packet.vrf_id;
  meta.port_id = packet.port_id;
  meta.origin = static_cast<uint32_t>(packet.origin);
  hand_over(context, home, packet.packet);
}

void encapsulate_burst(PathContext& context, OutboundBurst& outbound) {
  std::array<OutboundSa*, kBurst> sas;
  for (uint32_t i = 0; i < outbound.count; ++i) {
    sas[i] = find_outbound_sa(context, *outbound.packets[i].tunnel);
    if (sas[i] != nullptr) prefetch_sa(*sas[i]);
  }
  EspBurst burst;
  for (uint32_t i = 0; i < outbound.count; ++i) {
    // The tunnel may have moved to an SA of another home since the first look: that one is not ours to touch.
    if (sas[i] == nullptr || context.world->home_worker(sas[i]->slot) != context.index) {
      drop(context, outbound.packets[i].routed.packet, api::DropReason::kNoOutboundSa);
      continue;
    }
    encapsulate(context, burst, outbound.packets[i], *sas[i]);
  }
  outbound.count = 0;
  if (burst.count > 0) encrypt_and_send(context, burst);
}

}  // namespace sallyport::dataplane
