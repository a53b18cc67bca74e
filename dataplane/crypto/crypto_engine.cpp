// SPDX-License-Identifier: BSD-3-Clause
// AES-GCM with a 16-byte ICV on Intel IPsec-MB 1.3, by its direct calls: one packet each, no job to fill, and
// room between two calls to fetch the key of a packet a few places ahead (bench/NOTES.md has the numbers of
// the alternatives). The other algorithms are left to job_burst. Worker threads.
#include "dataplane/crypto/crypto_engine.h"

#include <intel-ipsec-mb.h>
#include <rte_prefetch.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "dataplane/crypto/job_burst.h"

namespace sallyport::dataplane {

namespace {

constexpr uint32_t kGcmIcvBytes = 16, kBlockBytes = 16, kCacheLineBytes = 64;
constexpr size_t kKeysAhead = 4;  // jobs between fetching a key and using it

// The library keeps the powers of the hash key at the schedule's end, the first power last; a text of n
// blocks needs n + 1 of them, up to 48.
constexpr uint32_t kHashKeysEnd = 1008, kMaxHashKeys = 48;
static_assert(kHashKeysEnd <= sizeof(gcm_key_data));

// Just the lines of the schedule that a text of this size needs: round keys, 11 to 15 blocks of them, and
// powers of the hash key. Of another algorithm's schedule some lines, which does no harm.
[[gnu::always_inline]] inline void prefetch_key(const CryptoJob& job) {
  const auto* schedule = static_cast<const std::byte*>(job.key->schedule());
  const uint32_t blocks = std::min(job.text_bytes / kBlockBytes + 2, kMaxHashKeys);
  rte_prefetch0(schedule);
  rte_prefetch0(schedule + kCacheLineBytes);
  rte_prefetch0(schedule + 2 * kCacheLineBytes);
  if (job.algorithm != api::Algorithm::kAes128Gcm16) rte_prefetch0(schedule + 3 * kCacheLineBytes);
  for (uint32_t offset = (kHashKeysEnd - blocks * kBlockBytes) & ~(kCacheLineBytes - 1);
       offset < kHashKeysEnd; offset += kCacheLineBytes)
    rte_prefetch0(schedule + offset);
}

// Calls work(job) for each job that has a key, its key fetched before.
template <typename Work>
[[gnu::always_inline]] inline void for_each_job(std::span<CryptoJob> jobs, Work work) {
  const CipherKey* fetched = nullptr;
  const auto fetch = [&](const CryptoJob& job) {
    if (job.key == fetched) return;
    fetched = job.key;
    if (job.key != nullptr) prefetch_key(job);
  };
  const auto run = [&](CryptoJob& job) { job.ok = job.key != nullptr && work(job); };
  const size_t ahead = std::min(kKeysAhead, jobs.size());
  for (const CryptoJob& job : jobs.first(ahead))
    fetch(job);
  for (CryptoJob& job : jobs.first(jobs.size() - ahead)) {
    fetch(*(&job + kKeysAhead));
    run(job);
  }
  for (CryptoJob& job : jobs.last(ahead))
    run(job);
}

// Constant time: the position of the first wrong byte tells nothing.
bool same_tag(const uint8_t* a, const uint8_t* b) {
  uint64_t left[2], right[2];
  std::memcpy(left, a, kGcmIcvBytes);
  std::memcpy(right, b, kGcmIcvBytes);
  return ((left[0] ^ right[0]) | (left[1] ^ right[1])) == 0;
}

}  // namespace

std::unique_ptr<CryptoEngine> CryptoEngine::create() {
  IMB_MGR* library = alloc_mb_mgr(0);
  if (library == nullptr) return nullptr;
  IMB_ARCH arch = IMB_ARCH_NONE;
  init_mb_mgr_auto(library, &arch);
  if (imb_get_errno(library) != 0 || arch == IMB_ARCH_NONE || arch == IMB_ARCH_NOAESNI) {
    free_mb_mgr(library);
    return nullptr;
  }
  return std::unique_ptr<CryptoEngine>(new CryptoEngine(library));
}

CryptoEngine::~CryptoEngine() {
  free_mb_mgr(library_);
}

void CryptoEngine::encrypt(std::span<CryptoJob> jobs) {
  bool others = false;
  for_each_job(jobs, [library = library_, &others](CryptoJob& job) {
    gcm_context_data context;
    const auto* schedule = static_cast<const gcm_key_data*>(job.key->schedule());
    const auto run = [&](auto call) {
      call(schedule, &context, job.text, job.text, job.text_bytes, job.nonce.data(), job.aad.data(),
           job.aad_bytes, job.icv(), kGcmIcvBytes);
      return true;
    };
    if (job.algorithm == api::Algorithm::kAes128Gcm16) return run(library->gcm128_enc);
    if (job.algorithm == api::Algorithm::kAes256Gcm16) return run(library->gcm256_enc);
    if (job.algorithm == api::Algorithm::kAes192Gcm16) return run(library->gcm192_enc);
    others = true;
    return false;
  });
  if (others) [[unlikely]]
    run_job_burst(library_, jobs, CryptoDirection::kEncrypt);
}

void CryptoEngine::decrypt(std::span<CryptoJob> jobs) {
  bool others = false;
  for_each_job(jobs, [library = library_, &others](CryptoJob& job) {
    gcm_context_data context;
    alignas(16) std::array<uint8_t, kGcmIcvBytes> tag;
    const auto* schedule = static_cast<const gcm_key_data*>(job.key->schedule());
    const auto run = [&](auto call) {
      call(schedule, &context, job.text, job.text, job.text_bytes, job.nonce.data(), job.aad.data(),
           job.aad_bytes, tag.data(), kGcmIcvBytes);
      return same_tag(tag.data(), job.icv());
    };
    if (job.algorithm == api::Algorithm::kAes128Gcm16) return run(library->gcm128_dec);
    if (job.algorithm == api::Algorithm::kAes256Gcm16) return run(library->gcm256_dec);
    if (job.algorithm == api::Algorithm::kAes192Gcm16) return run(library->gcm192_dec);
    others = true;
    return false;
  });
  if (others) [[unlikely]]
    run_job_burst(library_, jobs, CryptoDirection::kDecrypt);
}

std::string_view CryptoEngine::implementation() const {
  const uint64_t features = library_->features;
  if (library_->used_arch == IMB_ARCH_AVX512) {
    return (features & IMB_CPUFLAGS_AVX512_T2) == IMB_CPUFLAGS_AVX512_T2 ? "VAES-AVX512" : "AVX512";
  }
  if (library_->used_arch == IMB_ARCH_AVX2) return "AVX2";
  return library_->used_arch == IMB_ARCH_AVX ? "AVX" : "SSE";
}

}  // namespace sallyport::dataplane
