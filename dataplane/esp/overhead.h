// SPDX-License-Identifier: BSD-3-Clause
// What ESP tunnel mode adds to a packet, exactly (RFC 4303 section 2). Pure functions, any thread.
#pragma once

#include <cstdint>

#include "dataplane/crypto/cipher_key.h"

namespace sallyport::dataplane {

inline constexpr uint32_t kEspHeaderBytes = 8, kEspTrailerBytes = 2, kUdpHeaderBytes = 8;

// Pad bytes for an inner packet of this size.
inline uint32_t esp_pad_bytes(uint32_t inner_bytes, const EspShape& shape) {
  return -(inner_bytes + kEspTrailerBytes) & (shape.align_bytes - 1u);
}

// Size of the whole outer packet, IP header included.
uint32_t outer_bytes(uint32_t inner_bytes, const EspShape& shape, bool encap, api::Family outer_family);

// The largest inner packet whose outer packet fits `outer_mtu_bytes`; 0 where none does.
uint32_t inner_mtu(uint32_t outer_mtu_bytes, const EspShape& shape, bool encap, api::Family outer_family);

}  // namespace sallyport::dataplane
