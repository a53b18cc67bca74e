// SPDX-License-Identifier: BSD-3-Clause
// The ways out of a worker: a port's transmit queue, another worker, the manager. Buffered within a loop
// where that pays, so that flush_* must follow before the worker reports its quiescent state.
#pragma once

#include "dataplane/path/context.h"

namespace sallyport::dataplane {

[[gnu::noinline]] void flush_port(PathContext& context, const Port& port);
void flush_transmit(PathContext& context);

// A whole frame into a port's buffer.
[[gnu::always_inline]] inline void put_frame(PathContext& context, const Port& port, PacketBuffer& buffer,
                                             rte_mbuf* frame) {
  const uint32_t count = buffer.count;
  buffer.bytes += frame->pkt_len;
  buffer.packets[count] = frame;
  buffer.count = count + 1;
  if (count + 1 == kBurst) [[unlikely]]
    flush_port(context, port);
}

// A whole frame to the worker's queue of a port.
inline void send_frame(PathContext& context, uint32_t port_id, rte_mbuf* frame) {
  const Port* port = context.world->ports.at(port_id);
  if (port == nullptr || !port->link_up.load(std::memory_order_relaxed)) [[unlikely]] {
    drop(context, frame, api::DropReason::kLinkDown);
    return;
  }
  context.transmit_ports |= uint64_t{1} << port_id;
  put_frame(context, *port, context.transmit[port_id], frame);
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

// Without such a port nothing is too large.
inline uint16_t port_mtu(const PathContext& context, uint32_t port_id) {
  const Port* port = context.world->ports.at(port_id);
  return port == nullptr ? UINT16_MAX : port->mtu_bytes;
}

// The way to a neighbour that frames can take just so.
struct Exit {
  const Port* port;                // that the neighbour is on; nullptr: there is none
  PacketBuffer* buffer;            // nullptr: not without a closer look, which send_to_neighbour takes
  const EthernetRewrite* rewrite;  // what frames into the buffer begin with

  // Of the port, whether frames can be sent or not; without one nothing is too large.
  uint16_t mtu_bytes() const { return port == nullptr ? UINT16_MAX : port->mtu_bytes; }
};

// send_to_neighbour for a run of packets: what a neighbour leads to is looked up once for as long as it stays
// the same. Within one burst only.
class Egress {
 public:
  explicit Egress(PathContext& context) : context_(context) {}

  const Exit& exit(uint32_t neighbour_id) {
    if (neighbour_id != neighbour_id_) [[unlikely]]
      look_up(neighbour_id);
    return exit_;
  }

  [[gnu::always_inline]] void send(uint32_t neighbour_id, rte_mbuf* packet) {
    const Exit& way = exit(neighbour_id);
    if (way.buffer == nullptr || !prepend_ethernet(packet, *way.rewrite)) [[unlikely]] {
      send_to_neighbour(context_, neighbour_id, packet);
      return;
    }
    put_frame(context_, *way.port, *way.buffer, packet);
  }

 private:
  [[gnu::noinline]] void look_up(uint32_t neighbour_id) {
    neighbour_id_ = neighbour_id;
    exit_ = {};
    const Neighbour* neighbour = context_.world->neighbours.at(neighbour_id);
    if (neighbour != nullptr) exit_.port = context_.world->ports.at(neighbour->port_id);
    const Port* port = exit_.port;
    if (port == nullptr || !neighbour->resolved || !port->link_up.load(std::memory_order_relaxed)) return;
    exit_.rewrite = &neighbour->rewrite;
    exit_.buffer = &context_.transmit[port->id];
    context_.transmit_ports |= uint64_t{1} << port->id;
  }

  PathContext& context_;
  uint32_t neighbour_id_ = api::kNone;
  Exit exit_{};
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
