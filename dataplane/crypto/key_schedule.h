// SPDX-License-Identifier: BSD-3-Clause
// What CipherKey's memory holds for algorithms other than AES-GCM and AES-GMAC (those: the library's
// gcm_key_data). Inside crypto/ only.
#pragma once

#include <array>
#include <cstddef>

#include "dataplane/crypto/cipher_key.h"

namespace sallyport::dataplane {

struct KeySchedule {
  static constexpr size_t kMaxRoundKeys = 15 * 16, kRoundKeys128 = 11 * 16, kMaxStateBytes = 64;

  // AES round keys; of ChaCha20 the key itself lies in `encrypt`.
  alignas(16) std::array<std::byte, kMaxRoundKeys> encrypt, decrypt;
  // The hash's state after the key and ipad, and after the key and opad (RFC 2104 section 4).
  alignas(16) std::array<std::byte, kMaxStateBytes> inner, outer;
  // Of CBC, outbound: round keys of a random key that encrypts sequence numbers to IVs. The last member:
  // what comes before it depends on the SA's keys alone.
  alignas(16) std::array<std::byte, kRoundKeys128> iv;
};
static_assert(sizeof(KeySchedule) <= CipherKey::kScheduleBytes && alignof(KeySchedule) <= alignof(CipherKey));

}  // namespace sallyport::dataplane
