// SPDX-License-Identifier: BSD-3-Clause
// The outbound steps, in the order packets take them.
#include "dataplane/path/outbound.h"

#include <rte_ethdev.h>

#include <utility>

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
  std::array<uint32_t, kBurst> neighbour_ids;
};

rte_ipv4_hdr& header_of(rte_mbuf* packet) {
  return *rte_pktmbuf_mtod(packet, rte_ipv4_hdr*);
}

bool is_link_local_or_broadcast(uint32_t address_be) {
  const uint32_t address = rte_be_to_cpu_32(address_be);
  return (address & 0xffffff00) == 0xe0000000 || address == 0xffffffff;  // 224.0.0.0/24: RFC 5771 section 4
}

// Steps 2 and 3 for a frame that is not plain: true where its packet is to be routed all the same; otherwise
// the frame is gone.
[[gnu::noinline]] bool classify_unusual(PathContext& context, const Port& port, rte_mbuf*& received) {
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
  received = frame;
  return true;
}

// To more than one host: not routed.
[[gnu::cold, gnu::noinline]] void take_group_packet(PathContext& context, const Port& port, rte_mbuf* frame) {
  if (!is_link_local_or_broadcast(header_of(frame).dst_addr)) {
    drop(context, frame, api::DropReason::kNoRoute);
    return;
  }
  rte_pktmbuf_prepend(frame, RTE_ETHER_HDR_LEN);  // as it came; the header is still there
  punt_to_port(context, port.id, frame, PuntClass::kRouting);
}

// Steps 2 and 3 for one frame: true where it is a packet to be routed; otherwise the frame is gone.
[[gnu::always_inline]] inline bool classify_lan(PathContext& context, const Port& port, uint64_t station,
                                                rte_mbuf*& frame) {
  if (!enter_plain_ipv4(frame, station) && !classify_unusual(context, port, frame)) [[unlikely]]
    return false;
  if (is_group_address(header_of(frame).dst_addr)) [[unlikely]] {
    take_group_packet(context, port, frame);
    return false;
  }
  if (!header_checksum_good(frame)) [[unlikely]] {
    drop(context, frame, api::DropReason::kIpBadHeader);
    return false;
  }
  return true;
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

// Steps 9 to 12: everything in the burst is sent or dropped.
[[gnu::noinline]] void encrypt_and_send(PathContext& context, EspBurst& burst) {
  const uint32_t count = std::exchange(burst.count, 0);
  std::array<CryptoJob, kBurst> jobs;
  for (uint32_t i = 0; i < count; ++i)
    prepare_encapsulation(burst.packets[i], jobs[i]);
  context.engine->encrypt({jobs.data(), count});
  Egress egress(context);
  for (uint32_t i = 0; i < count; ++i) {
    EncapPacket& packet = burst.packets[i];
    finish_encapsulation(packet, jobs[i]);
    if (packet.drop != kKeep) [[unlikely]] {
      bump(packet.sa->row->other_dropped);
      drop(context, packet.packet, packet.drop);
      continue;
    }
    egress.send(burst.neighbour_ids[i], packet.packet);
  }
}

// Step 8. A packet without a sequence number stays in the burst, to be dropped with its reason.
[[gnu::always_inline]] inline void append(PathContext& context, EspBurst& burst, rte_mbuf* packet,
                                          OutboundSa& sa, const Tunnel& tunnel) {
  if (burst.count == kBurst) [[unlikely]]
    encrypt_and_send(context, burst);
  const Sequence sequence = assign_sequence(sa, packet->pkt_len, context.now_ns);
  if (sa.due != 0) [[unlikely]]
    report_expiry(context, sa);
  const uint32_t i = burst.count++;
  burst.packets[i] = {packet, &sa, sequence.number, sequence.drop};
  burst.neighbour_ids[i] = tunnel.neighbour_id.load(std::memory_order_relaxed);
}

// Step 7 for the packets that don't fit.
[[gnu::cold, gnu::noinline]] void fit_too_big(PathContext& context, EspBurst& burst,
                                              const OutboundPacket& packet, uint16_t mtu_bytes) {
  rte_mbuf* inner = packet.routed.packet;
  OutboundSa& sa = *packet.sa;
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

[[gnu::noinline]] void clamp_mss(const OutboundPacket& packet) {
  if (!packet.tunnel->mss_clamp.load(std::memory_order_relaxed)) return;
  clamp_tcp_mss(header_of(packet.routed.packet), tcp_mss_for_ipv4(tunnel_mtu(*packet.tunnel, *packet.sa)));
}

[[gnu::always_inline]] inline void encapsulate(PathContext& context, EspBurst& burst,
                                               const OutboundPacket& packet) {
  rte_mbuf* inner = packet.routed.packet;
  OutboundSa& sa = *packet.sa;
  if (!matches_policy(sa, header_of(inner))) [[unlikely]] {
    bump(sa.row->policy_dropped);
    refuse(context, packet.routed, api::DropReason::kPolicyOutbound);
    return;
  }
  if (is_tcp_syn(header_of(inner))) [[unlikely]]
    clamp_mss(packet);
  if (inner->pkt_len + kMaxOverheadBytes > packet.tunnel->path_mtu_bytes.load(std::memory_order_relaxed))
      [[unlikely]] {
    const uint16_t mtu_bytes = tunnel_mtu(*packet.tunnel, sa);
    if (inner->pkt_len > mtu_bytes) [[unlikely]] {
      fit_too_big(context, burst, packet, mtu_bytes);
      return;
    }
  }
  append(context, burst, inner, sa, *packet.tunnel);
}

}  // namespace

void receive_lan(PathContext& context, const Port& port, std::span<rte_mbuf*> frames) {
  std::array<RoutedPacket, kBurst> packets;
  RoutedPacket routed = make_routed(nullptr, port.vrf_id, port.id, Origin::kLan);
  const uint64_t station = station_bits(port.mac);
  uint32_t count = 0;
  for (rte_mbuf* frame : frames) {
    if (!classify_lan(context, port, station, frame)) [[unlikely]]
      continue;
    routed.packet = frame;
    packets[count++] = routed;
  }
  forward_burst(context, {packets.data(), count});
}

void leave_home(PathContext& context, const RoutedPacket& packet, const Tunnel& tunnel, uint32_t slot) {
  if (context.world->outbound_sas.at(slot) == nullptr) {
    drop(context, packet.packet, api::DropReason::kNoOutboundSa);
    return;
  }
  PacketMeta& meta = meta_of(packet.packet);
  meta.kind = MetaKind::kHandoverOutbound;
  meta.tunnel_id = tunnel.id;
  meta.vrf_id = packet.vrf_id;
  meta.port_id = packet.port_id;
  meta.origin = static_cast<uint32_t>(packet.origin);
  hand_over(context, context.world->home_worker(slot), packet.packet);
}

void encapsulate_burst(PathContext& context, OutboundBurst& outbound) {
  const std::span packets(outbound.packets.data(), outbound.count);
  for (const OutboundPacket& packet : packets)
    prefetch_state(*packet.sa);
  EspBurst burst;
  for (const OutboundPacket& packet : packets)
    encapsulate(context, burst, packet);
  outbound.count = 0;
  if (burst.count > 0) encrypt_and_send(context, burst);
}

}  // namespace sallyport::dataplane
