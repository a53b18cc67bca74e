// SPDX-License-Identifier: BSD-3-Clause
// CryptoJobs turned into the library's jobs. Worker threads.
#include "dataplane/crypto/job_burst.h"

#include <intel-ipsec-mb.h>
#include <rte_prefetch.h>

#include <cstring>

#include "dataplane/crypto/gcm_variants.h"
#include "dataplane/crypto/hmac_burst.h"
#include "dataplane/crypto/key_schedule.h"
#include "dataplane/crypto/same_tag.h"

namespace sallyport::dataplane {

namespace {

constexpr uint32_t kMaxIcvBytes = 16, kCacheLineBytes = 64;
constexpr uint32_t kNonceBytes = 12;                          // RFC 7634 section 2
constexpr uint32_t kCcmNonceOffset = 1, kCcmNonceBytes = 11;  // RFC 4309 section 4
static_assert(IMB_MAX_BURST_SIZE >= kMaxCryptoBurst);

using Icv = std::array<uint8_t, kMaxIcvBytes>;

// Packets of AES-CCM and ChaCha20-Poly1305 of one call to the library, in its order.
struct Burst {
  uint32_t count = 0;
  std::array<CryptoJob*, kMaxCryptoBurst> jobs;
  std::array<IMB_JOB*, kMaxCryptoBurst> library_jobs;
  alignas(64) std::array<Icv, kMaxCryptoBurst> received, computed;  // when decrypting
};

const KeySchedule& schedule_of(const CryptoJob& job) {
  return *static_cast<const KeySchedule*>(job.key->schedule());
}

// Round keys of AES-CCM, or ChaCha20's key.
void prefetch_key(const CryptoJob& job) {
  const auto& encrypt = schedule_of(job).encrypt;
  for (size_t offset = 0; offset < encrypt.size(); offset += kCacheLineBytes)
    rte_prefetch0(encrypt.data() + offset);
}

void fill_combined(IMB_JOB& library_job, const CryptoJob& job) {
  library_job.src = job.text;
  library_job.cipher_start_src_offset_in_bytes = 0;
  library_job.hash_start_src_offset_in_bytes = 0;
  library_job.msg_len_to_hash_in_bytes = job.text_bytes;
}

void fill_chacha(IMB_JOB& library_job, const CryptoJob& job) {
  fill_combined(library_job, job);
  library_job.dec_keys = schedule_of(job).encrypt.data();
  library_job.iv = job.nonce.data();
  library_job.iv_len_in_bytes = kNonceBytes;
  library_job.cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
  library_job.hash_alg = IMB_AUTH_CHACHA20_POLY1305;
  library_job.u.CHACHA20_POLY1305 = {job.aad.data(), job.aad_bytes, nullptr};
}

// CCM authenticates the plaintext (RFC 3610), so its order is the opposite of the others'; of its cipher only
// the encrypting direction exists.
void fill_ccm(IMB_JOB& library_job, const CryptoJob& job, CryptoDirection direction) {
  fill_combined(library_job, job);
  library_job.dec_keys = schedule_of(job).encrypt.data();
  library_job.iv = job.nonce.data() + kCcmNonceOffset;
  library_job.iv_len_in_bytes = kCcmNonceBytes;
  library_job.cipher_mode = IMB_CIPHER_CCM;
  library_job.hash_alg = IMB_AUTH_AES_CCM;
  library_job.chain_order =
      direction == CryptoDirection::kEncrypt ? IMB_ORDER_HASH_CIPHER : IMB_ORDER_CIPHER_HASH;
  library_job.u.CCM = {job.aad.data(), job.aad_bytes};
}

void fill(IMB_JOB& library_job, const CryptoJob& job, CryptoDirection direction, uint8_t* icv) {
  const bool encrypts = direction == CryptoDirection::kEncrypt;
  const KeySchedule& schedule = schedule_of(job);
  library_job.enc_keys = schedule.encrypt.data();
  library_job.dec_keys = schedule.decrypt.data();
  library_job.key_len_in_bytes = job.key->traits().cipher_key_bytes;
  library_job.dst = job.text;
  library_job.msg_len_to_cipher_in_bytes = job.text_bytes;
  library_job.auth_tag_output = icv;
  library_job.auth_tag_output_len_in_bytes = job.key->icv_bytes();
  library_job.cipher_direction = encrypts ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
  library_job.chain_order = encrypts ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
  if (job.key->traits().kind == CipherKind::kCcm)
    fill_ccm(library_job, job, direction);
  else
    fill_chacha(library_job, job);
}

void submit(IMB_MGR* library, Burst& burst, CryptoDirection direction) {
  std::array<IMB_JOB*, kMaxCryptoBurst> slots;
  if (IMB_GET_NEXT_BURST(library, burst.count, slots.data()) != burst.count) return;
  for (uint32_t i = 0; i < burst.count; ++i) {
    CryptoJob& job = *burst.jobs[i];
    burst.library_jobs[i] = slots[i];
    uint8_t* icv = job.icv();
    if (direction == CryptoDirection::kDecrypt) {
      std::memcpy(burst.received[i].data(), icv, job.key->icv_bytes());
      icv = burst.computed[i].data();
    }
    fill(*slots[i], job, direction, icv);
  }
  uint32_t done = IMB_SUBMIT_BURST_NOCHECK(library, burst.count, slots.data());
  while (done < burst.count) {
    const uint32_t flushed = IMB_FLUSH_BURST(library, burst.count - done, slots.data());
    if (flushed == 0) break;
    done += flushed;
  }
}

// An empty library refuses no burst of this size; what it left undone all the same stays `ok` false.
void run(IMB_MGR* library, Burst& burst, CryptoDirection direction) {
  burst.library_jobs.fill(nullptr);
  submit(library, burst, direction);
  for (uint32_t i = 0; i < burst.count; ++i) {
    const IMB_JOB* library_job = burst.library_jobs[i];
    const bool completed = library_job != nullptr && library_job->status == IMB_STATUS_COMPLETED;
    CryptoJob& job = *burst.jobs[i];
    job.ok =
        completed && (direction == CryptoDirection::kEncrypt ||
                      same_tag(burst.received[i].data(), burst.computed[i].data(), job.key->icv_bytes()));
  }
  burst.count = 0;
}

bool is_ours(const CryptoJob& job) {
  return job.key != nullptr && job.algorithm > api::Algorithm::kAes256Gcm16;
}

}  // namespace

[[gnu::noinline]] void run_job_burst(IMB_MGR* library, std::span<CryptoJob> jobs, CryptoDirection direction) {
  Burst burst;
  std::array<CryptoJob*, kMaxCryptoBurst> hmac_jobs;
  size_t hmac_count = 0;
  for (CryptoJob& job : jobs) {
    if (!is_ours(job)) continue;
    const CipherKind kind = job.key->traits().kind;
    if (kind == CipherKind::kGcm || kind == CipherKind::kGmac) {
      job.ok = run_gcm_variant(library, job, direction);
      continue;
    }
    if (kind == CipherKind::kCbc || kind == CipherKind::kNull) {
      prefetch_hmac_key(job, direction);
      hmac_jobs[hmac_count++] = &job;
      continue;
    }
    prefetch_key(job);
    burst.jobs[burst.count++] = &job;
  }
  if (burst.count > 0) run(library, burst, direction);
  if (hmac_count > 0) run_hmac_burst(library, {hmac_jobs.data(), hmac_count}, direction);
}

}  // namespace sallyport::dataplane
