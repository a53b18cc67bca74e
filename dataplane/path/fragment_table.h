// SPDX-License-Identifier: BSD-3-Clause
// A bounded number of fragments, to be found by their datagram. Each new one takes the place of the oldest,
// and a bucket is walked a bounded way, whatever comes. Its worker alone uses it.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>
#include <span>

#include "dataplane/path/fragment_cover.h"

namespace sallyport::dataplane {

// What fragments of one datagram have in common (RFC 791, RFC 8200 section 4.5).
struct FragmentKey {
  std::array<uint32_t, 4> source, destination;  // as in the header, an IPv4 address in the first word
  uint32_t identification;
  uint32_t protocol;  // of IPv4; kAnyProtocol for IPv6, where it is no part of the key

  static constexpr uint32_t kAnyProtocol = 256;
  bool operator==(const FragmentKey&) const = default;
  std::span<const uint32_t> words() const {
    return {reinterpret_cast<const uint32_t*>(this), sizeof *this / sizeof(uint32_t)};
  }
};

struct Fragment {
  FragmentKey key;
  rte_mbuf* packet;  // nullptr: stands for a datagram that was given up
  FragmentRange range;
  uint8_t header_bytes;  // in front of the range's data
  uint8_t uses;          // packets that it went into
};

// All zero bytes are one to be opened.
class FragmentTable {
 public:
  static constexpr uint32_t kFragments = 512;
  static constexpr uint32_t kBucketBits = 10;

  // Fragments of one datagram, the newest first.
  struct Chain {
    uint32_t count = 0;
    std::array<uint16_t, kMaxPieces + 1> places;

    std::span<const uint16_t> all() const { return {places.data(), count}; }
  };

  // To hold `capacity` at most, 1 to kFragments.
  void open(uint32_t capacity) { capacity_ = capacity; }
  // Holds it as the newest of its datagram; how many went for it that made no packet.
  uint32_t put(const Fragment& fragment, uint32_t bucket);
  // Those of the datagram; its bucket is the one that they were put in.
  Chain find(const FragmentKey& key, uint32_t bucket) const;
  Fragment& at(uint16_t place) { return slots_[place].fragment; }
  // 1, or 0 where the fragment made a packet or its buffer had gone before.
  uint32_t remove(uint16_t place);
  // Frees its buffer and stays, as a mark of its datagram's end. As `remove` counts.
  uint32_t abandon(uint16_t place);
  // Removes what was there when this was last called; what they made is counted as in `remove`.
  uint32_t end_turn();
  uint32_t clear();

 private:
  static constexpr uint16_t kNone = 0;  // so that slot 0 is unused
  // Of a bucket; what lies behind is not found. By chance a bucket has fragments of one or two datagrams.
  static constexpr uint32_t kMaxWalk = 4 * kMaxPieces;

  struct alignas(RTE_CACHE_LINE_SIZE) Slot {
    Fragment fragment;
    uint16_t newer, older;  // in the bucket
    uint16_t bucket;
    bool held;
  };
  static_assert(sizeof(Slot) == RTE_CACHE_LINE_SIZE);

  uint16_t place_of(uint64_t number) const { return static_cast<uint16_t>(number % capacity_ + 1); }

  uint64_t count_, count_at_turn_;  // fragments put so far, and before the present turn
  uint32_t capacity_;
  std::array<uint16_t, 1 << kBucketBits> newest_;
  std::array<Slot, kFragments + 1> slots_;
};

}  // namespace sallyport::dataplane
