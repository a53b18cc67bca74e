// SPDX-License-Identifier: BSD-3-Clause
// Overwriting what was secret, in a way the compiler keeps. Any thread.
#pragma once

#include <string.h>

#include <cstdint>
#include <span>

namespace sallyport::vici {

inline void wipe(std::span<uint8_t> bytes) {
  if (!bytes.empty()) explicit_bzero(bytes.data(), bytes.size());
}

}  // namespace sallyport::vici
