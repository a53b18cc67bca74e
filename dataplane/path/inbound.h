// SPDX-License-Identifier: BSD-3-Clause
// From a public port out of a tunnel: the inbound column of the packet path, one function a step. Worker
// thread.
#pragma once

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include <array>
#include <cstring>
#include <span>

#include "dataplane/esp/decapsulate.h"
#include "dataplane/path/tables.h"

namespace sallyport::dataplane {

struct PathContext;
inline constexpr uint32_t kBurst = 64;

// The SPI (host order) of a packet that is long enough to have one.
inline uint32_t spi_at(const rte_mbuf* packet, uint16_t esp_offset_bytes) {
  uint32_t spi_be;
  std::memcpy(&spi_be, rte_pktmbuf_mtod_offset(packet, const void*, esp_offset_bytes), sizeof spi_be);
  return rte_be_to_cpu_32(spi_be);
}

// ESP packets on the home worker of their slots, each with the SA of its slot: whether the whole SPI is this
// SA's is yet to be seen.
struct InboundBurst {
  uint32_t count = 0;
  std::array<DecapPacket, kBurst> packets;

  // There must be room.
  void append(rte_mbuf* packet, InboundSa* sa, uint32_t spi, uint16_t esp_offset_bytes, bool plain) {
    packets[count++] = {packet, sa, 0, spi, esp_offset_bytes, kKeep, plain, 0};
  }
};

// Steps 1 to 4: frames of a public port, at most kBurst. Takes them all.
void receive_public(PathContext& context, const Port& port, std::span<rte_mbuf*> frames);

// Step 4, first half: into `inbound`, which has room, where this worker is home to the slot that the SPI
// names; else handed over, or dropped.
void to_home(PathContext& context, rte_mbuf* packet, uint16_t esp_offset_bytes, uint32_t port_id,
             InboundBurst& inbound);

// Of a packet that another worker handed over: into `inbound`, which has room, or gone.
void find_slot(PathContext& context, rte_mbuf* packet, uint16_t esp_offset_bytes, InboundBurst& inbound);

// Steps 4 (find_sa) to 12, and empties the burst.
void decapsulate_burst(PathContext& context, InboundBurst& inbound);

}  // namespace sallyport::dataplane
