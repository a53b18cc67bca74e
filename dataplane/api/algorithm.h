// SPDX-License-Identifier: BSD-3-Clause
// ESP's algorithms as the dataplane's API numbers them (RFC 8221). Part of messages.h and of its version.
#pragma once

#include <cstdint>

namespace sallyport::api {

// What encrypts; all but kAes*Cbc and kNull authenticate too. Of GCM and CCM the last number is the ICV's
// size in bytes (RFC 4106, RFC 4309); kAes*Gmac authenticates only (RFC 4543).
enum class Algorithm : uint16_t {
  kAes128Gcm16 = 1,
  kAes192Gcm16,
  kAes256Gcm16,
  kAes128Gcm12,
  kAes192Gcm12,
  kAes256Gcm12,
  kAes128Gcm8,
  kAes192Gcm8,
  kAes256Gcm8,
  kAes128Gmac,
  kAes192Gmac,
  kAes256Gmac,
  kAes128Ccm16,
  kAes256Ccm16,
  kAes128Ccm12,
  kAes256Ccm12,
  kAes128Ccm8,
  kAes256Ccm8,
  kChaCha20Poly1305,  // RFC 7634
  kAes128Cbc,         // RFC 3602
  kAes192Cbc,
  kAes256Cbc,
  kNull,  // RFC 2410
};

// What authenticates beside kAes*Cbc and kNull; kNone beside the others. The last number is the ICV's size in
// bits (RFC 2404, RFC 4868).
enum class Integrity : uint16_t {
  kNone = 0,
  kHmacSha1_96,
  kHmacSha256_128,
  kHmacSha384_192,
  kHmacSha512_256,
};

}  // namespace sallyport::api
