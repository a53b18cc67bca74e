// SPDX-License-Identifier: BSD-3-Clause
// Encrypts and decrypts bursts of ESP payloads in place. One engine per worker, used by that worker only; the
// only folder that knows the crypto library (Intel IPsec-MB).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "dataplane/crypto/cipher_key.h"

struct IMB_MGR;

namespace sallyport::dataplane {

inline constexpr uint32_t kMaxCryptoBurst = 64;

// One packet's work. `text` is preceded in memory by the ESP header and IV and followed by the ICV; the IV of
// CBC is written by encrypt. Plain data, so that a burst can be filled by one worker and run by another.
struct alignas(64) CryptoJob {
  const CipherKey* key;  // nullptr: no work, the job is skipped
  uint8_t* text;         // encrypted or decrypted in place
  uint32_t text_bytes;
  api::Algorithm algorithm;
  uint8_t aad_bytes;  // 8, or 12 with ESN (RFC 4106 section 5)
  bool ok;            // out: encrypted; or decrypted and the ICV was right
  // Salt and IV in the first 12 bytes; the salt of CCM is three bytes behind a zero. CBC and NULL have no
  // nonce: bytes 4 to 11 are the outbound sequence number.
  std::array<uint8_t, 16> nonce;
  std::array<uint8_t, 16> aad;  // SPI, [high word,] sequence number
  uint8_t* icv() const { return text + text_bytes; }
};
static_assert(sizeof(CryptoJob) == 64);

class CryptoEngine {
 public:
  // nullptr where the CPU lacks AES-NI or memory is short.
  static std::unique_ptr<CryptoEngine> create();
  ~CryptoEngine();
  CryptoEngine(const CryptoEngine&) = delete;
  CryptoEngine& operator=(const CryptoEngine&) = delete;

  // Any mix of keys and algorithms, at most kMaxCryptoBurst jobs. Sets each job's `ok`. Keys need not be in
  // the cache: each is fetched a few jobs ahead.
  void encrypt(std::span<CryptoJob> jobs);
  // As encrypt; a job whose ICV is wrong has `ok` false and garbage for text.
  void decrypt(std::span<CryptoJob> jobs);

  // Which code the library chose: "VAES-AVX512", "AVX512", "AVX2", "AVX", "SSE".
  std::string_view implementation() const;
  IMB_MGR* library() const { return library_; }

 private:
  explicit CryptoEngine(IMB_MGR* library) : library_(library) {}

  IMB_MGR* library_;
};

}  // namespace sallyport::dataplane
