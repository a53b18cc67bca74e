// SPDX-License-Identifier: BSD-3-Clause
// An SA's key, expanded once at install and wiped when destroyed. Written by the manager thread before
// publication, read by workers after.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "dataplane/api/messages.h"

namespace sallyport::dataplane {

class CryptoEngine;

// How ESP is laid out with an algorithm; all in bytes.
struct EspShape {
  uint8_t iv_bytes;     // in the packet, after the ESP header
  uint8_t icv_bytes;    // at the packet's end
  uint8_t align_bytes;  // of the ciphertext, pad length and next header included (RFC 4303 section 2.4)
};

struct KeySizes {
  uint8_t salt_bytes;  // implicit part of the nonce, taken from the key's end (RFC 4106 section 4)
  uint16_t key_bytes;  // of the encryption key, salt included
};

// All zero for an algorithm that this build doesn't know.
EspShape esp_shape(api::Algorithm algorithm);
KeySizes key_sizes(api::Algorithm algorithm);

class alignas(64) CipherKey {
 public:
  CipherKey() = default;
  ~CipherKey() { wipe(); }
  CipherKey(const CipherKey&) = delete;
  CipherKey& operator=(const CipherKey&) = delete;

  // Expands `keys`. kUnsupported for an unknown algorithm, kInvalid for a wrong key size.
  api::Error expand(const CryptoEngine& engine, const api::SaKeys& keys);
  // Whether it was expanded from these keys. In constant time for keys of one algorithm; nothing of them is
  // kept.
  bool matches(const CryptoEngine& engine, const api::SaKeys& keys) const;
  void wipe();

  api::Algorithm algorithm() const { return algorithm_; }
  uint32_t salt() const { return salt_; }  // as the bytes lie in memory
  const void* schedule() const { return schedule_.data(); }

  static constexpr size_t kScheduleBytes = 1024;

 private:
  alignas(64) std::array<std::byte, kScheduleBytes> schedule_{};
  uint32_t salt_ = 0;
  api::Algorithm algorithm_{};
};

// Keeps the process's packet and SA memory out of core dumps: all DPDK memory of now and, by a callback, of
// later. Manager thread, once after EAL's start.
void exclude_memory_from_dumps();

}  // namespace sallyport::dataplane
