// SPDX-License-Identifier: BSD-3-Clause
// ECN across a tunnel (RFC 6040) and through reassembly. Pure functions, any thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>

namespace sallyport::dataplane {

enum class Ecn : uint8_t { kNotEct = 0, kEct1 = 1, kEct0 = 2, kCe = 3 };

inline Ecn ecn_of(uint8_t tos) {
  return static_cast<Ecn>(tos & 3);
}

// Section 4.2, figure 4: what the inner header leaves the tunnel with; nothing: drop.
inline std::optional<Ecn> decapsulated_ecn(Ecn inner, Ecn outer) {
  if (outer == inner || outer == Ecn::kNotEct) return inner;
  if (inner == Ecn::kNotEct) {
    if (outer == Ecn::kCe) return std::nullopt;
    return Ecn::kNotEct;
  }
  if (inner == Ecn::kCe || outer == Ecn::kCe) return Ecn::kCe;
  return outer == Ecn::kEct1 ? Ecn::kEct1 : inner;
}

// RFC 3168 section 5.3: what the datagram of these fragments has, at least one, from its first on. Congestion
// that one of them met is kept; nothing, which means drop, where another one says that its sender knows no
// ECN.
inline std::optional<Ecn> reassembled_ecn(std::span<const Ecn> fragments) {
  if (std::ranges::count(fragments, Ecn::kCe) == 0) return fragments.front();
  if (std::ranges::count(fragments, Ecn::kNotEct) > 0) return std::nullopt;
  return Ecn::kCe;
}

}  // namespace sallyport::dataplane
