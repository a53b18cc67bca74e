// SPDX-License-Identifier: BSD-3-Clause
// Sequence numbers, lifetimes and counters of SAs: the hot steps. Home worker.
#include "dataplane/sa/sa.h"

#include <algorithm>

namespace sallyport::dataplane {

namespace {

uint64_t peek(const api::Counter& counter) {
  return counter.load(std::memory_order_relaxed);
}

// Once in each period of 8.6 s, which is about as often as charon itself tries a refused rekey again.
template <typename Sa>
void tell(Sa& sa, SaNotice notice, uint64_t now_ns) {
  const auto period = static_cast<uint8_t>(now_ns >> 33);
  if (sa.told_at != period) sa.told = 0;
  sa.told_at = period;
  if ((sa.told & notice) != 0) return;
  sa.told |= notice;
  sa.due |= notice;
}

// Counts a packet unless a hard limit was reached before it.
template <typename Sa>
api::DropReason count(Sa& sa, uint32_t inner_bytes, uint64_t now_ns) {
  const SaLimits& limits = sa.limits;
  const uint64_t packets = peek(sa.row->packets), bytes = peek(sa.row->bytes);
  if (packets >= limits.hard_packets || bytes >= limits.hard_bytes) [[unlikely]] {
    tell(sa, packets >= limits.hard_packets ? kHardPackets : kHardBytes, now_ns);
    return api::DropReason::kHardLifetime;
  }
  count_packets(*sa.row, 1, inner_bytes, now_ns);
  if (packets + 1 >= limits.soft_packets) [[unlikely]]
    tell(sa, kSoftPackets, now_ns);
  if (bytes + inner_bytes >= limits.soft_bytes) [[unlikely]]
    tell(sa, kSoftBytes, now_ns);
  return kKeep;
}

// How many numbers are left until there is more to do than to count: up to the end of the reservation, the
// soft limit until it was told, the end of all; none where packets or bytes are limited.
uint32_t count_unchecked(const OutboundSa& sa) {
  if (sa.limited) return 0;
  uint64_t check = std::min(sa.reserved_end, sa.last_sequence + 1);
  if ((sa.told & kSoftSequence) == 0) check = std::min(check, sa.soft_sequence);
  static_assert(api::kSequenceReservation <= UINT32_MAX);
  return check > sa.next_sequence ? static_cast<uint32_t>(check - sa.next_sequence) : 0;
}

}  // namespace

Sequence assign_checked_sequence(OutboundSa& sa, uint32_t inner_bytes, uint64_t now_ns) {
  const uint64_t number = sa.next_sequence;
  if (number > sa.last_sequence) [[unlikely]] {
    tell(sa, kHardSequence, now_ns);
    return {0, api::DropReason::kSequenceExhausted};
  }
  if (const api::DropReason drop = count(sa, inner_bytes, now_ns); drop != kKeep) [[unlikely]]
    return {0, drop};
  if (number >= sa.reserved_end) [[unlikely]] {
    // The store comes before the number's use in program order, and a process that dies leaves its stores
    // behind.
    sa.reserved_end = number + api::kSequenceReservation;
    sa.row->reserved_sequence.store(sa.reserved_end, std::memory_order_release);
  }
  if (number >= sa.soft_sequence) tell(sa, kSoftSequence, now_ns);
  sa.next_sequence = number + 1;
  sa.unchecked = count_unchecked(sa);
  return {number, kKeep};
}

api::DropReason count_limited(InboundSa& sa, uint32_t inner_bytes, uint64_t now_ns) {
  return count(sa, inner_bytes, now_ns);
}

}  // namespace sallyport::dataplane
