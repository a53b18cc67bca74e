// SPDX-License-Identifier: BSD-3-Clause
// Key expansion and wiping. Manager thread.
#include "dataplane/crypto/cipher_key.h"

#include <intel-ipsec-mb.h>
#include <rte_eal_memconfig.h>
#include <rte_memory.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "dataplane/crypto/crypto_engine.h"
#include "dataplane/crypto/key_schedule.h"

namespace sallyport::dataplane {

static_assert(sizeof(gcm_key_data) <= CipherKey::kScheduleBytes &&
              alignof(gcm_key_data) <= alignof(CipherKey));

namespace {

using RoundKeys = std::array<std::byte, KeySchedule::kMaxRoundKeys>;

bool is_gcm(CipherKind kind) {
  return kind == CipherKind::kGcm || kind == CipherKind::kGmac;
}

void expand_aes(IMB_MGR* library, const uint8_t* key, size_t key_bytes, void* encrypt, void* decrypt) {
  switch (key_bytes) {
    case 16:
      IMB_AES_KEYEXP_128(library, key, encrypt, decrypt);
      break;
    case 24:
      IMB_AES_KEYEXP_192(library, key, encrypt, decrypt);
      break;
    case 32:
      IMB_AES_KEYEXP_256(library, key, encrypt, decrypt);
      break;
  }
}

// One block through the hash's compression function, from its initial state.
void hash_block(IMB_MGR* library, api::Integrity integrity, const void* block, void* state) {
  switch (integrity) {
    using enum api::Integrity;
    case kNone:
      break;
    case kHmacSha1_96:
      IMB_SHA1_ONE_BLOCK(library, block, state);
      break;
    case kHmacSha256_128:
      IMB_SHA256_ONE_BLOCK(library, block, state);
      break;
    case kHmacSha384_192:
      IMB_SHA384_ONE_BLOCK(library, block, state);
      break;
    case kHmacSha512_256:
      IMB_SHA512_ONE_BLOCK(library, block, state);
      break;
  }
}

// The key that makes CBC's IVs: of this SA's present life alone. False where there is no randomness.
bool draw_iv_key(IMB_MGR* library, KeySchedule& schedule) {
  std::array<uint8_t, 16> key;
  if (getrandom(key.data(), key.size(), 0) != static_cast<ssize_t>(key.size())) return false;
  alignas(16) RoundKeys unused;
  expand_aes(library, key.data(), key.size(), schedule.iv.data(), unused.data());
  explicit_bzero(key.data(), key.size());
  explicit_bzero(unused.data(), unused.size());
  return true;
}

int exclude_segment(const rte_memseg_list* list, const rte_memseg* segment, void*) {
  if (list->external == 0) madvise(segment->addr, segment->len, MADV_DONTDUMP);
  return 0;
}

void exclude_allocated(rte_mem_event event, const void* address, size_t bytes, void*) {
  if (event == RTE_MEM_EVENT_ALLOC) madvise(const_cast<void*>(address), bytes, MADV_DONTDUMP);
}

}  // namespace

void CipherKey::expand_gcm(IMB_MGR* library, const api::SaKeys& keys) {
  auto* schedule = reinterpret_cast<gcm_key_data*>(schedule_.data());
  switch (traits_.cipher_key_bytes) {
    case 16:
      IMB_AES128_GCM_PRE(library, keys.key.data(), schedule);
      break;
    case 24:
      IMB_AES192_GCM_PRE(library, keys.key.data(), schedule);
      break;
    case 32:
      IMB_AES256_GCM_PRE(library, keys.key.data(), schedule);
      break;
  }
}

void CipherKey::expand_encryption(IMB_MGR* library, const api::SaKeys& keys) {
  auto& schedule = *reinterpret_cast<KeySchedule*>(schedule_.data());
  if (traits_.kind == CipherKind::kChaChaPoly) {
    memcpy(schedule.encrypt.data(), keys.key.data(), traits_.cipher_key_bytes);
  } else {
    expand_aes(library, keys.key.data(), traits_.cipher_key_bytes, schedule.encrypt.data(),
               schedule.decrypt.data());
  }
}

// RFC 2104 section 4; a key is never longer than a block.
void CipherKey::expand_integrity(IMB_MGR* library, const api::SaKeys& keys) {
  auto& schedule = *reinterpret_cast<KeySchedule*>(schedule_.data());
  const IntegrityTraits traits = traits_of(keys.integrity);
  alignas(16) std::array<uint8_t, 128> block;
  const auto expand_pad = [&](uint8_t pad, void* state) {
    block.fill(pad);
    for (size_t i = 0; i < traits.key_bytes; ++i)
      block[i] ^= keys.integrity_key[i];
    hash_block(library, keys.integrity, block.data(), state);
  };
  expand_pad(0x36, schedule.inner.data());
  expand_pad(0x5c, schedule.outer.data());
  explicit_bzero(block.data(), block.size());
}

api::Error CipherKey::expand(const CryptoEngine& engine, const api::SaKeys& keys) {
  if (!is_supported(keys.algorithm, keys.integrity)) return api::Error::kUnsupported;
  const KeySizes sizes = key_sizes(keys.algorithm, keys.integrity);
  if (keys.key_bytes != sizes.key_bytes || keys.integrity_key_bytes != sizes.integrity_key_bytes)
    return api::Error::kInvalid;
  IMB_MGR* library = engine.library();
  traits_ = traits_of(keys.algorithm);
  if (is_gcm(traits_.kind)) {
    expand_gcm(library, keys);
  } else {
    expand_encryption(library, keys);
    if (sizes.integrity_key_bytes != 0) expand_integrity(library, keys);
    if (traits_.kind == CipherKind::kCbc &&
        !draw_iv_key(library, *reinterpret_cast<KeySchedule*>(schedule_.data()))) {
      return api::Error::kExhausted;
    }
  }
  salt_ = 0;
  memcpy(reinterpret_cast<uint8_t*>(&salt_) + sizeof(salt_) - sizes.salt_bytes,
         keys.key.data() + sizes.key_bytes - sizes.salt_bytes, sizes.salt_bytes);
  algorithm_ = keys.algorithm;
  integrity_ = keys.integrity;
  icv_bytes_ = esp_shape(keys.algorithm, keys.integrity).icv_bytes;
  return api::Error::kNone;
}

bool CipherKey::matches(const CryptoEngine& engine, const api::SaKeys& keys) const {
  CipherKey other;
  if (keys.algorithm != algorithm_ || keys.integrity != integrity_ ||
      other.expand(engine, keys) != api::Error::kNone) {
    return false;
  }
  const size_t compared_bytes = is_gcm(traits_.kind) ? kScheduleBytes : offsetof(KeySchedule, iv);
  uint32_t difference = salt_ ^ other.salt_;
  for (size_t i = 0; i < compared_bytes; ++i)
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
