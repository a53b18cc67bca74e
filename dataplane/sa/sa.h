// SPDX-License-Identifier: BSD-3-Clause
// Security associations (RFC 4301 section 4.4.2). An SA is built by the manager thread, published to its home
// worker's SaTable, used by that worker alone, and destroyed by the manager after a quiescent state.
// Counters, sequence reservation and right edge live in the SA's row of the shared-state segment and outlive
// both.
#pragma once

#include <rte_prefetch.h>

#include <atomic>
#include <cstdint>
#include <memory>

#include "dataplane/api/messages.h"
#include "dataplane/api/shared_state.h"
#include "dataplane/crypto/crypto_engine.h"
#include "dataplane/packet/verdict.h"
#include "dataplane/sa/outer_header.h"
#include "dataplane/sa/replay_window.h"

namespace sallyport::dataplane {

class SelectorSet;

// Packets and bytes that an SA may carry. Writer: home worker.
struct SaUsage {
  uint64_t packets = 0, bytes = 0;  // of this and earlier lives of the row
  uint64_t soft_packets, soft_bytes, hard_packets,
      hard_bytes;  // all ones: none; a soft one that was told: all ones
};

// What the home worker has to tell sallyportd about an SA; each bit is set once in the SA's life. Worker
// reads and clears `due` after a burst and sends api::SaExpired.
enum SaNotice : uint8_t {
  kSoftBytes = 1,
  kSoftPackets = 2,
  kSoftSequence = 4,
  kHardBytes = 8,
  kHardPackets = 16,
  kHardSequence = 32,
};

struct alignas(64) InboundSa {
  // Line 0: every packet. Writers: manager before publication; window, due: home worker.
  uint32_t spi;
  uint32_t tunnel_id;
  EspShape shape;
  bool esn;
  uint8_t due = 0;                 // SaNotice bits to tell
  std::atomic<bool> encap{false};  // writer: manager (UpdateSa)
  api::InboundRow* row;
  ReplayWindow window;
  const SelectorSet* selectors = nullptr;  // writer and owner: whoever installs the SA; outlives it

  // Line 1: every packet, written.
  alignas(64) SaUsage usage;

  // Line 2: NAT-T, cold otherwise. The peer's address and port as last told to us by sallyportd (writer:
  // manager) and as last reported in PeerMoved (writer: home worker): address in network order in the high
  // half, port in host order.
  alignas(64) std::atomic<uint64_t> remote{0};
  uint64_t remote_reported = 0;
  uint32_t slot;
  uint32_t replay_packets;
  api::Lifetimes lifetimes;

  CipherKey key;

  void prefetch() const;
};

struct alignas(64) OutboundSa {
  // Line 0: every packet. Writers: manager before publication; sequences, due: home worker; outer: manager.
  uint32_t spi;
  uint32_t tunnel_id;
  EspShape shape;
  bool esn;
  uint8_t due = 0;  // SaNotice bits to tell
  std::atomic<const OuterHeader*> outer{
      nullptr};  // owner: whoever installs the SA; replaced whole, reclaimed by QSBR
  api::OutboundRow* row;
  uint64_t next_sequence;  // the next one to use
  uint64_t reserved_end;   // below this the row's reservation covers
  uint64_t soft_sequence;  // the sequence number at which to tell; all ones: told
  uint64_t last_sequence;  // the last that may be used

  // Line 1: every packet, written.
  alignas(64) SaUsage usage;
  const SelectorSet* selectors = nullptr;  // writer and owner: whoever installs the SA; outlives it
  uint32_t slot;

  alignas(64) api::Lifetimes lifetimes;

  CipherKey key;

  void prefetch() const;
};

struct SaDeleter {
  void operator()(InboundSa* sa) const;   // wipes the key
  void operator()(OutboundSa* sa) const;  // wipes the key
};
using InboundSaPtr = std::unique_ptr<InboundSa, SaDeleter>;
using OutboundSaPtr = std::unique_ptr<OutboundSa, SaDeleter>;

struct Refusal {
  api::Error error = api::Error::kNone;
  const char* text = "";  // a sentence; empty when error is kNone
};

// Checks the message's SA part (SPI, window, key, endpoints; not ids or selectors) and builds the SA. `row`
// is the slot's; where its spi is this SA's the counters go on and the window restarts closed at its right
// edge, otherwise it is cleared. Nothing changes, the row included, on refusal. Allocated from DPDK memory on
// `socket`. Manager thread.
Refusal create_inbound_sa(const api::SetInboundSa& message, api::InboundRow& row, const CryptoEngine& engine,
                          int socket, InboundSaPtr& sa);
// As above; where the row is this SA's, sequence numbers go on at its reservation. kUnsafe where
// `may_have_sent` is set and the row is another's. `outer` becomes the SA's (still owned by the caller).
Refusal create_outbound_sa(const api::SetOutboundSa& message, api::OutboundRow& row, const OuterHeader* outer,
                           const CryptoEngine& engine, int socket, OutboundSaPtr& sa);

// Steps of the hot path, home worker only.

struct Sequence {
  uint64_t number;
  api::DropReason drop;  // kKeep, kSequenceExhausted or kHardLifetime
};

// Takes the next sequence number (RFC 4303 section 3.3.3), counting a packet of `inner_bytes` against the
// SA's packet and byte lifetimes. Raises the row's reservation before a number beyond it is used. May set
// bits in `due`.
Sequence assign_sequence(OutboundSa& sa, uint32_t inner_bytes);

// Counts a verified packet of `inner_bytes`; kKeep, or kHardLifetime once a hard limit is passed. May set
// bits in `due`.
api::DropReason count_inbound(InboundSa& sa, uint32_t inner_bytes, uint64_t now_ns);

}  // namespace sallyport::dataplane
