// SPDX-License-Identifier: BSD-3-Clause
// Security associations (RFC 4301 section 4.4.2). An SA is built by the manager thread, published to its home
// worker's SaTable, used by that worker alone, and destroyed by the manager after a quiescent state.
// Counters, sequence reservation and right edge live in the SA's row of the shared-state segment and outlive
// both.
#pragma once

#include <rte_prefetch.h>

#include <atomic>
#include <cstddef>
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

// What the home worker has to tell sallyportd about an SA, again from time to time while there are packets,
// as sallyportd may have been away. The worker reads and clears `due` after a burst and has api::SaExpired
// sent.
enum SaNotice : uint8_t {
  kSoftBytes = 1,
  kSoftPackets = 2,
  kSoftSequence = 4,
  kHardBytes = 8,
  kHardPackets = 16,
  kHardSequence = 32,
};

// Whether an inbound SA's packets are processed as they come (path/first_packets.h).
enum class SaOpening : uint8_t { kNew, kHeld, kOpen };

// Against the row's counters; all ones: none.
struct SaLimits {
  uint64_t soft_packets, soft_bytes, hard_packets, hard_bytes;
};

struct alignas(64) InboundSa {
  // Line 0: all that a packet needs. Writer: manager before publication; where another is named, that one
  // after.
  uint32_t spi;
  uint32_t tunnel_id;
  api::InboundRow* row;
  const SelectorSet* selectors = nullptr;  // nullptr: all match. Owner: whoever installs the SA; outlives it
  uint32_t salt;
  api::Algorithm algorithm;
  EspShape shape;
  bool esn;
  bool limited;                         // by packets or bytes: `limits` are to be looked at
  uint8_t vrf_id;                       // of the tunnel, which keeps it for life
  std::atomic<bool> encap{false};       // writer: manager (UpdateSa)
  uint8_t due = 0;                      // SaNotice bits to tell; writer: home worker
  SaOpening opening = SaOpening::kNew;  // writer: home worker
  ReplayWindow window;                  // writer: home worker

  // Line 1. NAT-T: the peer's address and port (peer_key) as sallyportd last told us (writer: manager) and as
  // last reported in PeerMoved (writer: home worker).
  SaLimits limits;
  std::atomic<uint64_t> remote{0};
  uint64_t remote_reported = 0;
  uint64_t reported_ns = 0;  // when; writer: home worker
  uint32_t slot;
  uint8_t told = 0;  // SaNotice bits that were due in `told_at`; writer: home worker
  std::atomic<api::Family> outer_family{api::Family::kIpv4};  // writer: manager (UpdateSa)
  bool ipv4_only = false;  // without `selectors` all IPv4 matches, and no IPv6
  uint8_t told_at = 0;     // a period of time; writer: home worker

  alignas(64) CipherKey key;
};
static_assert(offsetof(InboundSa, window) == 40 && offsetof(InboundSa, limits) == 64 &&
              offsetof(InboundSa, key) == 128 && sizeof(InboundSa) == 1216);
static_assert(api::kMaxVrfs <= 256);

struct alignas(64) OutboundSa {
  // Line 0: all that a packet needs. Writer: manager before publication; where another is named, that one
  // after.
  uint32_t spi;
  uint32_t salt;
  api::OutboundRow* row;
  // OuterHeader::plain_addresses of the outer header: where they aren't 0 the header needs no more, and its
  // cache line isn't fetched.
  std::atomic<uint64_t> plain_addresses{0};
  std::atomic<const OuterHeader*> outer{nullptr};
  const SelectorSet* selectors = nullptr;  // nullptr: all match. Owner: whoever installs the SA; outlives it
  uint64_t next_sequence;                  // the next one to use; writer: home worker
  uint32_t unchecked;  // so many numbers from next_sequence on need no more than counting; writer: home
                       // worker
  api::Algorithm algorithm;
  EspShape shape;
  bool esn;
  bool limited;            // by packets or bytes: `limits` are to be looked at
  uint8_t due = 0;         // SaNotice bits to tell; writer: home worker
  uint8_t told = 0;        // SaNotice bits that were due in `told_at`; writer: home worker
  uint8_t told_at = 0;     // a period of time; writer: home worker
  bool ipv4_only = false;  // without `selectors` all IPv4 matches, and no IPv6

  // Line 1.
  OuterHeader first_outer;

  // Manager: `header` is copied by the packets from now on. It replaces what was there whole, which it
  // reclaims by QSBR. Owner of another than first_outer: whoever installs the SA.
  void set_outer(const OuterHeader& header) {
    outer.store(&header, std::memory_order_release);
    plain_addresses.store(header.plain_addresses(), std::memory_order_release);
  }

  // Line 2.
  alignas(64) uint64_t soft_sequence;  // the number at which to tell
  uint64_t last_sequence;              // the last that may be used
  uint64_t reserved_end;               // numbers below it are reserved in the row; writer: home worker
  SaLimits limits;
  uint32_t slot;
  uint32_t tunnel_id;

  alignas(64) CipherKey key;
};
static_assert(offsetof(OutboundSa, first_outer) == 64 && offsetof(OutboundSa, soft_sequence) == 128);
static_assert(offsetof(OutboundSa, key) == 192 && sizeof(OutboundSa) == 1280);

// Fetches what all steps for a packet of this SA read.
inline void prefetch_sa(const InboundSa& sa) {
  rte_prefetch0(&sa);
}
inline void prefetch_sa(const OutboundSa& sa) {
  rte_prefetch0(&sa);
}

// Fetches what line 0 leads to, but for the key: CryptoEngine sees to that.
inline void prefetch_state(const InboundSa& sa) {
  rte_prefetch0(sa.row);
  sa.window.prefetch();
}
inline void prefetch_state(const OutboundSa& sa) {
  rte_prefetch0(sa.row);
  if (sa.plain_addresses.load(std::memory_order_relaxed) == 0)
    rte_prefetch0(sa.outer.load(std::memory_order_relaxed));
}

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

// Checks the message's SPI, window, key and endpoints (not ids, selectors or slots) and builds the SA. `row`
// is the slot's; where its spi is this SA's the counters go on and the window restarts closed at its right
// edge, otherwise it is cleared. Nothing changes, the row included, on refusal. Allocated from DPDK memory on
// `socket`. Manager thread.
Refusal create_inbound_sa(const api::SetInboundSa& message, api::InboundRow& row, const CryptoEngine& engine,
                          int socket, InboundSaPtr& sa);
// As above; where the row is this SA's, sequence numbers go on at its reservation. kUnsafe where
// `may_have_sent` is set and the row is another's. `outer` is copied.
Refusal create_outbound_sa(const api::SetOutboundSa& message, api::OutboundRow& row, const OuterHeader& outer,
                           const CryptoEngine& engine, int socket, OutboundSaPtr& sa);

// Steps of the hot path, home worker only. `now_ns`: CLOCK_MONOTONIC, for the row's last_use_ns.

struct Sequence {
  uint64_t number;
  api::DropReason drop;  // kKeep, kSequenceExhausted or kHardLifetime
};

// Counts packets of `inner_bytes` in all, whatever the limits say.
template <typename Row>
inline void count_packets(Row& row, uint32_t packets, uint64_t inner_bytes, uint64_t now_ns) {
  const auto put = [](api::Counter& counter, uint64_t value) {
    counter.store(value, std::memory_order_relaxed);
  };
  put(row.packets, row.packets.load(std::memory_order_relaxed) + packets);
  put(row.bytes, row.bytes.load(std::memory_order_relaxed) + inner_bytes);
  put(row.last_use_ns, now_ns);
}

// The cold halves of the two functions below.
[[gnu::cold]] Sequence assign_checked_sequence(OutboundSa& sa, uint32_t inner_bytes, uint64_t now_ns);
[[gnu::cold]] api::DropReason count_limited(InboundSa& sa, uint32_t inner_bytes, uint64_t now_ns);

// Takes the next sequence number (RFC 4303 section 3.3.3) and counts a packet of `inner_bytes`. Raises the
// row's reservation before a number beyond it is used. May set bits in `due`.
inline Sequence assign_sequence(OutboundSa& sa, uint32_t inner_bytes, uint64_t now_ns) {
  const uint64_t number = sa.next_sequence;
  if (sa.unchecked == 0) [[unlikely]]
    return assign_checked_sequence(sa, inner_bytes, now_ns);
  count_packets(*sa.row, 1, inner_bytes, now_ns);
  sa.next_sequence = number + 1;
  --sa.unchecked;
  return {number, kKeep};
}

// The same for several packets of `inner_bytes` in all: the first of their numbers. 0, and no change, where
// one of them needs more than counting: assign_sequence takes them one by one.
inline uint64_t assign_sequences(OutboundSa& sa, uint32_t packets, uint64_t inner_bytes, uint64_t now_ns) {
  const uint64_t first = sa.next_sequence;
  if (packets > sa.unchecked) [[unlikely]]
    return 0;
  count_packets(*sa.row, packets, inner_bytes, now_ns);
  sa.next_sequence = first + packets;
  sa.unchecked -= packets;
  return first;
}

// What a run of packets of one SA means to its row, kept until another SA's packet comes or the tally ends:
// before any of the packets is sent on, so that the row's right edge is never behind them.
class InboundTally {
 public:
  explicit InboundTally(uint64_t now_ns) : now_ns_(now_ns) {}
  ~InboundTally() { flush(); }
  InboundTally(const InboundTally&) = delete;
  InboundTally& operator=(const InboundTally&) = delete;

  // Of each packet that moved the SA's window.
  void enter(InboundSa& sa) {
    if (&sa == sa_) [[likely]]
      return;
    flush();
    sa_ = &sa;
  }
  // Counts the packet entered last, of `inner_bytes`; kKeep, or kHardLifetime once a hard limit is reached.
  // May set bits in `due`.
  api::DropReason count(uint32_t inner_bytes) {
    if (sa_->limited) [[unlikely]]
      return count_limited(*sa_, inner_bytes, now_ns_);
    add(1, inner_bytes);
    return kKeep;
  }
  // Of the SA entered last, which must not be `limited`: packets of `inner_bytes` in all.
  void add(uint32_t packets, uint64_t inner_bytes) {
    packets_ += packets;
    bytes_ += inner_bytes;
  }

 private:
  void flush() {
    if (sa_ == nullptr) return;
    sa_->row->right_edge.store(sa_->window.right_edge(), std::memory_order_relaxed);
    if (packets_ > 0) count_packets(*sa_->row, packets_, bytes_, now_ns_);
    packets_ = 0;
    bytes_ = 0;
  }

  uint64_t now_ns_;
  InboundSa* sa_ = nullptr;
  uint32_t packets_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace sallyport::dataplane
