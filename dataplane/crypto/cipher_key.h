// SPDX-License-Identifier: BSD-3-Clause
// An SA's key, expanded once at install and wiped when destroyed. Written by the manager thread before
// publication, read by workers after.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "dataplane/api/messages.h"
#include "dataplane/crypto/algorithms.h"

struct IMB_MGR;

namespace sallyport::dataplane {

class CryptoEngine;

class alignas(64) CipherKey {
 public:
  CipherKey() = default;
  ~CipherKey() { wipe(); }
  CipherKey(const CipherKey&) = delete;
  CipherKey& operator=(const CipherKey&) = delete;

  // Expands `keys`. kUnsupported for an unknown algorithm or pair, kInvalid for a wrong key size, kExhausted
  // where the kernel has no random bytes.
  api::Error expand(const CryptoEngine& engine, const api::SaKeys& keys);
  // Whether it was expanded from these keys. In constant time for keys of one algorithm; nothing of them is
  // kept.
  bool matches(const CryptoEngine& engine, const api::SaKeys& keys) const;
  void wipe();

  api::Algorithm algorithm() const { return algorithm_; }
  const AlgorithmTraits& traits() const { return traits_; }
  api::Integrity integrity() const { return integrity_; }
  uint8_t icv_bytes() const { return icv_bytes_; }
  // As the bytes lie in memory, at the end of the four: CCM's three are preceded by a zero.
  uint32_t salt() const { return salt_; }
  const void* schedule() const { return schedule_.data(); }

  static constexpr size_t kScheduleBytes = 1024;

 private:
  void expand_gcm(IMB_MGR* library, const api::SaKeys& keys);
  void expand_encryption(IMB_MGR* library, const api::SaKeys& keys);
  void expand_integrity(IMB_MGR* library, const api::SaKeys& keys);

  alignas(64) std::array<std::byte, kScheduleBytes> schedule_{};
  uint32_t salt_ = 0;
  api::Algorithm algorithm_{};
  api::Integrity integrity_{};
  AlgorithmTraits traits_{};
  uint8_t icv_bytes_ = 0;
};

// Keeps the process's packet and SA memory out of core dumps: all DPDK memory of now and, by a callback, of
// later. Manager thread, once after EAL's start.
void exclude_memory_from_dumps();

}  // namespace sallyport::dataplane
