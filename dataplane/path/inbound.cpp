// SPDX-License-Identifier: BSD-3-Clause
// The inbound steps, in the order packets take them.
#include "dataplane/path/inbound.h"

#include <cstring>
#include <utility>

#include "dataplane/esp/decapsulate.h"
#include "dataplane/esp/decapsulate_run.h"
#include "dataplane/esp/overhead.h"
#include "dataplane/packet/ipv4.h"
#include "dataplane/packet/tcp_mss.h"
#include "dataplane/path/classify.h"
#include "dataplane/path/context.h"
#include "dataplane/path/events.h"
#include "dataplane/path/first_packets.h"
#include "dataplane/path/follow_peer.h"
#include "dataplane/path/forward.h"
#include "dataplane/path/inbound_ipv6.h"
#include "dataplane/path/inbound_runs.h"
#include "dataplane/path/transmit.h"
#include "dataplane/path/validate.h"
#include "dataplane/policy/selector_set.h"

namespace sallyport::dataplane {

namespace {

rte_ipv4_hdr& header_of(rte_mbuf* packet) {
  return *rte_pktmbuf_mtod(packet, rte_ipv4_hdr*);
}

// Cleartext to something behind a tunnel or on a LAN, or simply not to us. Off the fast path: looks through
// every VRF.
[[gnu::cold, gnu::noinline]] api::DropReason foreign_reason(const PathContext& context,
                                                            uint32_t destination_be) {
  const uint32_t destination = rte_be_to_cpu_32(destination_be);
  for (uint32_t vrf_id = 1; vrf_id < api::kMaxVrfs; ++vrf_id) {
    const Vrf* vrf = context.world->vrfs.at(vrf_id);
    if (vrf != nullptr && vrf->fib4->covers(destination)) return api::DropReason::kCleartextPublic;
  }
  return api::DropReason::kNotForUs;
}

// The frame as it came, for the mirror: the Ethernet header was only stepped over. A reassembled packet has
// none: it gets one with the port's own address.
void punt_frame(PathContext& context, const Port& port, rte_mbuf* packet, PuntClass punt_class,
                bool reassembled) {
  char* start = rte_pktmbuf_prepend(packet, RTE_ETHER_HDR_LEN);
  if (start == nullptr) {
    drop(context, packet, api::DropReason::kNoRoom);
    return;
  }
  if (reassembled) {
    const rte_ether_hdr header{port.mac, port.mac, RTE_BE16(RTE_ETHER_TYPE_IPV4)};
    std::memcpy(start, &header, sizeof header);
    write_ipv4_checksum(*rte_pktmbuf_mtod_offset(packet, rte_ipv4_hdr*, RTE_ETHER_HDR_LEN));
  }
  punt_to_port(context, port.id, packet, punt_class);
}

[[gnu::cold, gnu::noinline]] void drop_unknown(PathContext& context, rte_mbuf* packet,
                                               uint16_t esp_offset_bytes) {
  audit(context, packet, esp_offset_bytes, api::AuditCause::kUnknownSpi);
  drop(context, packet, api::DropReason::kUnknownSpi);
}

// To the home worker of the slot; dropped where no SA is there. So it is at home, where find_home saw none:
// by now there may be one, but nobody takes what a worker hands over to itself.
[[gnu::noinline]] void leave_home(PathContext& context, rte_mbuf* packet, uint16_t esp_offset_bytes,
                                  uint32_t port_id) {
  const uint32_t slot = spi_at(packet, esp_offset_bytes) & api::kSlotMask;
  const uint32_t home = context.world->home_worker(slot);
  if (home == context.index || context.world->inbound_sas.at(slot) == nullptr) {
    drop_unknown(context, packet, esp_offset_bytes);
    return;
  }
  PacketMeta& meta = meta_of(packet);
  meta.kind = MetaKind::kHandoverInbound;
  meta.esp_offset_bytes = esp_offset_bytes;
  meta.slot = slot;
  meta.port_id = port_id;
  hand_over(context, home, packet);
}

// Step 4, first half: to the home worker of the slot that the SPI names. Only that worker may look at the SA
// itself.
[[gnu::always_inline]] inline void find_home(PathContext& context, rte_mbuf* packet,
                                             uint16_t esp_offset_bytes, bool plain, uint32_t port_id,
                                             InboundBurst& inbound) {
  if (packet->data_len < esp_offset_bytes + sizeof(uint32_t)) [[unlikely]] {
    drop(context, packet, api::DropReason::kEspTooShort);
    return;
  }
  const uint32_t spi = spi_at(packet, esp_offset_bytes);
  if (inbound.count > 0 && inbound.packets[inbound.count - 1].spi == spi) {
    inbound.append(packet, inbound.packets[inbound.count - 1].sa, spi, esp_offset_bytes, plain);
    return;
  }
  const uint32_t slot = spi & api::kSlotMask;
  InboundSa* sa = context.world->inbound_sas.at(slot);
  if (sa == nullptr || context.world->home_worker(slot) != context.index) [[unlikely]] {
    leave_home(context, packet, esp_offset_bytes, port_id);
    return;
  }
  prefetch_sa(*sa);
  inbound.append(packet, sa, spi, esp_offset_bytes, plain);
}

// Step 2 for a packet that no buffer holds.
void classify_large(PathContext& context, const Port& port, rte_mbuf* packet) {
  const rte_ipv4_hdr& header = header_of(packet);
  const Classified result = classify_segments(*packet, header.next_proto_id, ipv4_header_bytes(header));
  if (result.what == PublicClass::kDrop) {
    drop(context, packet, result.drop);
  } else {
    punt_frame(context, port, packet,
               result.what == PublicClass::kIke ? PuntClass::kIke : PuntClass::kIkeInit, true);
  }
}

void classify(PathContext& context, const Port& port, rte_mbuf* packet, InboundBurst& inbound,
              bool reassembled);

// Step 3. `inbound` has room for one packet, as for every frame; where a fragment makes more, those before go
// on at once.
[[gnu::cold, gnu::noinline]] void reassemble(PathContext& context, const Port& port, rte_mbuf* fragment,
                                             InboundBurst& inbound) {
  const Reassembler::Outcome outcome = context.reassembler->add(fragment);
  if (outcome.given_up > 0) count_drops(context, api::DropReason::kFragmentTableFull, outcome.given_up);
  if (outcome.too_large > 0) count_drops(context, api::DropReason::kReassembledTooLarge, outcome.too_large);
  for (rte_mbuf* packet : outcome.all()) {
    if (packet->nb_segs > 1) {
      classify_large(context, port, packet);
      continue;
    }
    if (packet != outcome.packets[0] && inbound.count > 0) decapsulate_burst(context, inbound);
    classify(context, port, packet, inbound, true);
  }
}

// ESP right behind a plain IPv4 header, to the port's own address: no need to look for anything else. Nor at
// the header's checksum, which would take 6% more instructions: the ICV vouches for the rest of the packet,
// and of the header only ECN goes on from here.
bool is_plain_esp(const rte_ipv4_hdr& header, const Port& port) {
  return header.next_proto_id == IPPROTO_ESP && !ipv4_is_fragment(header) && port.owns(header.dst_addr);
}

// Step 2 for an IPv4 packet: it goes into `inbound` or is gone. Here is the header's checksum verified (RFC
// 1122 section 3.2.1.2), also since fragments are sorted by its fields, and a peer behind NAT is followed to
// its source.
void classify(PathContext& context, const Port& port, rte_mbuf* packet, InboundBurst& inbound,
              bool reassembled) {
  if (!reassembled && !header_checksum_good(packet)) [[unlikely]] {
    drop(context, packet, api::DropReason::kIpBadHeader);
    return;
  }
  const auto* start = rte_pktmbuf_mtod(packet, const uint8_t*);
  const Classified result = classify_public(start, packet->pkt_len, port);
  switch (result.what) {
    case PublicClass::kEsp:
      to_home(context, packet, result.esp_offset_bytes, port.id, inbound);
      return;
    case PublicClass::kDrop:
      drop(context, packet, result.drop);
      return;
    case PublicClass::kIke:
      punt_frame(context, port, packet, PuntClass::kIke, reassembled);
      return;
    case PublicClass::kIkeInit:
      punt_frame(context, port, packet, PuntClass::kIkeInit, reassembled);
      return;
    case PublicClass::kIcmp:
      punt_frame(context, port, packet, PuntClass::kIcmp, reassembled);
      return;
    case PublicClass::kPathMtu:
      punt_path_mtu(context, port.id, packet);
      return;
    case PublicClass::kFragment:
      reassemble(context, port, packet, inbound);
      return;
    case PublicClass::kNeighbourDiscovery:  // of IPv6 alone
    case PublicClass::kForeign:
      drop(context, packet, foreign_reason(context, header_of(packet).dst_addr));
      return;
  }
}

// Step 4, second half: the whole SPI, on its home worker. Those that belong to no SA, or have to wait, are
// gone from the burst.
[[gnu::noinline]] void find_sas(PathContext& context, InboundBurst& inbound, Runs& runs) {
  const InboundSa* found = nullptr;
  uint32_t count = 0, run_count = 0;
  for (uint32_t i = 0; i < inbound.count; ++i) {
    const DecapPacket& packet = inbound.packets[i];
    if (packet.sa != found || packet.spi != found->spi) {
      InboundSa& sa = *packet.sa;
      if (sa.spi != packet.spi) [[unlikely]] {
        drop_unknown(context, packet.packet, packet.esp_offset);
        continue;
      }
      prefetch_state(sa);
      if (sa.opening != SaOpening::kOpen && context.first_packets.hold(context, sa, packet)) [[unlikely]]
        continue;
      found = &sa;
      ++run_count;
    }
    if (count != i) [[unlikely]]
      inbound.packets[count] = packet;
    ++count;
    runs.ends[run_count - 1] = count;
  }
  inbound.count = count;
  runs.count = run_count;
}

// Step 5 for packets of any kind; their jobs are filled.
[[gnu::noinline]] void prepare_each(std::span<DecapPacket> packets, CryptoJob* job) {
  for (DecapPacket& packet : packets)
    prepare_decapsulation(packet, *job++);  // check_replay
}

// Step 5; the jobs of step 6 are filled.
[[gnu::noinline]] void prepare_burst(const Runs& runs, std::span<DecapPacket> packets, CryptoJob* jobs) {
  if (runs.count == packets.size()) {
    prepare_each(packets, jobs);
    return;
  }
  for_each_run(runs, packets, jobs, [](std::span<DecapPacket> run, CryptoJob* job) {
    if (run.size() == 1) {
      prepare_each(run, job);
      return;
    }
    const RunPreparation preparation(*run[0].sa);
    for (DecapPacket& packet : run) {
      if (!preparation.prepare(packet, *job)) [[unlikely]]
        prepare_each({&packet, 1}, job);
      ++job;
    }
  });
}

// Step 9 where there are selectors. An ICMP error passes where what it quotes, reversed, would (RFC 4301
// section 6).
[[gnu::noinline]] bool is_selected(const SelectorSet& selectors, const rte_ipv4_hdr& header) {
  if (selectors.matches_inbound(header)) return true;
  const rte_ipv4_hdr* quoted = quoted_by_icmp_error(header);
  return quoted != nullptr && selectors.matches_outbound(*quoted);
}

[[gnu::noinline]] void clamp_mss(const PathContext& context, const InboundSa& sa, rte_ipv4_hdr& header) {
  const Tunnel* tunnel = context.world->tunnels.at(sa.tunnel_id);
  if (tunnel == nullptr || !tunnel->mss_clamp.load(std::memory_order_relaxed)) return;
  const uint32_t mtu_bytes =
      inner_mtu(tunnel->path_mtu_bytes.load(std::memory_order_relaxed), sa.shape,
                sa.encap.load(std::memory_order_relaxed), sa.outer_family.load(std::memory_order_relaxed));
  clamp_tcp_mss(header, tcp_mss_for_ipv4(static_cast<uint16_t>(mtu_bytes)));
}

// What is dropped before it was verified still begins with its outer headers.
[[gnu::cold, gnu::noinline]] void drop_decapsulated(PathContext& context, const DecapPacket& packet) {
  if (packet.drop == api::DropReason::kReplay)
    audit(context, packet.packet, packet.esp_offset, api::AuditCause::kReplay);
  else if (packet.drop == api::DropReason::kIcvFailed)
    audit(context, packet.packet, packet.esp_offset, api::AuditCause::kIntegrity);
  drop(context, packet.packet, packet.drop);
}

// What is not an IPv4 packet to be routed: an IPv6 one, or none.
[[gnu::noinline]] void accept_or_drop(PathContext& context, const DecapPacket& packet, const CryptoJob& job) {
  if (packet.drop != kKeepIpv6) {
    drop_decapsulated(context, packet);
    return;
  }
  if (packet.sa->encap.load(std::memory_order_relaxed)) follow_peer(context, packet, job);
  accept_ipv6(context, packet);
}

// From verified to routed: true where `routed` is filled, otherwise the packet is gone.
[[gnu::always_inline]] inline bool accept(PathContext& context, const DecapPacket& packet,
                                          const CryptoJob& job, RoutedPacket& routed) {
  InboundSa& sa = *packet.sa;
  if (sa.due != 0) [[unlikely]]
    report_expiry(context, sa);
  if (packet.drop != kKeep) [[unlikely]] {
    accept_or_drop(context, packet, job);
    return false;
  }
  if (sa.encap.load(std::memory_order_relaxed)) [[unlikely]]
    follow_peer(context, packet, job);
  auto& header = *reinterpret_cast<rte_ipv4_hdr*>(job.text);  // where the packet begins now
  if (sa.selectors != nullptr && !is_selected(*sa.selectors, header)) [[unlikely]] {
    bump(sa.row->policy_dropped);
    drop(context, packet.packet, api::DropReason::kPolicyInbound);
    return false;
  }
  if (is_tcp_syn(header)) [[unlikely]]
    clamp_mss(context, sa, header);
  routed = {packet.packet, way_bits(source_bits(sa.vrf_id, kNoPort, Origin::kTunnel), header)};
  return true;
}

// Steps 7 to 9 for packets of any kind: those that are kept are in `routed`. -> Behind the last of them.
[[gnu::noinline]] RoutedPacket* accept_each(PathContext& context, std::span<DecapPacket> packets,
                                            const CryptoJob* job, InboundTally& tally, RoutedPacket* routed) {
  for (DecapPacket& packet : packets) {
    finish_decapsulation(packet, *job, tally);  // advance_replay, strip
    if (accept(context, packet, *job++, *routed)) [[likely]]
      ++routed;
  }
  return routed;
}

// accept_each for a run of an undemanding SA.
[[gnu::always_inline]] inline RoutedPacket* accept_run(PathContext& context, std::span<DecapPacket> packets,
                                                       const CryptoJob* job, InboundTally& tally,
                                                       RoutedPacket* routed) {
  InboundSa& sa = *packets[0].sa;
  const uint64_t source = source_bits(sa.vrf_id, kNoPort, Origin::kTunnel);
  RunVerification verification(sa);
  for (DecapPacket& packet : packets) {
    if (verification.finish(packet, *job)) [[likely]] {
      *routed++ = {packet.packet, way_bits(source, *reinterpret_cast<const rte_ipv4_hdr*>(job->text))};
    } else {
      verification.put_back(sa, tally);
      routed = accept_each(context, {&packet, 1}, job, tally, routed);
      verification = RunVerification(sa);
    }
    ++job;
  }
  verification.put_back(sa, tally);
  return routed;
}

// Steps 7 to 9: how many packets are in `routed`.
[[gnu::noinline]] uint32_t accept_burst(PathContext& context, const Runs& runs,
                                        std::span<DecapPacket> packets, const CryptoJob* jobs,
                                        RoutedPacket* routed) {
  InboundTally tally(context.now_ns);
  RoutedPacket* next = routed;
  if (runs.count == packets.size()) {
    next = accept_each(context, packets, jobs, tally, next);
  } else {
    for_each_run(runs, packets, jobs, [&](std::span<DecapPacket> run, const CryptoJob* job) {
      next = run.size() > 1 && is_undemanding(*run[0].sa) ? accept_run(context, run, job, tally, next)
                                                          : accept_each(context, run, job, tally, next);
    });
  }
  return static_cast<uint32_t>(next - routed);
}

// Steps 1 and 2 for a frame that is not plain.
[[gnu::noinline]] void receive_unusual(PathContext& context, const Port& port, rte_mbuf* received,
                                       InboundBurst& inbound) {
  rte_mbuf* frame = own_frame(received);
  if (frame == nullptr) [[unlikely]] {
    drop(context, received, no_copy_reason(*received));
    return;
  }
  const FrameKind kind = classify_frame(frame, port);
  if (kind == FrameKind::kArp) {
    punt_to_port(context, port.id, frame, PuntClass::kArp);
  } else if (kind == FrameKind::kIpv6) {
    receive_public_ipv6(context, port, frame, inbound);
  } else if (const api::DropReason reason = enter_ipv4(frame, kind); reason != kKeep) {
    drop(context, frame, reason);
  } else {
    classify(context, port, frame, inbound, false);
  }
}

}  // namespace

void receive_public(PathContext& context, const Port& port, std::span<rte_mbuf*> frames) {
  InboundBurst inbound;
  const PlainStart plain(port.mac);
  for (rte_mbuf* frame : frames) {
    const rte_ipv4_hdr* header = enter_plain_ipv4(frame, plain);
    if (header == nullptr) [[unlikely]] {
      receive_unusual(context, port, frame, inbound);
    } else if (is_plain_esp(*header, port)) [[likely]] {
      find_home(context, frame, sizeof(rte_ipv4_hdr), true, port.id, inbound);
    } else {
      classify(context, port, frame, inbound, false);
    }
  }
  if (inbound.count > 0) decapsulate_burst(context, inbound);
}

void to_home(PathContext& context, rte_mbuf* packet, uint16_t esp_offset_bytes, uint32_t port_id,
             InboundBurst& inbound) {
  find_home(context, packet, esp_offset_bytes, is_plain_outer(packet, esp_offset_bytes), port_id, inbound);
}

void find_slot(PathContext& context, rte_mbuf* packet, uint16_t esp_offset_bytes, InboundBurst& inbound) {
  const uint32_t spi = spi_at(packet, esp_offset_bytes);
  InboundSa* sa = context.world->inbound_sas.at(spi & api::kSlotMask);
  if (sa == nullptr) [[unlikely]] {
    drop_unknown(context, packet, esp_offset_bytes);
    return;
  }
  prefetch_sa(*sa);
  inbound.append(packet, sa, spi, esp_offset_bytes, is_plain_outer(packet, esp_offset_bytes));
}

void decapsulate_burst(PathContext& context, InboundBurst& inbound) {
  Runs runs;
  find_sas(context, inbound, runs);
  const std::span packets(inbound.packets.data(), std::exchange(inbound.count, 0));
  std::array<CryptoJob, kBurst> jobs;
  prepare_burst(runs, packets, jobs.data());
  context.engine->decrypt({jobs.data(), packets.size()});
  std::array<RoutedPacket, kBurst> routed;
  const uint32_t routed_count = accept_burst(context, runs, packets, jobs.data(), routed.data());
  if (context.accepted_ipv6.count > 0) [[unlikely]]
    route_accepted_ipv6(context);
  if (routed_count == 0) return;
  context.decapsulated = packets;
  forward_burst(context, {routed.data(), routed_count});
}

}  // namespace sallyport::dataplane
