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
#include "dataplane/path/outbound_ipv6.h"
#include "dataplane/path/transmit.h"
#include "dataplane/path/validate.h"
#include "dataplane/policy/selector_set.h"

namespace sallyport::dataplane {

namespace {

constexpr uint32_t kMaxFragments = 32;
// More than ESP tunnel mode adds with any algorithm: outer IPv6, UDP, ESP header, IV, padding, trailer, ICV.
constexpr uint32_t kMaxOverheadBytes = 40 + 8 + 8 + 16 + 16 + 2 + 32;
static_assert(kMinPathMtuBytes > kMaxOverheadBytes);  // of a tunnel's path MTU always something is left

// Packets of a burst side by side that go by one SA.
struct Run {
  const Tunnel* tunnel;
  OutboundSa* sa;
  uint32_t neighbour_id;
};

// Packets on their way through the cipher.
struct EspBurst {
  uint32_t count = 0;
  uint64_t ipv6 = 0;  // a bit for each whose outer packet is IPv6
  std::array<rte_mbuf*, kBurst> packets;
  std::array<CryptoJob, kBurst> jobs;
  std::array<OutboundSa*, kBurst> sas;
  std::array<uint32_t, kBurst> neighbour_ids;
};

rte_ipv4_hdr& header_of(rte_mbuf* packet) {
  return *rte_pktmbuf_mtod(packet, rte_ipv4_hdr*);
}

bool is_link_local_or_broadcast(uint32_t address_be) {
  const uint32_t address = rte_be_to_cpu_32(address_be);
  return (address & 0xffffff00) == 0xe0000000 || address == 0xffffffff;  // 224.0.0.0/24: RFC 5771 section 4
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

// Steps 2 and 3 for a frame that is not plain: its packet where that is to be routed all the same; otherwise
// nullptr, and the frame is gone.
[[gnu::noinline]] rte_mbuf* classify_unusual(PathContext& context, const Port& port, rte_mbuf* received) {
  rte_mbuf* frame = own_frame(received);
  if (frame == nullptr) [[unlikely]] {
    drop(context, received, no_copy_reason(*received));
    return nullptr;
  }
  const FrameKind kind = classify_frame(frame, port);
  if (kind == FrameKind::kArp) {
    punt_to_port(context, port.id, frame, PuntClass::kArp);
    return nullptr;
  }
  if (kind == FrameKind::kIpv6) {
    receive_lan_ipv6(context, port, frame);
    return nullptr;
  }
  api::DropReason reason = enter_ipv4(frame, kind);
  if (reason == kKeep && is_group_address(header_of(frame).dst_addr)) {
    take_group_packet(context, port, frame);
    return nullptr;
  }
  if (reason == kKeep && !header_checksum_good(frame)) reason = api::DropReason::kIpBadHeader;
  if (reason == kKeep) return frame;
  drop(context, frame, reason);
  return nullptr;
}

// Steps 2 and 3 for one frame: the header of a packet to be routed; nullptr where the frame is gone.
[[gnu::always_inline]] inline const rte_ipv4_hdr* classify_lan(PathContext& context, const Port& port,
                                                               const PlainStart& plain, rte_mbuf*& frame) {
  const rte_ipv4_hdr* header = enter_plain_ipv4(frame, plain);
  if (header == nullptr) [[unlikely]] {
    frame = classify_unusual(context, port, frame);
    return frame == nullptr ? nullptr : &header_of(frame);
  }
  if (is_group_address(header->dst_addr)) [[unlikely]] {
    take_group_packet(context, port, frame);
    return nullptr;
  }
  if (!plain_checksum_good(frame, *header)) [[unlikely]] {
    drop(context, frame, api::DropReason::kIpBadHeader);
    return nullptr;
  }
  return header;
}

// Step 5 where there are selectors. An ICMP error passes where what it quotes, reversed, would (RFC 4301
// section 6).
[[gnu::noinline]] bool is_selected(const SelectorSet& selectors, const rte_ipv4_hdr& header) {
  if (selectors.matches_outbound(header)) return true;
  const rte_ipv4_hdr* quoted = quoted_by_icmp_error(header);
  return quoted != nullptr && selectors.matches_inbound(*quoted);
}

// Step 5.
inline bool matches_policy(const OutboundSa& sa, const rte_ipv4_hdr& header) {
  return sa.selectors == nullptr || is_selected(*sa.selectors, header);
}

// The cipher refused it.
[[gnu::cold, gnu::noinline]] void drop_failed(PathContext& context, const EspBurst& burst, uint32_t i) {
  bump(burst.sas[i]->row->other_dropped);
  drop(context, burst.packets[i], api::DropReason::kCryptoFailed);
}

// Steps 11 and 12 for a burst with outer IPv6 packets in it.
[[gnu::noinline]] void send_either(PathContext& context, const EspBurst& burst, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    const auto send = (burst.ipv6 >> i & 1) != 0 ? send_ipv6_to_neighbour : send_to_neighbour;
    if (burst.jobs[i].ok) {
      send(context, burst.neighbour_ids[i], burst.packets[i]);
    } else {
      drop_failed(context, burst, i);
    }
  }
}

// Steps 10 to 12: everything in the burst is sent or dropped.
[[gnu::noinline]] void encrypt_and_send(PathContext& context, EspBurst& burst) {
  const uint32_t count = std::exchange(burst.count, 0);
  context.engine->encrypt({burst.jobs.data(), count});
  if (burst.ipv6 != 0) [[unlikely]] {
    send_either(context, burst, count);
    burst.ipv6 = 0;
    return;
  }
  Egress egress(context);
  for (uint32_t i = 0; i < count; ++i) {
    if (!burst.jobs[i].ok) [[unlikely]] {
      drop_failed(context, burst, i);
      continue;
    }
    egress.send(burst.neighbour_ids[i], burst.packets[i]);
  }
}

// Step 9: into the burst, which has room, or dropped.
[[gnu::always_inline]] inline void append(PathContext& context, EspBurst& burst, rte_mbuf* packet,
                                          uint64_t sequence, const Run& run) {
  const api::DropReason reason = prepare_encapsulation(packet, *run.sa, sequence, burst.jobs[burst.count]);
  if (reason != kKeep) [[unlikely]] {
    if (!is_kept(reason)) {
      bump(run.sa->row->other_dropped);
      drop(context, packet, reason);
      return;
    }
    burst.ipv6 |= uint64_t{1} << burst.count;
  }
  const uint32_t i = burst.count++;
  burst.packets[i] = packet;
  burst.sas[i] = run.sa;
  burst.neighbour_ids[i] = run.neighbour_id;
}

// Steps 8 and 9 for one packet, whatever its SA is up to.
void encapsulate(PathContext& context, EspBurst& burst, rte_mbuf* packet, const Run& run) {
  OutboundSa& sa = *run.sa;
  if (burst.count == kBurst) encrypt_and_send(context, burst);
  const Sequence sequence = assign_sequence(sa, packet->pkt_len, context.now_ns);
  if (sa.due != 0) report_expiry(context, sa);
  if (sequence.drop == kKeep) {
    append(context, burst, packet, sequence.number, run);
  } else {
    bump(sa.row->other_dropped);
    drop(context, packet, sequence.drop);
  }
}

// Step 7 for the packets that don't fit.
void fit_too_big(PathContext& context, EspBurst& burst, const RoutedPacket& packet, const Run& run,
                 uint16_t mtu_bytes) {
  rte_mbuf* inner = packet.packet;
  bump(run.sa->row->too_big);
  if (ipv4_df(header_of(inner))) {
    refuse_too_big(context, packet, mtu_bytes);
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
    encapsulate(context, burst, fragments[i], run);
}

void clamp_mss(rte_ipv4_hdr& header, const Run& run, uint16_t mtu_bytes) {
  if (run.tunnel->mss_clamp.load(std::memory_order_relaxed))
    clamp_tcp_mss(header, tcp_mss_for_ipv4(mtu_bytes));
}

// Steps 5 and 7 to 9 for one packet.
void encapsulate_unusual(PathContext& context, EspBurst& burst, const RoutedPacket& packet, const Run& run) {
  rte_ipv4_hdr& header = header_of(packet.packet);
  if (!matches_policy(*run.sa, header)) {
    bump(run.sa->row->policy_dropped);
    refuse(context, packet, api::DropReason::kPolicyOutbound);
    return;
  }
  const uint16_t mtu_bytes = tunnel_mtu(*run.tunnel, *run.sa);
  if (is_tcp_syn(header)) clamp_mss(header, run, mtu_bytes);
  if (packet.packet->pkt_len > mtu_bytes) {
    fit_too_big(context, burst, packet, run, mtu_bytes);
  } else {
    encapsulate(context, burst, packet.packet, run);
  }
}

// Whether the packet passes steps 5 and 7 as it is. `fitting_bytes`: a size that is known to fit the tunnel.
[[gnu::always_inline]] inline bool is_usual(rte_mbuf* packet, const Run& run, uint32_t& fitting_bytes) {
  if (packet->pkt_len > fitting_bytes) [[unlikely]] {
    fitting_bytes = tunnel_mtu(*run.tunnel, *run.sa);
    if (packet->pkt_len > fitting_bytes) return false;
  }
  const rte_ipv4_hdr& header = header_of(packet);
  return !is_tcp_syn(header) && matches_policy(*run.sa, header);
}

// Steps 5 and 7 to 9 for the packets from the first on that share its SA: how many. Their numbers are taken
// at once where nothing is unusual about any of them.
[[gnu::always_inline]] inline uint32_t encapsulate_run(PathContext& context, EspBurst& burst,
                                                       std::span<const OutboundPacket> packets) {
  const Run run{packets[0].tunnel, packets[0].sa,
                packets[0].tunnel->neighbour_id.load(std::memory_order_relaxed)};
  uint32_t fitting_bytes = run.tunnel->path_mtu_bytes.load(std::memory_order_relaxed) - kMaxOverheadBytes;
  uint32_t count = 0, unusual = 0;
  uint64_t bytes = 0;
  do {
    rte_mbuf* packet = packets[count].routed.packet;
    bytes += packet->pkt_len;
    unusual |= !is_usual(packet, run, fitting_bytes);
  } while (++count < packets.size() && packets[count].sa == run.sa);
  uint64_t sequence = 0;
  if (unusual == 0 && burst.count + count <= kBurst) [[likely]]
    sequence = assign_sequences(*run.sa, count, bytes, context.now_ns);
  if (sequence == 0) [[unlikely]] {
    for (const OutboundPacket& packet : packets.first(count))
      encapsulate_unusual(context, burst, packet.routed, run);
    return count;
  }
  for (uint32_t i = 0; i < count; ++i)
    append(context, burst, packets[i].routed.packet, sequence + i, run);
  return count;
}

}  // namespace

bool is_within_selectors(const OutboundSa& sa, const rte_ipv4_hdr& header) {
  return matches_policy(sa, header);
}

void receive_lan(PathContext& context, const Port& port, std::span<rte_mbuf*> frames) {
  std::array<RoutedPacket, kBurst> packets;
  const PlainStart plain(port.mac);
  const uint64_t source = source_bits(port.vrf_id, port.id, Origin::kLan);
  uint32_t count = 0;
  for (rte_mbuf* frame : frames) {
    if (const rte_ipv4_hdr* header = classify_lan(context, port, plain, frame)) [[likely]]
      packets[count++] = {frame, way_bits(source, *header)};
  }
  if (count > 0) forward_burst(context, {packets.data(), count});
}

void leave_home(PathContext& context, const RoutedPacket& packet, const Tunnel& tunnel, uint32_t slot) {
  if (context.world->outbound_sas.at(slot) == nullptr) {
    drop(context, packet.packet, api::DropReason::kNoOutboundSa);
    return;
  }
  PacketMeta& meta = meta_of(packet.packet);
  meta.kind = MetaKind::kHandoverOutbound;
  meta.tunnel_id = tunnel.id;
  meta.vrf_id = packet.vrf_id();
  meta.port_id = packet.port_id();
  meta.origin = static_cast<uint32_t>(packet.origin());
  hand_over(context, context.world->home_worker(slot), packet.packet);
}

void encapsulate_burst(PathContext& context, OutboundBurst& outbound) {
  std::span<const OutboundPacket> packets(outbound.packets.data(), outbound.count);
  const OutboundSa* last = nullptr;
  for (const OutboundPacket& packet : packets) {
    if (packet.sa != last) prefetch_state(*packet.sa);
    last = packet.sa;
  }
  EspBurst burst;
  while (!packets.empty())
    packets = packets.subspan(encapsulate_run(context, burst, packets));
  outbound.count = 0;
  if (burst.count > 0) encrypt_and_send(context, burst);
}

}  // namespace sallyport::dataplane
