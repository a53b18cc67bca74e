// SPDX-License-Identifier: BSD-3-Clause
// From a public port out of a tunnel: the inbound column of the packet path, one function a step. Worker
// thread.
#pragma once

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include <array>
#include <cstring>
#include <span>

#include "dataplane/path/tables.h"

namespace sallyport::dataplane {

struct PathContext;
inline constexpr uint32_t kBurst = 64;

// ESP packets on the home worker of their slot. Data starts at the outer IPv4 header and ends with the
// packet.
struct InboundPacket {
  rte_mbuf* packet;
  uint16_t esp_offset_bytes;
};
// The SPI (host order) of a packet that is long enough to have one.
inline uint32_t spi_of(const InboundPacket& packet) {
  uint32_t spi_be;
  std::memcpy(&spi_be, rte_pktmbuf_mtod_offset(packet.packet, const void*, packet.esp_offset_bytes),
              sizeof spi_be);
  return rte_be_to_cpu_32(spi_be);
}

struct InboundBurst {
  uint32_t count = 0;
  std::array<InboundPacket, kBurst> packets;
};

// Steps 1 to 4: frames of a public port, at most kBurst. Takes them all.
void receive_public(PathContext& context, const Port& port, std::span<rte_mbuf*> frames);

// Steps 4 (find_sa) to 12, and empties the burst.
void decapsulate_burst(PathContext& context, InboundBurst& inbound);

}  // namespace sallyport::dataplane
