// SPDX-License-Identifier: BSD-3-Clause
// Key expansion and wiping. Manager thread.
#include "dataplane/crypto/cipher_key.h"

#include <intel-ipsec-mb.h>
#include <rte_eal_memconfig.h>
#include <rte_memory.h>
#include <string.h>
#include <sys/mman.h>

#include "dataplane/crypto/crypto_engine.h"

namespace sallyport::dataplane {

static_assert(sizeof(gcm_key_data) <= CipherKey::kScheduleBytes &&
              alignof(gcm_key_data) <= alignof(CipherKey));

namespace {

constexpr uint8_t kSaltBytes = 4, kIvBytes = 8, kIcvBytes = 16, kAlignBytes = 4;  // RFC 4106

int exclude_segment(const rte_memseg_list* list, const rte_memseg* segment, void*) {
  if (list->external == 0) madvise(segment->addr, segment->len, MADV_DONTDUMP);
  return 0;
}

void exclude_allocated(rte_mem_event event, const void* address, size_t bytes, void*) {
  if (event == RTE_MEM_EVENT_ALLOC) madvise(const_cast<void*>(address), bytes, MADV_DONTDUMP);
}

}  // namespace

EspShape esp_shape(api::Algorithm algorithm) {
  switch (algorithm) {
    case api::Algorithm::kAes128Gcm16:
    case api::Algorithm::kAes192Gcm16:
    case api::Algorithm::kAes256Gcm16:
      return {kIvBytes, kIcvBytes, kAlignBytes};
  }
  return {};
}

KeySizes key_sizes(api::Algorithm algorithm) {
  switch (algorithm) {
    case api::Algorithm::kAes128Gcm16:
      return {kSaltBytes, 16 + kSaltBytes};
    case api::Algorithm::kAes192Gcm16:
      return {kSaltBytes, 24 + kSaltBytes};
    case api::Algorithm::kAes256Gcm16:
      return {kSaltBytes, 32 + kSaltBytes};
  }
  return {};
}

api::Error CipherKey::expand(const CryptoEngine& engine, const api::SaKeys& keys) {
  const KeySizes sizes = key_sizes(keys.algorithm);
  if (sizes.key_bytes == 0) return api::Error::kUnsupported;
  if (keys.key_bytes != sizes.key_bytes || keys.integrity_key_bytes != 0) return api::Error::kInvalid;
  auto* schedule = reinterpret_cast<gcm_key_data*>(schedule_.data());
  IMB_MGR* library = engine.library();
  switch (keys.algorithm) {
    case api::Algorithm::kAes128Gcm16:
      IMB_AES128_GCM_PRE(library, keys.key.data(), schedule);
      break;
    case api::Algorithm::kAes192Gcm16:
      IMB_AES192_GCM_PRE(library, keys.key.data(), schedule);
      break;
    case api::Algorithm::kAes256Gcm16:
      IMB_AES256_GCM_PRE(library, keys.key.data(), schedule);
      break;
  }
  memcpy(&salt_, keys.key.data() + sizes.key_bytes - sizes.salt_bytes, sizeof(salt_));
  algorithm_ = keys.algorithm;
  return api::Error::kNone;
}

bool CipherKey::matches(const CryptoEngine& engine, const api::SaKeys& keys) const {
  CipherKey other;
  if (keys.algorithm != algorithm_ || other.expand(engine, keys) != api::Error::kNone) return false;
  uint32_t difference = salt_ ^ other.salt_;
  for (size_t i = 0; i < schedule_.size(); ++i)
    difference |= std::to_integer<uint32_t>(schedule_[i] ^ other.schedule_[i]);
  return difference == 0;
}

void CipherKey::wipe() {
  explicit_bzero(schedule_.data(), schedule_.size());
  explicit_bzero(&salt_, sizeof(salt_));
}

void exclude_memory_from_dumps() {
  // The callback comes first, so that no segment slips in between. It fails where memory can't grow
  // (--no-huge): then the walk sees all of it.
  rte_mem_event_callback_register("sallyport-no-dump", exclude_allocated, nullptr);
  rte_memseg_walk(exclude_segment, nullptr);
}

}  // namespace sallyport::dataplane
