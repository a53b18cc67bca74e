// SPDX-License-Identifier: BSD-3-Clause
// ESP tunnel mode outbound (RFC 4303 section 3.3, RFC 3948 section 3): prepare a burst,
// CryptoEngine::encrypt, finish. Worker threads; no state of their own, and none of the SA's written, so that
// any worker may run them.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <span>

#include "dataplane/crypto/crypto_engine.h"
#include "dataplane/sa/sa.h"

namespace sallyport::dataplane {

// One packet of a burst. On the way in its data starts at the inner IPv4 header, which has passed check_ipv4,
// and ends with the inner packet (no link-layer padding); on the way out it starts at the outer IPv4 header.
// The buffer can be exchanged for another where it was shared or segmented; in any case `packet` is the one
// to send or free.
struct EncapPacket {
  rte_mbuf* packet;
  OutboundSa* sa;
  uint64_t sequence;             // from assign_sequence
  api::DropReason drop = kKeep;  // in: those that are not kKeep are passed over; out: why not to send
};

// Writes padding, trailer, ESP header, IV and outer headers around each packet and fills jobs[i] for
// packets[i] (without key where dropped). Drops: kNoRoom. At most kMaxCryptoBurst packets; jobs at least as
// many.
void prepare_encapsulation(std::span<EncapPacket> packets, std::span<CryptoJob> jobs);

// After CryptoEngine::encrypt: drops what the engine refused (kCryptoFailed). The others can be sent.
void finish_encapsulation(std::span<EncapPacket> packets, std::span<const CryptoJob> jobs);

}  // namespace sallyport::dataplane
