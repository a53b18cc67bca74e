// SPDX-License-Identifier: BSD-3-Clause
// ESP overhead. Pure functions, any thread.
#include "dataplane/esp/overhead.h"

namespace sallyport::dataplane {

namespace {

constexpr uint32_t kIpv4Bytes = 20, kIpv6Bytes = 40;

// Everything in front of the ciphertext, and the ICV behind it.
uint32_t frame_bytes(const EspShape& shape, bool encap, api::Family outer_family) {
  return (outer_family == api::Family::kIpv6 ? kIpv6Bytes : kIpv4Bytes) + (encap ? kUdpHeaderBytes : 0) +
         kEspHeaderBytes + shape.iv_bytes + shape.icv_bytes;
}

}  // namespace

uint32_t outer_bytes(uint32_t inner_bytes, const EspShape& shape, bool encap, api::Family outer_family) {
  return frame_bytes(shape, encap, outer_family) + inner_bytes + esp_pad_bytes(inner_bytes, shape) +
         kEspTrailerBytes;
}

uint32_t inner_mtu(uint32_t outer_mtu_bytes, const EspShape& shape, bool encap, api::Family outer_family) {
  const uint32_t frame = frame_bytes(shape, encap, outer_family);
  if (outer_mtu_bytes < frame + shape.align_bytes) return 0;
  return ((outer_mtu_bytes - frame) & ~(shape.align_bytes - 1u)) - kEspTrailerBytes;
}

}  // namespace sallyport::dataplane
