// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/manager/exceptions.h"

#include <rte_ring.h>

#include "dataplane/manager/codec.h"
#include "dataplane/path/mirror_filter.h"
#include "dataplane/path/path_mtu.h"

namespace sallyport::dataplane {
namespace {

constexpr unsigned kBurst = 32;
constexpr unsigned kRingRounds = RingsConfig{}.exception_packets / kBurst;

std::span<const uint8_t> data_of(const rte_mbuf& packet) {
  return {rte_pktmbuf_mtod(&packet, const uint8_t*), packet.data_len};
}

// What a neighbour was waited for with goes to one worker, so that it stays in order.
uint32_t worker_for(const api::Address& next_hop, uint32_t workers) {
  uint32_t sum = 0;
  for (const uint8_t byte : next_hop.bytes)
    sum += byte;
  return sum % workers;
}

}  // namespace

Exceptions::Exceptions(const ExceptionParts& parts)
    : parts_(parts), hold_queue_([this](rte_mbuf* packet, api::DropReason reason) {
        parts_.injector.drop(packet, reason);
      }) {}

unsigned Exceptions::drain_workers(uint64_t now_ns) {
  unsigned done = 0;
  for (uint32_t worker = 0; worker < parts_.rings.workers(); ++worker) {
    std::array<void*, kBurst> packets;
    const unsigned count =
        rte_ring_sc_dequeue_burst(parts_.rings.exceptions(worker), packets.data(), kBurst, nullptr);
    for (unsigned i = 0; i < count; ++i)
      handle_punt(static_cast<rte_mbuf*>(packets[i]), now_ns);
    done += count;
    WorkerEvent event;
    for (unsigned i = 0; i < kBurst && parts_.rings.pop_event(worker, event); ++i, ++done)
      tell(event);
  }
  return done;
}

void Exceptions::drain_rings(uint64_t now_ns) {
  for (unsigned rounds = 0; rounds < kRingRounds && drain_workers(now_ns) > 0; ++rounds) {
  }
}

void Exceptions::handle_punt(rte_mbuf* packet, uint64_t now_ns) {
  const PacketMeta& meta = meta_of(packet);
  switch (meta.kind) {
    case MetaKind::kPuntPort:
      return write(parts_.ports.mirror(meta.port_id), packet);
    case MetaKind::kPuntProbe:
      return parts_.probes.receive(meta.tunnel_id, packet, now_ns);
    case MetaKind::kPuntVrf:
      if (parts_.probes.answers(meta.vrf_id, *packet, now_ns)) break;
      return write(parts_.networks.mirror(meta.vrf_id), packet);
    case MetaKind::kUnresolved:
      return hold(packet, now_ns);
    case MetaKind::kPathMtuIcmp:
      learn_path_mtu(*packet, now_ns);
      break;
    default:
      break;  // nothing else is ever put there
  }
  rte_pktmbuf_free(packet);
}

void Exceptions::write(Mirror* mirror, rte_mbuf* packet) {
  if (mirror == nullptr) return parts_.injector.drop(packet, api::DropReason::kMirrorAbsent);
  if (!mirror->write(*packet)) return parts_.injector.drop(packet, api::DropReason::kMirrorWriteFailed);
  rte_pktmbuf_free(packet);
}

void Exceptions::hold(rte_mbuf* packet, uint64_t now_ns) {
  const PacketMeta meta = meta_of(packet);
  // It may have been resolved while the packet was on its way here. What came by the connected route, as
  // long as the host's own is not there, names no neighbour.
  if (const Neighbour* neighbour = parts_.next_hops.find_resolved({meta.port_id, meta.next_hop})) {
    meta_of(packet).kind = MetaKind::kInjectNeighbour;
    meta_of(packet).neighbour_id = neighbour->id;
    parts_.injector.inject(worker_for(meta.next_hop, parts_.rings.workers()), packet);
    return;
  }
  if (!hold_queue_.hold({meta.port_id, meta.next_hop}, packet, now_ns)) return;
  auto event = make_message<api::NeighbourWanted>(api::Type::kNeighbourWanted, 0);
  event.port_id = meta.port_id;
  event.address = meta.next_hop;
  parts_.context.send_event(std::as_bytes(std::span(&event, 1)));
}

void Exceptions::neighbour_resolved(const api::SetNeighbour& neighbour) {
  if (neighbour.mac == api::Mac{}) return;
  for (rte_mbuf* packet : hold_queue_.release({neighbour.port_id, neighbour.address})) {
    PacketMeta& meta = meta_of(packet);
    meta.kind = MetaKind::kInjectNeighbour;
    meta.neighbour_id = neighbour.neighbour_id;
    parts_.injector.inject(worker_for(neighbour.address, parts_.rings.workers()), packet);
  }
}

void Exceptions::learn_path_mtu(const rte_mbuf& packet, uint64_t now_ns) {
  const auto bytes = data_of(packet);
  const bool is_ipv6 = !bytes.empty() && bytes[0] >> 4 == 6;
  const auto quoted = is_ipv6 ? read_packet_too_big(bytes) : read_fragmentation_needed(bytes);
  if (!quoted) return;
  const uint32_t tunnel_id = parts_.sas.tunnel_of(*quoted);
  if (tunnel_id != api::kNone) parts_.tunnels.learn_path_mtu(tunnel_id, quoted->mtu_bytes, now_ns);
}

void Exceptions::read_port_mirror(uint32_t port_id) {
  Mirror* mirror = parts_.ports.mirror(port_id);
  const Port* port = parts_.ports.find(port_id);
  if (mirror == nullptr || port == nullptr) return;
  std::array<rte_mbuf*, kBurst> packets;
  const unsigned count = mirror->read(*parts_.ports.pool(port_id), packets);
  for (rte_mbuf* packet : std::span(packets).first(count)) {
    if (const auto verdict = mirror_may_send(data_of(*packet), *port); verdict != kKeep) {
      parts_.injector.drop(packet, verdict);
      continue;
    }
    PacketMeta& meta = meta_of(packet);
    meta = {};
    meta.kind = MetaKind::kInjectPort;
    meta.port_id = port_id;
    parts_.injector.inject(port_id % parts_.rings.workers(), packet);
  }
}

void Exceptions::read_vrf_mirror(uint32_t vrf_id) {
  Mirror* mirror = parts_.networks.mirror(vrf_id);
  const auto pool = parts_.context.pools.of_socket(-1);
  if (mirror == nullptr || !pool.ok()) return;
  std::array<rte_mbuf*, kBurst> packets;
  const unsigned count = mirror->read(*pool.value(), packets);
  for (rte_mbuf* packet : std::span(packets).first(count)) {
    PacketMeta& meta = meta_of(packet);
    meta = {};
    meta.kind = MetaKind::kInjectVrf;
    meta.vrf_id = vrf_id;
    parts_.injector.inject(vrf_id % parts_.rings.workers(), packet);
  }
}

void Exceptions::tell(const WorkerEvent& event) {
  if (event.kind == EventKind::kPeerMoved) {
    auto message = make_message<api::PeerMoved>(api::Type::kPeerMoved, 0);
    message.slot = event.slot;
    message.spi = event.spi;
    message.remote = event.remote;
    message.remote_port = event.remote_port;
    parts_.context.send_event(std::as_bytes(std::span(&message, 1)));
  } else if (event.kind == EventKind::kSaExpired) {
    auto message = make_message<api::SaExpired>(api::Type::kSaExpired, 0);
    message.direction = event.outbound ? api::Direction::kOutbound : api::Direction::kInbound;
    message.slot = event.slot;
    message.spi = event.spi;
    message.hard = event.hard;
    message.cause = static_cast<api::ExpireCause>(event.cause);
    parts_.context.send_event(std::as_bytes(std::span(&message, 1)));
  } else if (event.kind == EventKind::kPacketAudited) {
    auto message = make_message<api::PacketAudited>(api::Type::kPacketAudited, 0);
    message.source = event.remote;
    message.destination = event.local;
    message.spi = event.spi;
    message.sequence = event.sequence;
    message.flow_label = event.flow_label;
    message.unrecorded = event.unrecorded;
    message.cause = static_cast<api::AuditCause>(event.cause);
    parts_.context.send_event(std::as_bytes(std::span(&message, 1)));
  }
}

}  // namespace sallyport::dataplane
