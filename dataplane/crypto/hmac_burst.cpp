// SPDX-License-Identifier: BSD-3-Clause
// The library runs a burst's packets side by side in 16 lanes, each step as dear with one lane taken as with
// all. A burst of ciphers and one of hashes, each from the longest text to the shortest, leave fewer lanes
// empty than jobs of both do: with mixed sizes that saves a fifth. Worker threads.
#include "dataplane/crypto/hmac_burst.h"

#include <intel-ipsec-mb.h>
#include <rte_prefetch.h>

#include <algorithm>
#include <cstring>

#include "dataplane/crypto/key_schedule.h"
#include "dataplane/crypto/same_tag.h"

namespace sallyport::dataplane {

namespace {

constexpr uint32_t kEspHeaderBytes = 8, kBlockBytes = 16, kMaxIcvBytes = 32, kCacheLineBytes = 64;
constexpr uint32_t kEsnAadBytes = 12;                        // SPI, high word, low word
constexpr uint32_t kHighWordOffset = 4, kHighWordBytes = 4;  // of the sequence number, in the AAD
constexpr uint32_t kSequenceOffset = 4, kSequenceBytes = 8;  // in the nonce

struct Icvs {
  alignas(64) std::array<std::array<uint8_t, kMaxIcvBytes>, kMaxCryptoBurst> received, computed;
};

const KeySchedule& schedule_of(const CryptoJob& job) {
  return *static_cast<const KeySchedule*>(job.key->schedule());
}

void prefetch(const std::byte* from, size_t bytes) {
  for (size_t offset = 0; offset < bytes; offset += kCacheLineBytes)
    rte_prefetch0(from + offset);
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
void fill(IMB_JOB& library_job, const CryptoJob& job, uint8_t* icv) {
  const KeySchedule& schedule = schedule_of(job);
  const AlgorithmTraits& traits = job.key->traits();
  const uint32_t head_bytes = kEspHeaderBytes + traits.iv_bytes;
  const bool esn = job.aad_bytes == kEsnAadBytes;
  if (esn) std::memcpy(job.icv(), job.aad.data() + kHighWordOffset, kHighWordBytes);
  library_job.enc_keys = schedule.encrypt.data();
  library_job.dec_keys = schedule.decrypt.data();
  library_job.key_len_in_bytes = traits.cipher_key_bytes;
  library_job.src = job.text - head_bytes;
  library_job.dst = job.text;
  library_job.cipher_start_src_offset_in_bytes = head_bytes;
  library_job.msg_len_to_cipher_in_bytes = job.text_bytes;
  library_job.hash_start_src_offset_in_bytes = 0;
  library_job.msg_len_to_hash_in_bytes = head_bytes + job.text_bytes + (esn ? kHighWordBytes : 0);
  library_job.iv = job.text - kBlockBytes;
  library_job.iv_len_in_bytes = kBlockBytes;
  library_job.auth_tag_output = icv;
  library_job.auth_tag_output_len_in_bytes = job.key->icv_bytes();
  library_job.u.HMAC._hashed_auth_key_xor_ipad = reinterpret_cast<const uint8_t*>(schedule.inner.data());
  library_job.u.HMAC._hashed_auth_key_xor_opad = reinterpret_cast<const uint8_t*>(schedule.outer.data());
}

bool of_one_suite(const CryptoJob& a, const CryptoJob& b) {
  return a.algorithm == b.algorithm && a.key->integrity() == b.key->integrity();
}

// Suites together, and in each the longest text first.
bool comes_before(const CryptoJob* a, const CryptoJob* b) {
  if (a->algorithm != b->algorithm) return a->algorithm < b->algorithm;
  if (a->key->integrity() != b->key->integrity()) return a->key->integrity() < b->key->integrity();
  return a->text_bytes > b->text_bytes;
}

bool run_ciphers(IMB_MGR* library, std::span<IMB_JOB> jobs, const AlgorithmTraits& traits,
                 CryptoDirection direction) {
  if (traits.kind == CipherKind::kNull) return true;
  const auto count = static_cast<uint32_t>(jobs.size());
  return IMB_SUBMIT_CIPHER_BURST_NOCHECK(
             library, jobs.data(), count, IMB_CIPHER_CBC,
             direction == CryptoDirection::kEncrypt ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT,
             static_cast<IMB_KEY_SIZE_BYTES>(traits.cipher_key_bytes)) == count;
}

bool run_hashes(IMB_MGR* library, std::span<IMB_JOB> jobs, api::Integrity integrity) {
  const auto count = static_cast<uint32_t>(jobs.size());
  return IMB_SUBMIT_HASH_BURST_NOCHECK(library, jobs.data(), count, hash_of(integrity)) == count;
}

void encrypt_suite(IMB_MGR* library, std::span<CryptoJob*> jobs) {
  std::array<IMB_JOB, kMaxCryptoBurst> slots;
  const std::span<IMB_JOB> library_jobs(slots.data(), jobs.size());
  const CipherKey& first = *jobs[0]->key;
  for (size_t i = 0; i < jobs.size(); ++i) {
    if (first.traits().kind == CipherKind::kCbc) write_iv(*library, *jobs[i]);
    fill(slots[i], *jobs[i], jobs[i]->icv());
  }
  const bool done = run_ciphers(library, library_jobs, first.traits(), CryptoDirection::kEncrypt) &&
                    run_hashes(library, library_jobs, first.integrity());
  for (CryptoJob* job : jobs)
    job->ok = done;
}

void decrypt_suite(IMB_MGR* library, std::span<CryptoJob*> jobs) {
  std::array<IMB_JOB, kMaxCryptoBurst> slots;
  Icvs icvs;
  const std::span<IMB_JOB> library_jobs(slots.data(), jobs.size());
  const CipherKey& first = *jobs[0]->key;
  for (size_t i = 0; i < jobs.size(); ++i) {
    std::memcpy(icvs.received[i].data(), jobs[i]->icv(), first.icv_bytes());
    fill(slots[i], *jobs[i], icvs.computed[i].data());
  }
  const bool done = run_hashes(library, library_jobs, first.integrity()) &&
                    run_ciphers(library, library_jobs, first.traits(), CryptoDirection::kDecrypt);
  for (size_t i = 0; i < jobs.size(); ++i) {
    jobs[i]->ok = done && same_tag(icvs.received[i].data(), icvs.computed[i].data(), first.icv_bytes());
  }
}

}  // namespace

void prefetch_hmac_key(const CryptoJob& job, CryptoDirection direction) {
  const KeySchedule& schedule = schedule_of(job);
  prefetch(schedule.inner.data(), sizeof(schedule.inner) + sizeof(schedule.outer));
  if (job.key->traits().kind == CipherKind::kNull) return;
  const uint32_t round_key_bytes = (job.key->traits().cipher_key_bytes / 4 + 7) * kBlockBytes;
  if (direction == CryptoDirection::kDecrypt) return prefetch(schedule.decrypt.data(), round_key_bytes);
  prefetch(schedule.encrypt.data(), round_key_bytes);
  prefetch(schedule.iv.data(), sizeof(schedule.iv));
}

void run_hmac_burst(IMB_MGR* library, std::span<CryptoJob*> jobs, CryptoDirection direction) {
  if (!std::ranges::is_sorted(jobs, comes_before)) std::ranges::sort(jobs, comes_before);
  while (!jobs.empty()) {
    size_t count = 1;
    while (count < jobs.size() && of_one_suite(*jobs[0], *jobs[count]))
      ++count;
    if (direction == CryptoDirection::kEncrypt)
      encrypt_suite(library, jobs.first(count));
    else
      decrypt_suite(library, jobs.first(count));
    jobs = jobs.subspan(count);
  }
}

}  // namespace sallyport::dataplane
