// SPDX-License-Identifier: BSD-3-Clause
// CryptoJobs turned into the library's jobs. Worker threads.
#include "dataplane/crypto/job_burst.h"

#include <intel-ipsec-mb.h>
#include <rte_prefetch.h>

#include <cstring>

#include "dataplane/crypto/gcm_variants.h"
#include "dataplane/crypto/key_schedule.h"
#include "dataplane/crypto/same_tag.h"

namespace sallyport::dataplane {

namespace {

constexpr uint32_t kEspHeaderBytes = 8, kBlockBytes = 16, kMaxIcvBytes = 32, kCacheLineBytes = 64;
constexpr uint32_t kEsnAadBytes = 12;                         // SPI, high word, low word
constexpr uint32_t kHighWordOffset = 4, kHighWordBytes = 4;   // of the sequence number, in the AAD
constexpr uint32_t kSequenceOffset = 4, kSequenceBytes = 8;   // in the nonce
constexpr uint32_t kNonceBytes = 12;                          // RFC 7634 section 2
constexpr uint32_t kCcmNonceOffset = 1, kCcmNonceBytes = 11;  // RFC 4309 section 4
static_assert(IMB_MAX_BURST_SIZE >= kMaxCryptoBurst);

using Icv = std::array<uint8_t, kMaxIcvBytes>;

// Packets of one call to the library, in its order.
struct Burst {
  uint32_t count = 0;
  std::array<CryptoJob*, kMaxCryptoBurst> jobs;
  std::array<IMB_JOB*, kMaxCryptoBurst> library_jobs;
  alignas(64) std::array<Icv, kMaxCryptoBurst> received, computed;  // when decrypting
};

const KeySchedule& schedule_of(const CryptoJob& job) {
  return *static_cast<const KeySchedule*>(job.key->schedule());
}

void prefetch_schedule(const CryptoJob& job) {
  const auto* schedule = static_cast<const std::byte*>(job.key->schedule());
  for (size_t offset = 0; offset < sizeof(KeySchedule); offset += kCacheLineBytes)
    rte_prefetch0(schedule + offset);
}

// RFC 3602 section 3, RFC 4303 section 3.3.2.2: an IV that nobody can predict. A sequence number is used once
// under the SA, and the key is of the SA's present life only, so an IV isn't used again either.
void write_iv(const IMB_MGR& library, const CryptoJob& job) {
  alignas(16) std::array<uint8_t, kBlockBytes> number{};
  alignas(16) constexpr std::array<uint8_t, kBlockBytes> kZero{};
  std::memcpy(number.data() + kBlockBytes - kSequenceBytes, job.nonce.data() + kSequenceOffset,
              kSequenceBytes);
  // CFB of one block of zeros is the encrypted block itself.
  library.aes128_cfb_one(job.text - kBlockBytes, kZero.data(), number.data(), schedule_of(job).iv.data(),
                         kBlockBytes);
}

IMB_HASH_ALG hash_of(api::Integrity integrity) {
  switch (integrity) {
    using enum api::Integrity;
    case kNone:
      break;
    case kHmacSha1_96:
      return IMB_AUTH_HMAC_SHA_1;
    case kHmacSha256_128:
      return IMB_AUTH_HMAC_SHA_256;
    case kHmacSha384_192:
      return IMB_AUTH_HMAC_SHA_384;
    case kHmacSha512_256:
      return IMB_AUTH_HMAC_SHA_512;
  }
  return IMB_AUTH_NULL;
}

// RFC 4303 section 2.8: the ICV covers the ESP header to the end of the ciphertext, and behind it, with ESN,
// the sequence number's high word, which isn't sent. It takes the ICV's place for as long as is hashed.
void fill_hmac(IMB_JOB& library_job, const CryptoJob& job) {
  const KeySchedule& schedule = schedule_of(job);
  const AlgorithmTraits& traits = job.key->traits();
  const uint32_t head_bytes = kEspHeaderBytes + traits.iv_bytes;
  const bool esn = job.aad_bytes == kEsnAadBytes;
  if (esn) std::memcpy(job.icv(), job.aad.data() + kHighWordOffset, kHighWordBytes);
  library_job.src = job.text - head_bytes;
  library_job.cipher_start_src_offset_in_bytes = head_bytes;
  library_job.hash_start_src_offset_in_bytes = 0;
  library_job.msg_len_to_hash_in_bytes = head_bytes + job.text_bytes + (esn ? kHighWordBytes : 0);
  library_job.iv = job.text - kBlockBytes;
  library_job.iv_len_in_bytes = kBlockBytes;
  library_job.cipher_mode = traits.kind == CipherKind::kCbc ? IMB_CIPHER_CBC : IMB_CIPHER_NULL;
  library_job.hash_alg = hash_of(job.key->integrity());
  library_job.u.HMAC._hashed_auth_key_xor_ipad = reinterpret_cast<const uint8_t*>(schedule.inner.data());
  library_job.u.HMAC._hashed_auth_key_xor_opad = reinterpret_cast<const uint8_t*>(schedule.outer.data());
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

void fill(const IMB_MGR& library, IMB_JOB& library_job, const CryptoJob& job, CryptoDirection direction,
          uint8_t* icv) {
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
  switch (job.key->traits().kind) {
    case CipherKind::kCbc:
      if (encrypts) write_iv(library, job);
      [[fallthrough]];
    case CipherKind::kNull:
      return fill_hmac(library_job, job);
    case CipherKind::kChaChaPoly:
      return fill_chacha(library_job, job);
    case CipherKind::kCcm:
      return fill_ccm(library_job, job, direction);
    case CipherKind::kGcm:
    case CipherKind::kGmac:
      return;
  }
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
    fill(*library, *slots[i], job, direction, icv);
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
  for (CryptoJob& job : jobs) {
    if (!is_ours(job)) continue;
    const CipherKind kind = job.key->traits().kind;
    if (kind == CipherKind::kGcm || kind == CipherKind::kGmac) {
      job.ok = run_gcm_variant(library, job, direction);
      continue;
    }
    prefetch_schedule(job);
    burst.jobs[burst.count++] = &job;
    if (burst.count == kMaxCryptoBurst) run(library, burst, direction);
  }
  if (burst.count > 0) run(library, burst, direction);
}

}  // namespace sallyport::dataplane
