// SPDX-License-Identifier: BSD-3-Clause
// Buffers towards ports and workers, and the exception ring towards the manager. Worker thread.
#include "dataplane/path/transmit.h"

#include <rte_ethdev.h>

#include <bit>
#include <utility>

namespace sallyport::dataplane {

namespace {

void to_manager(PathContext& context, rte_mbuf* packet) {
  if (rte_ring_sp_enqueue(context.rings->exceptions(context.index), packet) != 0) {
    drop(context, packet, api::DropReason::kPuntRingFull);
    return;
  }
  context.has_news = true;
  bump(context.counters->punted);
}

bool within_rate(PathContext& context, PuntClass punt_class, rte_mbuf* packet) {
  if (context.limits.punts[static_cast<size_t>(punt_class)].allow(context.now_ns)) return true;
  drop(context, packet, api::DropReason::kPuntRateLimited);
  return false;
}

}  // namespace

PathLimits default_limits() {
  PathLimits limits;
  auto set = [&](PuntClass punt_class, uint32_t rate_pps, uint32_t burst) {
    limits.punts[static_cast<size_t>(punt_class)] = RateLimiter(rate_pps, burst);
  };
  set(PuntClass::kIke, 4000, 1000);
  set(PuntClass::kIkeInit, 1000, 500);
  set(PuntClass::kArp, 500, 200);
  set(PuntClass::kIcmp, 500, 200);
  set(PuntClass::kRouting, 20000, 2000);
  set(PuntClass::kNeighbour, 1000, 500);
  set(PuntClass::kProbe, 50000, 1000);
  limits.icmp_errors = RateLimiter(200, 50);
  limits.audits.fill(RateLimiter(1, 10));
  return limits;
}

void flush_port(PathContext& context, const Port& port) {
  PacketBuffer& buffer = context.transmit[port.id];
  const auto count = static_cast<uint16_t>(std::exchange(buffer.count, 0));
  uint64_t bytes = std::exchange(buffer.bytes, 0);
  if (count == 0) return;
  api::PortCounters& counters = context.port_counter(port.id);
  const uint16_t sent =
      rte_eth_tx_burst(port.device, static_cast<uint16_t>(context.index), buffer.packets.data(), count);
  if (sent < count) [[unlikely]] {
    for (uint16_t i = sent; i < count; ++i)
      bytes -= buffer.packets[i]->pkt_len;
    bump(counters.tx_dropped, count - sent);
    count_drops(context, api::DropReason::kTxFull, count - sent);
    rte_pktmbuf_free_bulk(&buffer.packets[sent], count - sent);
  }
  bump(counters.tx_packets, sent);
  bump(counters.tx_bytes, bytes);
  bump(context.counters->tx_packets, sent);
}

void send_to_unready_neighbour(PathContext& context, const Neighbour* neighbour, uint32_t neighbour_id,
                               rte_mbuf* packet) {
  if (neighbour == nullptr) {
    drop(context, packet, api::DropReason::kNeighbourUnresolved);
  } else if (!neighbour->resolved) {
    await_neighbour(context, neighbour->port_id, neighbour_id, neighbour->address, packet);
  } else {
    drop(context, packet, api::DropReason::kNoRoom);
  }
}

void send_ipv6_to_neighbour(PathContext& context, uint32_t neighbour_id, rte_mbuf* packet) {
  const Neighbour* neighbour = context.world->neighbours.at(neighbour_id);
  if (neighbour == nullptr || !neighbour->resolved || !prepend_ethernet(packet, neighbour->rewrite)) {
    send_to_unready_neighbour(context, neighbour, neighbour_id, packet);
    return;
  }
  rte_pktmbuf_mtod(packet, rte_ether_hdr*)->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV6);
  send_frame(context, neighbour->port_id, packet);
}

void flush_transmit(PathContext& context) {
  for (uint64_t ports = std::exchange(context.transmit_ports, 0); ports != 0; ports &= ports - 1) {
    const auto port_id = static_cast<uint32_t>(std::countr_zero(ports));
    PacketBuffer& buffer = context.transmit[port_id];
    if (buffer.count == 0) continue;
    if (const Port* port = context.world->ports.at(port_id)) {
      flush_port(context, *port);
      continue;
    }
    // Taken away since the packets were buffered.
    count_drops(context, api::DropReason::kLinkDown, buffer.count);
    rte_pktmbuf_free_bulk(buffer.packets.data(), buffer.count);
    buffer.count = 0;
    buffer.bytes = 0;
  }
}

namespace {

void flush_to_worker(PathContext& context, uint32_t worker) {
  PacketBuffer& buffer = context.handover[worker];
  if (buffer.count == 0) return;
  const uint32_t taken =
      rte_ring_sp_enqueue_burst(context.rings->handover(context.index, worker),
                                reinterpret_cast<void* const*>(buffer.packets.data()), buffer.count, nullptr);
  bump(context.counters->handed_over, taken);
  if (taken < buffer.count) {
    count_drops(context, api::DropReason::kHandoverRingFull, buffer.count - taken);
    rte_pktmbuf_free_bulk(&buffer.packets[taken], buffer.count - taken);
  }
  buffer.count = 0;
}

}  // namespace

void hand_over(PathContext& context, uint32_t worker, rte_mbuf* packet) {
  PacketBuffer& buffer = context.handover[worker];
  buffer.packets[buffer.count++] = packet;
  if (buffer.count == kBurst) flush_to_worker(context, worker);
}

void flush_handover(PathContext& context) {
  for (uint32_t worker = 0; worker < context.handover.size(); ++worker)
    flush_to_worker(context, worker);
}

void punt(PathContext& context, rte_mbuf* packet, PuntClass punt_class) {
  if (!within_rate(context, punt_class, packet)) return;
  meta_of(packet).punt_class = punt_class;
  to_manager(context, packet);
}

void punt_to_port(PathContext& context, uint32_t port_id, rte_mbuf* frame, PuntClass punt_class) {
  const Port* port = context.world->ports.at(port_id);
  if (port == nullptr || !port->has_mirror.load(std::memory_order_relaxed)) {
    drop(context, frame, api::DropReason::kMirrorAbsent);
    return;
  }
  if (!within_rate(context, punt_class, frame)) return;
  PacketMeta& meta = meta_of(frame);
  meta.kind = MetaKind::kPuntPort;
  meta.punt_class = punt_class;
  meta.port_id = port_id;
  meta.vrf_id = port->vrf_id;
  to_manager(context, frame);
}

void punt_to_vrf(PathContext& context, uint32_t vrf_id, rte_mbuf* packet) {
  const Vrf* vrf = context.world->vrfs.at(vrf_id);
  if (vrf == nullptr || !vrf->has_mirror.load(std::memory_order_relaxed)) {
    drop(context, packet, api::DropReason::kMirrorAbsent);
    return;
  }
  if (!within_rate(context, PuntClass::kRouting, packet)) return;
  PacketMeta& meta = meta_of(packet);
  meta.kind = MetaKind::kPuntVrf;
  meta.punt_class = PuntClass::kRouting;
  meta.vrf_id = vrf_id;
  to_manager(context, packet);
}

void punt_path_mtu(PathContext& context, uint32_t port_id, rte_mbuf* packet) {
  if (!within_rate(context, PuntClass::kIcmp, packet)) return;
  PacketMeta& meta = meta_of(packet);
  meta.kind = MetaKind::kPathMtuIcmp;
  meta.punt_class = PuntClass::kIcmp;
  meta.port_id = port_id;
  to_manager(context, packet);
}

void await_neighbour(PathContext& context, uint32_t port_id, uint32_t neighbour_id,
                     const api::Address& next_hop, rte_mbuf* packet) {
  if (!within_rate(context, PuntClass::kNeighbour, packet)) return;
  PacketMeta& meta = meta_of(packet);
  meta.kind = MetaKind::kUnresolved;
  meta.punt_class = PuntClass::kNeighbour;
  meta.port_id = port_id;
  meta.neighbour_id = neighbour_id;
  meta.next_hop = next_hop;
  to_manager(context, packet);
}

}  // namespace sallyport::dataplane
