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
#include "dataplane/path/send_fragments.h"
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
  uint32_t begin;  // its first packet; the next run's is its end
  uint32_t bytes;  // of all of them
  bool is_usual;   // they pass steps 5 and 7 as they are
};

// The way that packets of a burst take once they are encrypted: those after the last way's, up to `end`.
struct WayOut {
  uint32_t neighbour_id;
  uint32_t end;
  const Port* port;
  PacketBuffer* buffer;  // takes them as they are, whole frames; nullptr: they have no link header yet
};

// Packets on their way through the cipher.
struct EspBurst {
  explicit EspBurst(PathContext& context) : egress(context) {}

  // The packets appended last go this way.
  void go_by(uint32_t neighbour_id, const Port* port, PacketBuffer* buffer) {
    const bool goes_on = way_count > 0 && ways[way_count - 1].neighbour_id == neighbour_id &&
                         ways[way_count - 1].buffer == buffer;
    if (!goes_on) ways[way_count++] = {neighbour_id, 0, port, buffer};
    ways[way_count - 1].end = count;
  }

  Egress egress;
  uint32_t count = 0, way_count = 0;
  uint64_t ipv6 = 0;  // a bit for each whose outer packet is IPv6
  std::array<rte_mbuf*, kBurst> packets;
  std::array<OutboundSa*, kBurst> sas;
  std::array<CryptoJob, kBurst> jobs;
  std::array<WayOut, kBurst> ways;
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

// Steps 11 and 12 for packets without a link header, from `begin` on.
[[gnu::noinline]] void send_packets(PathContext& context, EspBurst& burst, uint32_t begin,
                                    const WayOut& way) {
  for (uint32_t i = begin; i < way.end; ++i) {
    if (!burst.jobs[i].ok) {
      drop_failed(context, burst, i);
    } else if ((burst.ipv6 >> i & 1) != 0) {
      send_ipv6_to_neighbour(context, way.neighbour_id, burst.packets[i]);
    } else {
      burst.egress.send(way.neighbour_id, burst.packets[i]);
    }
  }
}

// Steps 11 and 12 for whole frames, from `begin` on.
[[gnu::always_inline]] inline void send_frames(PathContext& context, const EspBurst& burst, uint32_t begin,
                                               const WayOut& way) {
  const Port& port = *way.port;
  PacketBuffer& buffer = *way.buffer;
  for (uint32_t i = begin, end = way.end; i < end; ++i) {
    if (burst.jobs[i].ok) [[likely]] {
      put_frame(context, port, buffer, burst.packets[i]);
    } else {
      drop_failed(context, burst, i);
    }
  }
}

// Steps 10 to 12: everything in the burst is sent or dropped.
[[gnu::noinline]] void encrypt_and_send(PathContext& context, EspBurst& burst) {
  context.engine->encrypt({burst.jobs.data(), burst.count});
  uint32_t begin = 0;
  for (const WayOut& way : std::span(burst.ways.data(), burst.way_count)) {
    if (way.buffer != nullptr) [[likely]] {
      send_frames(context, burst, begin, way);
    } else {
      send_packets(context, burst, begin, way);
    }
    begin = way.end;
  }
  burst.count = burst.way_count = 0;
  burst.ipv6 = 0;
}

[[gnu::cold, gnu::noinline]] void drop_unprepared(PathContext& context, OutboundSa& sa, rte_mbuf* packet,
                                                  api::DropReason reason) {
  bump(sa.row->other_dropped);
  drop(context, packet, reason);
}

// Step 9 for one packet, whatever its outer header is like: into the burst, which has room, or dropped.
void append(PathContext& context, EspBurst& burst, rte_mbuf* packet, uint64_t sequence, const Tunnel& tunnel,
            OutboundSa& sa) {
  const api::DropReason reason = prepare_encapsulation(packet, sa, sequence, burst.jobs[burst.count]);
  if (!is_kept(reason)) {
    drop_unprepared(context, sa, packet, reason);
    return;
  }
  if (reason == kKeepIpv6) burst.ipv6 |= uint64_t{1} << burst.count;
  burst.sas[burst.count] = &sa;
  burst.packets[burst.count++] = packet;
  burst.go_by(tunnel.neighbour_id.load(std::memory_order_relaxed), nullptr, nullptr);
}

// Step 9 for one packet that becomes a whole frame. The burst has room.
[[gnu::always_inline]] inline void append_frame(PathContext& context, EspBurst& burst, uint32_t& count,
                                                rte_mbuf* packet, OutboundSa& sa,
                                                PlainEncapsulation<Front::kLinkHeader>& encapsulation) {
  const api::DropReason reason = encapsulation.prepare_next(packet, burst.jobs[count]);
  if (reason != kKeep) [[unlikely]] {
    drop_unprepared(context, sa, packet, reason);
    return;
  }
  burst.sas[count] = &sa;
  burst.packets[count++] = packet;
}

// Step 9 for several packets of one SA that become whole frames, with numbers from `sequence` on. The burst
// has room.
[[gnu::noinline]] void append_frames(PathContext& context, EspBurst& burst,
                                     std::span<const OutboundPacket> packets, uint64_t addresses,
                                     uint64_t sequence, const EthernetRewrite& link) {
  OutboundSa& sa = *packets[0].sa;
  PlainEncapsulation<Front::kLinkHeader> encapsulation(sa, addresses, sequence, &link);
  uint32_t count = burst.count;
  for (const OutboundPacket& packet : packets)
    append_frame(context, burst, count, packet.routed.packet, sa, encapsulation);
  burst.count = count;
}

// Steps 8 and 9 for one packet, whatever its SA is up to.
void encapsulate(PathContext& context, EspBurst& burst, rte_mbuf* packet, const Tunnel& tunnel,
                 OutboundSa& sa) {
  if (burst.count == kBurst) encrypt_and_send(context, burst);
  const Sequence sequence = assign_sequence(sa, packet->pkt_len, context.now_ns);
  if (sa.due != 0) report_expiry(context, sa);
  if (sequence.drop == kKeep) {
    append(context, burst, packet, sequence.number, tunnel, sa);
  } else {
    bump(sa.row->other_dropped);
    drop(context, packet, sequence.drop);
  }
}

// Whether the SA takes the packet's fragments, too: to it they are packets as any other (RFC 4301 section
// 5.1), and the peer drops what it may not carry.
bool takes_fragments(const OutboundSa& sa, const rte_ipv4_hdr& header) {
  return sa.selectors == nullptr || sa.selectors->matches_outbound_in_fragments(header);
}

// Steps 8 to 12 for a packet that is to be fragmented only once it is encrypted. The burst goes before it.
void encapsulate_whole(PathContext& context, EspBurst& burst, const OutboundPacket& packet) {
  if (burst.count > 0) encrypt_and_send(context, burst);
  EspBurst alone(context);
  encapsulate(context, alone, packet.routed.packet, *packet.tunnel, *packet.sa);
  if (alone.count == 0) return;
  context.engine->encrypt({alone.jobs.data(), 1});
  if (alone.jobs[0].ok) {
    send_fragments(context, *packet.tunnel, *packet.sa, alone.packets[0]);
  } else {
    drop_failed(context, alone, 0);
  }
}

// Step 7 for the packets that don't fit.
void fit_too_big(PathContext& context, EspBurst& burst, const OutboundPacket& packet, uint16_t mtu_bytes) {
  rte_mbuf* inner = packet.routed.packet;
  bump(packet.sa->row->too_big);
  if (!verify_checksum(context, inner)) return;
  if (ipv4_df(header_of(inner))) {
    refuse_too_big(context, packet.routed, mtu_bytes);
    return;
  }
  if (!takes_fragments(*packet.sa, header_of(inner))) {
    encapsulate_whole(context, burst, packet);
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
    encapsulate(context, burst, fragments[i], *packet.tunnel, *packet.sa);
}

void clamp_mss(rte_ipv4_hdr& header, const Tunnel& tunnel, uint16_t mtu_bytes) {
  if (tunnel.mss_clamp.load(std::memory_order_relaxed)) clamp_tcp_mss(header, tcp_mss_for_ipv4(mtu_bytes));
}

// Steps 5 and 7 to 9 for one packet.
[[gnu::noinline]] void encapsulate_unusual(PathContext& context, EspBurst& burst,
                                           const OutboundPacket& packet) {
  rte_mbuf* inner = packet.routed.packet;
  rte_ipv4_hdr& header = header_of(inner);
  if (!matches_policy(*packet.sa, header)) {
    bump(packet.sa->row->policy_dropped);
    refuse(context, packet.routed, api::DropReason::kPolicyOutbound);
    return;
  }
  const uint16_t mtu_bytes = tunnel_mtu(*packet.tunnel, *packet.sa);
  if (is_tcp_syn(header)) clamp_mss(header, *packet.tunnel, mtu_bytes);
  if (inner->pkt_len > mtu_bytes) {
    fit_too_big(context, burst, packet, mtu_bytes);
  } else {
    encapsulate(context, burst, inner, *packet.tunnel, *packet.sa);
  }
}

// Whether the packet passes steps 5 and 7 as it is. `fitting_bytes`: a size that is known to fit the tunnel.
[[gnu::always_inline]] inline bool is_usual(rte_mbuf* packet, const Tunnel& tunnel, const OutboundSa& sa,
                                            uint32_t& fitting_bytes) {
  if (packet->pkt_len > fitting_bytes) [[unlikely]] {
    fitting_bytes = tunnel_mtu(tunnel, sa);
    if (packet->pkt_len > fitting_bytes) return false;
  }
  const rte_ipv4_hdr& header = header_of(packet);
  return !is_tcp_syn(header) && matches_policy(sa, header);
}

// How many runs: packets side by side that go by one SA, whose state is fetched. One more is the burst's end.
[[gnu::noinline]] uint32_t find_runs(std::span<const OutboundPacket> packets, Run* runs) {
  Run* run = runs;
  uint32_t count = 0;
  const OutboundSa* sa = nullptr;
  uint32_t fitting_bytes = 0;
  for (const OutboundPacket& packet : packets) {
    if (packet.sa != sa) {
      sa = packet.sa;
      prefetch_state(*sa);
      fitting_bytes = packet.tunnel->path_mtu_bytes.load(std::memory_order_relaxed) - kMaxOverheadBytes;
      run = &runs[count++];
      *run = {static_cast<uint32_t>(&packet - packets.data()), 0, true};
    }
    run->bytes += packet.routed.packet->pkt_len;
    if (!is_usual(packet.routed.packet, *packet.tunnel, *sa, fitting_bytes)) [[unlikely]]
      run->is_usual = false;
  }
  runs[count] = {static_cast<uint32_t>(packets.size()), 0, false};
  return count;
}

// Steps 5 and 7 to 9 for a run. Its numbers are taken at once where nothing is unusual about any of its
// packets nor about their way.
[[gnu::always_inline]] inline void encapsulate_run(PathContext& context, EspBurst& burst,
                                                   std::span<const OutboundPacket> packets, const Run& run) {
  OutboundSa& sa = *packets[0].sa;
  const uint32_t neighbour_id = packets[0].tunnel->neighbour_id.load(std::memory_order_relaxed);
  const Exit& exit = burst.egress.exit(neighbour_id);
  const uint64_t addresses = sa.plain_addresses.load(std::memory_order_acquire);
  uint64_t sequence = 0;
  if (run.is_usual && addresses != 0 && exit.buffer != nullptr && burst.count + packets.size() <= kBurst)
      [[likely]]
    sequence = assign_sequences(sa, static_cast<uint32_t>(packets.size()), run.bytes, context.now_ns);
  if (sequence == 0) [[unlikely]] {
    for (const OutboundPacket& packet : packets)
      encapsulate_unusual(context, burst, packet);
    return;
  }
  const uint32_t before = burst.count;
  if (packets.size() == 1) {
    PlainEncapsulation<Front::kLinkHeader> encapsulation(sa, addresses, sequence, exit.rewrite);
    append_frame(context, burst, burst.count, packets[0].routed.packet, sa, encapsulation);
  } else {
    append_frames(context, burst, packets, addresses, sequence, *exit.rewrite);
  }
  if (burst.count > before) [[likely]]
    burst.go_by(neighbour_id, exit.port, exit.buffer);
}

}  // namespace

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
  const std::span<const OutboundPacket> packets(outbound.packets.data(), outbound.count);
  std::array<Run, kBurst + 1> runs;
  const uint32_t run_count = find_runs(packets, runs.data());
  EspBurst burst(context);
  for (uint32_t i = 0; i < run_count; ++i)
    encapsulate_run(context, burst, packets.subspan(runs[i].begin, runs[i + 1].begin - runs[i].begin),
                    runs[i]);
  outbound.count = 0;
  if (burst.count > 0) encrypt_and_send(context, burst);
}

}  // namespace sallyport::dataplane
