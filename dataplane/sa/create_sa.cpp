// SPDX-License-Identifier: BSD-3-Clause
// Builds SAs from the API's messages, and destroys them. Manager thread.
#include <rte_malloc.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <type_traits>

#include "dataplane/sa/peer_key.h"
#include "dataplane/sa/sa.h"

namespace sallyport::dataplane {

namespace {

constexpr uint32_t kMinSpi = 256;  // RFC 4303 section 2.1: 0 is local, 1 to 255 are reserved
constexpr uint64_t kNoLimit = ~uint64_t{0};
constexpr uint64_t kLastShortSequence = 0xffffffff;
// Below 2^64 by enough that number plus reservation doesn't overflow.
constexpr uint64_t kLastExtendedSequence = ~uint64_t{0} - 2 * api::kSequenceReservation;
constexpr uint64_t kSoftMargin = uint64_t{1} << 28;  // a rekey has a minute at 4 million packets per second

uint64_t limit(uint64_t value) {
  return value == 0 ? kNoLimit : value;
}

SaLimits limits_of(const api::Lifetimes& lifetimes) {
  return {limit(lifetimes.soft_packets), limit(lifetimes.soft_bytes), limit(lifetimes.hard_packets),
          limit(lifetimes.hard_bytes)};
}

bool has_limits(const api::Lifetimes& lifetimes) {
  return (lifetimes.soft_packets | lifetimes.soft_bytes | lifetimes.hard_packets | lifetimes.hard_bytes) != 0;
}

Refusal check_common(uint32_t spi, const api::SaKeys& keys, const api::Address& local,
                     const api::Address& remote) {
  if (spi < kMinSpi) return {api::Error::kInvalid, "SPIs below 256 are reserved"};
  if (!is_supported(keys.algorithm, keys.integrity))
    return {api::Error::kUnsupported, "this build does not know the algorithm, or not with this integrity"};
  const KeySizes sizes = key_sizes(keys.algorithm, keys.integrity);
  if (keys.key_bytes != sizes.key_bytes || keys.integrity_key_bytes != sizes.integrity_key_bytes) {
    return {api::Error::kInvalid, "the key's size is wrong for the algorithm"};
  }
  const bool is_family = local.family == api::Family::kIpv4 || local.family == api::Family::kIpv6;
  if (!is_family || remote.family != local.family) {
    return {api::Error::kInvalid, "the outer addresses are not of one family"};
  }
  return {};
}

// The SA's own memory, with `extra_bytes` behind it. From DPDK's memory: huge pages, kept out of core dumps.
template <typename Sa>
Sa* allocate(size_t extra_bytes, int socket) {
  void* memory = rte_zmalloc_socket("sa", sizeof(Sa) + extra_bytes, alignof(Sa), socket);
  return memory != nullptr ? new (memory) Sa : nullptr;
}

template <typename Sa>
void destroy(Sa* sa) {
  if (sa == nullptr) return;
  sa->~Sa();  // wipes the key
  rte_free(sa);
}

// A row is taken over in this order, so that no moment shows an SPI with another SA's numbers.
template <typename Row>
void reset_row(Row& row, api::Counter& sequence, uint64_t first, uint32_t spi) {
  row.spi.store(0, std::memory_order_release);
  sequence.store(first, std::memory_order_release);
  row.packets.store(0, std::memory_order_relaxed);
  row.bytes.store(0, std::memory_order_relaxed);
  row.last_use_ns.store(0, std::memory_order_relaxed);
  row.policy_dropped.store(0, std::memory_order_relaxed);
  if constexpr (std::is_same_v<Row, api::InboundRow>) {
    row.icv_failed.store(0, std::memory_order_relaxed);
    row.replayed.store(0, std::memory_order_relaxed);
  } else {
    row.too_big.store(0, std::memory_order_relaxed);
    row.other_dropped.store(0, std::memory_order_relaxed);
  }
  row.spi.store(spi, std::memory_order_release);
}

}  // namespace

void SaDeleter::operator()(InboundSa* sa) const {
  destroy(sa);
}
void SaDeleter::operator()(OutboundSa* sa) const {
  destroy(sa);
}

Refusal create_inbound_sa(const api::SetInboundSa& message, api::InboundRow& row, const CryptoEngine& engine,
                          int socket, InboundSaPtr& sa) {
  if (Refusal refusal = check_common(message.spi, message.keys, message.local, message.remote);
      refusal.error != api::Error::kNone) {
    return refusal;
  }
  const uint32_t window = message.replay_window;
  if (window != 0 && (window < ReplayWindow::kMinPackets || window > ReplayWindow::kMaxPackets)) {
    return {api::Error::kInvalid, "a replay window has 32 to 4096 packets, or 0 for none"};
  }
  const uint32_t words = ReplayWindow::words_for(window);
  InboundSaPtr made(allocate<InboundSa>(words * sizeof(uint64_t), socket));
  if (made == nullptr) return {api::Error::kExhausted, "out of memory for SAs"};
  if (const api::Error error = made->key.expand(engine, message.keys); error != api::Error::kNone) {
    return {error, "the key was refused"};
  }
  const bool resumed = row.spi.load(std::memory_order_relaxed) == message.spi;
  const uint64_t right_edge = resumed ? row.right_edge.load(std::memory_order_relaxed) : 0;
  made->spi = message.spi;
  made->slot = message.spi & api::kSlotMask;
  made->tunnel_id = message.tunnel_id;
  made->algorithm = message.keys.algorithm;
  made->shape = esp_shape(message.keys.algorithm, message.keys.integrity);
  made->salt = made->key.salt();
  made->esn = message.esn != 0;
  made->encap.store(message.encap != 0, std::memory_order_relaxed);
  made->row = &row;
  made->limits = limits_of(message.lifetimes);
  made->limited = has_limits(message.lifetimes);
  made->outer_family.store(message.local.family, std::memory_order_relaxed);
  made->remote.store(peer_key(message.remote, message.remote_port), std::memory_order_relaxed);
  made->window.open(window, right_edge, {reinterpret_cast<uint64_t*>(made.get() + 1), words});
  if (!resumed) reset_row(row, row.right_edge, 0, message.spi);
  sa = std::move(made);
  return {};
}

Refusal create_outbound_sa(const api::SetOutboundSa& message, api::OutboundRow& row, const OuterHeader& outer,
                           const CryptoEngine& engine, int socket, OutboundSaPtr& sa) {
  if (Refusal refusal = check_common(message.spi, message.keys, message.local, message.remote);
      refusal.error != api::Error::kNone) {
    return refusal;
  }
  const bool resumed = row.spi.load(std::memory_order_relaxed) == message.spi;
  if (message.may_have_sent != 0 && !resumed) {
    return {api::Error::kUnsafe, "the SA may have sent before and its sequence numbers are not on record"};
  }
  OutboundSaPtr made(allocate<OutboundSa>(0, socket));
  if (made == nullptr) return {api::Error::kExhausted, "out of memory for SAs"};
  if (const api::Error error = made->key.expand(engine, message.keys); error != api::Error::kNone) {
    return {error, "the key was refused"};
  }
  made->spi = message.spi;
  made->slot = message.slot;
  made->tunnel_id = message.tunnel_id;
  made->algorithm = message.keys.algorithm;
  made->shape = esp_shape(message.keys.algorithm, message.keys.integrity);
  made->salt = made->key.salt();
  made->esn = message.esn != 0;
  made->row = &row;
  made->first_outer = outer;
  made->set_outer(made->first_outer);
  made->limits = limits_of(message.lifetimes);
  made->limited = has_limits(message.lifetimes);
  made->last_sequence = made->esn ? kLastExtendedSequence : kLastShortSequence;
  made->soft_sequence = made->last_sequence - kSoftMargin;
  const uint64_t first = resumed ? row.reserved_sequence.load(std::memory_order_relaxed) : 1;
  made->next_sequence = made->reserved_end = std::max<uint64_t>(first, 1);
  made->unchecked = 0;
  if (!resumed) reset_row(row, row.reserved_sequence, 1, message.spi);
  sa = std::move(made);
  return {};
}

}  // namespace sallyport::dataplane
