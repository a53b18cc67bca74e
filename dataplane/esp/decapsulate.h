// SPDX-License-Identifier: BSD-3-Clause
// ESP tunnel mode inbound (RFC 4303 section 3.4): prepare a burst, CryptoEngine::decrypt, finish. Home
// worker: both read or write the replay window.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <span>

#include "dataplane/crypto/crypto_engine.h"
#include "dataplane/sa/sa.h"

namespace sallyport::dataplane {

// One packet of a burst. On the way in its data starts at the outer IPv4 header, which has passed check_ipv4
// and is no fragment, and ends with the outer packet (no link-layer padding); on the way out it starts at the
// inner IPv4 header and ends with the inner packet. The buffer can be exchanged for another where it was
// shared or segmented; in any case `packet` is the one to forward or free.
struct DecapPacket {
  rte_mbuf* packet;
  InboundSa* sa;
  // Of the ESP header from the data's start: IPv4 header, and UDP header where the packet has one. Both forms
  // are taken whichever the SA sends (RFC 7296 section 2.23).
  uint16_t esp_offset;
  uint8_t outer_tos;             // set by prepare_decapsulation
  uint64_t sequence;             // set by prepare_decapsulation
  api::DropReason drop = kKeep;  // in: those that are not kKeep are passed over; out: why not to forward
};

// Checks length and alignment, infers the sequence number, checks replay, and fills jobs[i] for packets[i]
// (without key where dropped). Drops: kEspTooShort, kReplay, kNoRoom. Changes no state but the row's
// `replayed` counter. At most kMaxCryptoBurst packets; jobs at least as many.
void prepare_decapsulation(std::span<DecapPacket> packets, std::span<CryptoJob> jobs);

// After CryptoEngine::decrypt: checks the verdict, advances the replay window, counts, strips the trailer and
// applies RFC 6040. Drops: kIcvFailed, kReplay (a duplicate in the burst), kHardLifetime, kPadLength, kDummy,
// kNextHeader, kInnerBadHeader, kEcn. `now_ns`: CLOCK_MONOTONIC, for the row's last_use_ns.
void finish_decapsulation(std::span<DecapPacket> packets, std::span<const CryptoJob> jobs, uint64_t now_ns);

}  // namespace sallyport::dataplane
