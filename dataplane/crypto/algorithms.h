// SPDX-License-Identifier: BSD-3-Clause
// The sizes that the RFCs of ESP's algorithms fix. Pure functions, any thread.
#pragma once

#include <cstdint>

#include "dataplane/api/algorithm.h"

namespace sallyport::dataplane {

// How ESP is laid out with an algorithm; all in bytes.
struct EspShape {
  uint8_t iv_bytes;     // in the packet, after the ESP header
  uint8_t icv_bytes;    // at the packet's end
  uint8_t align_bytes;  // of the ciphertext, pad length and next header included (RFC 4303 section 2.4)
};

struct KeySizes {
  uint8_t salt_bytes;            // implicit part of the nonce, taken from the key's end (RFC 4106 section 4)
  uint16_t key_bytes;            // of the encryption key, salt included
  uint16_t integrity_key_bytes;  // 0: none is taken
};

// Algorithms that are computed alike.
enum class CipherKind : uint8_t { kGcm, kGmac, kCcm, kChaChaPoly, kCbc, kNull };

struct AlgorithmTraits {
  CipherKind kind;
  uint8_t cipher_key_bytes;  // without salt
  uint8_t salt_bytes;
  uint8_t iv_bytes;
  uint8_t icv_bytes;    // 0: the integrity algorithm's
  uint8_t align_bytes;  // 0: no algorithm of this build
};

struct IntegrityTraits {
  uint8_t key_bytes;    // the digest's size (RFC 4868 section 2.1.1)
  uint8_t block_bytes;  // of the hash (RFC 2104)
  uint8_t icv_bytes;
};

// All zero for an algorithm that this build doesn't know.
AlgorithmTraits traits_of(api::Algorithm algorithm);
IntegrityTraits traits_of(api::Integrity integrity);

// Whether both are known and make a pair: an HMAC beside CBC and NULL, none beside the others.
bool is_supported(api::Algorithm algorithm, api::Integrity integrity);

// All zero where the pair isn't supported.
EspShape esp_shape(api::Algorithm algorithm, api::Integrity integrity);
KeySizes key_sizes(api::Algorithm algorithm, api::Integrity integrity);

}  // namespace sallyport::dataplane
