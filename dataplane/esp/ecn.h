// SPDX-License-Identifier: BSD-3-Clause
// ECN across a tunnel (RFC 6040). Pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>

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

}  // namespace sallyport::dataplane
