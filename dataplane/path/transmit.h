// SPDX-License-Identifier: BSD-3-Clause
// The ways out of a worker: a port's transmit queue, another worker, the manager. Buffered within a loop
// where that pays, so that flush_* must follow before the worker reports its quiescent state.
#pragma once

#include "dataplane/path/context.h"

namespace sallyport::dataplane {

[[gnu::noinline]] void flush_port(PathContext& context, const Port& port);
void flush_transmit(PathContext& context);

// A whole frame to the worker's queue of a port.
inline void send_frame(PathContext& context, uint32_t port_id, rte_mbuf* frame) {
  const Port* port = context.world->ports.at(port_id);
  if (port == nullptr || !port->link_up.load(std::memory_order_relaxed)) [[unlikely]] {
    drop(context, frame, api::DropReason::kLinkDown);
    return;
  }
  PacketBuffer& buffer = context.transmit[port_id];
  context.transmit_ports |= uint64_t{1} << port_id;
  buffer.bytes += frame->pkt_len;
  buffer.packets[buffer.count++] = frame;
  if (buffer.count == kBurst) flush_port(context, *port);
}

// Where the neighbour can't be sent to just so.
[[gnu::cold]] void send_to_unready_neighbour(PathContext& context, const Neighbour* neighbour,
                                             uint32_t neighbour_id, rte_mbuf* packet);

// An IPv4 packet to a neighbour: rewrite and send, or to the manager to wait where the neighbour is not
// resolved.
inline void send_to_neighbour(PathContext& context, uint32_t neighbour_id, rte_mbuf* packet) {
  const Neighbour* neighbour = context.world->neighbours.at(neighbour_id);
  if (neighbour == nullptr || !neighbour->resolved || !prepend_ethernet(packet, neighbour->rewrite))
      [[unlikely]] {
    send_to_unready_neighbour(context, neighbour, neighbour_id, packet);
    return;
  }
  send_frame(context, neighbour->port_id, packet);
}

// The same for an IPv6 packet.
void send_ipv6_to_neighbour(PathContext& context, uint32_t neighbour_id, rte_mbuf* packet);

// send_to_neighbour for a run of packets: what a neighbour leads to is looked up once for as long as it stays
// the same. Within one burst only.
class Egress {
 public:
  explicit Egress(PathContext& context) : context_(context) {}

  // Of the port that the neighbour is on, resolved or not; where there is none nothing is too large.
  uint16_t mtu_bytes(uint32_t neighbour_id) {
    if (neighbour_id != neighbour_id_) [[unlikely]]
      look_up(neighbour_id);
    return port_ == nullptr ? UINT16_MAX : port_->mtu_bytes;
  }

  [[gnu::always_inline]] void send(uint32_t neighbour_id, rte_mbuf* packet) {
    if (neighbour_id != neighbour_id_) [[unlikely]]
      look_up(neighbour_id);
    if (buffer_ == nullptr || !prepend_ethernet(packet, neighbour_->rewrite)) [[unlikely]] {
      send_to_neighbour(context_, neighbour_id, packet);
      return;
    }
    buffer_->bytes += packet->pkt_len;
    buffer_->packets[buffer_->count++] = packet;
    if (buffer_->count == kBurst) flush_port(context_, *port_);
  }

 private:
  [[gnu::noinline]] void look_up(uint32_t neighbour_id) {
    neighbour_id_ = neighbour_id;
    buffer_ = nullptr;
    neighbour_ = context_.world->neighbours.at(neighbour_id);
    port_ = neighbour_ == nullptr ? nullptr : context_.world->ports.at(neighbour_->port_id);
    if (port_ == nullptr || !neighbour_->resolved || !port_->link_up.load(std::memory_order_relaxed)) return;
    buffer_ = &context_.transmit[port_->id];
    context_.transmit_ports |= uint64_t{1} << port_->id;
  }

  PathContext& context_;
  uint32_t neighbour_id_ = api::kNone;
  const Neighbour* neighbour_ = nullptr;
  const Port* port_ = nullptr;
  PacketBuffer* buffer_ = nullptr;  // nullptr: not without a closer look
};

// To another worker; its PacketMeta is filled.
void hand_over(PathContext& context, uint32_t worker, rte_mbuf* packet);
void flush_handover(PathContext& context);

// To the manager, within the class's rate; the rest of its PacketMeta is filled.
void punt(PathContext& context, rte_mbuf* packet, PuntClass punt_class);
// To the manager's mirrors, or to wait there; all within the class's rate.
void punt_to_port(PathContext& context, uint32_t port_id, rte_mbuf* frame, PuntClass punt_class);
void punt_to_vrf(PathContext& context, uint32_t vrf_id, rte_mbuf* packet);
void punt_path_mtu(PathContext& context, uint32_t port_id, rte_mbuf* packet);
void await_neighbour(PathContext& context, uint32_t port_id, uint32_t neighbour_id,
                     const api::Address& next_hop, rte_mbuf* packet);

}  // namespace sallyport::dataplane
