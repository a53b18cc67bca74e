// SPDX-License-Identifier: BSD-3-Clause
// Which of the fragments at hand make a whole datagram (RFC 791). Pure functions over values, any thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace sallyport::dataplane {

inline constexpr uint32_t kMaxPieces = 16;  // fragments of one datagram
inline constexpr uint32_t kMaxCovers = 4;   // that are looked for

// The bytes of a datagram's data that a fragment has, at least one; `last`: no more follow.
struct FragmentRange {
  uint16_t begin_bytes, end_bytes;
  bool last;
};

// In the order in which they follow each other: places among the ranges.
struct FragmentCover {
  uint32_t count = 0;
  std::array<uint8_t, kMaxPieces> places;

  void push(uint32_t place) { places[count++] = static_cast<uint8_t>(place); }
};

struct FragmentCovers {
  uint32_t count = 0;
  std::array<FragmentCover, kMaxCovers> covers;

  void push(const FragmentCover& cover) { covers[count++] = cover; }
  bool full() const { return count == kMaxCovers; }
  std::span<const FragmentCover> all() const { return {covers.data(), count}; }
};

// Covers of the datagram, each from its first byte to a last fragment, without gap or overlap, that the first
// of the `ranges` (1 to kMaxPieces) is part of: all of them, or kMaxCovers.
FragmentCovers covers_with_first(std::span<const FragmentRange> ranges);

}  // namespace sallyport::dataplane
