// SPDX-License-Identifier: BSD-3-Clause
// What a script does to the gateway beside sending it packets.
#include <cstdlib>

#include "dataplane/manager/codec.h"
#include "tests/fuzz/receive_player.h"

namespace sallyport::dataplane::testing {

void ReceivePlayer::change(Change what, uint8_t of) {
  World& world = world_.gateway().world;
  Manager& manager = world_.manager();
  const uint32_t kind = of % kSaKinds, port_id = of % 3,
                 neighbour_id = kPeer4 + of % (kNeighboursEnd - kPeer4);
  switch (what) {
    case Change::kRemoveInbound:
    case Change::kRemoveOutbound: {
      auto message = make_message<api::DeleteSa>(api::Type::kDeleteSa, 0);
      const bool is_inbound = what == Change::kRemoveInbound;
      message.direction = is_inbound ? api::Direction::kInbound : api::Direction::kOutbound;
      message.slot = world_.inbound(kind).spi & api::kSlotMask;
      message.spi = is_inbound ? world_.inbound(kind).spi : world_.outbound(kind).spi;
      (void)manager.sas.remove(message, [] {});  // once more is refused
      return;
    }
    case Change::kDeactivate:
      return manager.tunnels.stop_sending_on(kind + 1, manager.tunnels.active(kind + 1));
    case Change::kLinkDown:
      world_.gateway().port(port_id).link_up = false;
      return;
    case Change::kLinkUp:
      world_.gateway().port(port_id).link_up = true;
      return;
    case Change::kPortGone:
      world.ports.publish(port_id, nullptr);
      return;
    case Change::kNeighbourUnresolved:
      return world_.set_resolved(neighbour_id, false);
    case Change::kNeighbourGone:
      world.neighbours.publish(neighbour_id, nullptr);
      return;
    case Change::kNeighbourResolved: {
      world_.set_resolved(neighbour_id, true);
      const Neighbour& neighbour = *world.neighbours.at(neighbour_id);
      auto message = make_message<api::SetNeighbour>(api::Type::kSetNeighbour, 0);
      message.neighbour_id = neighbour_id;
      message.port_id = neighbour.port_id;
      message.address = neighbour.address;
      message.mac = {2, 0, 0, 0, 0, 1};
      return manager.exceptions.neighbour_resolved(message);
    }
    default:
      return change_path(what, of);
  }
}

void ReceivePlayer::change_path(Change what, uint8_t of) {
  Gateway& gateway = world_.gateway();
  switch (what) {
    case Change::kPortMirrorGone:
      gateway.port(of % 3).has_mirror = false;
      return;
    case Change::kVrfMirrorGone:
      gateway.vrf(kVrf + of % 2).has_mirror = false;
      return;
    case Change::kPathMtu:
      return world_.manager().tunnels.learn_path_mtu(
          1 + of % kSaKinds, static_cast<uint16_t>(500 + of / kSaKinds * 30), now_ns_);
    case Change::kNoBuffers:
      return take_buffers(of % 2 == 0 ? received_pool_ : packet_pool());
    case Change::kBuffers:
      for (rte_mbuf* packet : std::exchange(taken_, {}))
        rte_pktmbuf_free(packet);
      return;
    case Change::kExceptionRingFull:
      return fill_ring(gateway.rings->exceptions(of % ReceiveWorld::kWorkers));
    case Change::kHandoverRingFull:
      return fill_ring(gateway.rings->handover(of % 2, 1 - of % 2));
    case Change::kTransmitFull:
      return fill_ring(gateway.transmit_queue(of % 3, of / 3 % ReceiveWorld::kWorkers));
    case Change::kInjectionRingFull:
      return fill_ring(gateway.rings->injections(of % ReceiveWorld::kWorkers));
    case Change::kTunnelGone:
      gateway.world.tunnels.publish(1 + of % kSaKinds, nullptr);
      return;
    case Change::kDuplicateSpi:
      if (world_.takes_duplicate(of % kSaKinds)) abort();
      return;
    default:
      return;
  }
}

void ReceivePlayer::take_buffers(rte_mempool* pool) {
  const size_t before = taken_.size();
  while (rte_mbuf* packet = rte_pktmbuf_alloc(pool))
    taken_.push_back(packet);
  if (pool == packet_pool()) births_before_ += taken_.size() - before;
}

// With what no one looks at before empty_filled takes it out.
void ReceivePlayer::fill_ring(rte_ring* ring) {
  while (rte_ring_enqueue(ring, &filler_) == 0) {
  }
  filled_.push_back(ring);
}

void ReceivePlayer::empty_filled() {
  for (rte_ring* ring : std::exchange(filled_, {})) {
    std::vector<void*> packets;
    void* packet = nullptr;
    while (rte_ring_dequeue(ring, &packet) == 0) {
      if (packet != &filler_) packets.push_back(packet);
    }
    for (void* real : packets)
      rte_ring_enqueue(ring, real);
  }
}

}  // namespace sallyport::dataplane::testing
