// SPDX-License-Identifier: BSD-3-Clause
// Comparison of ICVs in constant time: the position of the first wrong byte tells nothing.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sallyport::dataplane {

inline bool same_tag(const uint8_t* a, const uint8_t* b, size_t bytes) {
  uint32_t difference = 0;
  for (size_t i = 0; i < bytes; ++i)
    difference |= static_cast<uint32_t>(a[i] ^ b[i]);
  return difference == 0;
}

}  // namespace sallyport::dataplane
