// SPDX-License-Identifier: BSD-3-Clause
// Every algorithm of the API beside the oracle's words for it. Sizes are the RFCs', counted by hand.
#pragma once

#include "dataplane/api/algorithm.h"
#include "tests/dataplane/esp_oracle.h"

namespace sallyport::dataplane::testing {

struct AlgorithmRow {
  const char* name;  // strongSwan's word, with _ for -
  api::Algorithm algorithm;
  api::Integrity integrity;
  OracleCipher cipher;
  size_t key_bytes;  // salt included
  size_t icv_bytes;
  const char* digest;
  size_t integrity_key_bytes;
};

// In one order, for tests to be named by.
inline std::vector<AlgorithmRow> all_algorithms() {
  using enum api::Algorithm;
  using enum OracleCipher;
  using enum api::Integrity;
  return {
      {"aes128gcm16", kAes128Gcm16, kNone, kGcm, 20, 16, nullptr, 0},
      {"aes192gcm16", kAes192Gcm16, kNone, kGcm, 28, 16, nullptr, 0},
      {"aes256gcm16", kAes256Gcm16, kNone, kGcm, 36, 16, nullptr, 0},
      {"aes128gcm12", kAes128Gcm12, kNone, kGcm, 20, 12, nullptr, 0},
      {"aes192gcm12", kAes192Gcm12, kNone, kGcm, 28, 12, nullptr, 0},
      {"aes256gcm12", kAes256Gcm12, kNone, kGcm, 36, 12, nullptr, 0},
      {"aes128gcm8", kAes128Gcm8, kNone, kGcm, 20, 8, nullptr, 0},
      {"aes192gcm8", kAes192Gcm8, kNone, kGcm, 28, 8, nullptr, 0},
      {"aes256gcm8", kAes256Gcm8, kNone, kGcm, 36, 8, nullptr, 0},
      {"aes128gmac", kAes128Gmac, kNone, kGmac, 20, 16, nullptr, 0},
      {"aes192gmac", kAes192Gmac, kNone, kGmac, 28, 16, nullptr, 0},
      {"aes256gmac", kAes256Gmac, kNone, kGmac, 36, 16, nullptr, 0},
      {"aes128ccm16", kAes128Ccm16, kNone, kCcm, 19, 16, nullptr, 0},
      {"aes256ccm16", kAes256Ccm16, kNone, kCcm, 35, 16, nullptr, 0},
      {"aes128ccm12", kAes128Ccm12, kNone, kCcm, 19, 12, nullptr, 0},
      {"aes256ccm12", kAes256Ccm12, kNone, kCcm, 35, 12, nullptr, 0},
      {"aes128ccm8", kAes128Ccm8, kNone, kCcm, 19, 8, nullptr, 0},
      {"aes256ccm8", kAes256Ccm8, kNone, kCcm, 35, 8, nullptr, 0},
      {"chacha20poly1305", kChaCha20Poly1305, kNone, kChaCha, 36, 16, nullptr, 0},
      {"aes128_sha1", kAes128Cbc, kHmacSha1_96, kCbc, 16, 12, "SHA1", 20},
      {"aes128_sha256", kAes128Cbc, kHmacSha256_128, kCbc, 16, 16, "SHA256", 32},
      {"aes128_sha384", kAes128Cbc, kHmacSha384_192, kCbc, 16, 24, "SHA384", 48},
      {"aes128_sha512", kAes128Cbc, kHmacSha512_256, kCbc, 16, 32, "SHA512", 64},
      {"aes192_sha1", kAes192Cbc, kHmacSha1_96, kCbc, 24, 12, "SHA1", 20},
      {"aes192_sha256", kAes192Cbc, kHmacSha256_128, kCbc, 24, 16, "SHA256", 32},
      {"aes192_sha384", kAes192Cbc, kHmacSha384_192, kCbc, 24, 24, "SHA384", 48},
      {"aes192_sha512", kAes192Cbc, kHmacSha512_256, kCbc, 24, 32, "SHA512", 64},
      {"aes256_sha1", kAes256Cbc, kHmacSha1_96, kCbc, 32, 12, "SHA1", 20},
      {"aes256_sha256", kAes256Cbc, kHmacSha256_128, kCbc, 32, 16, "SHA256", 32},
      {"aes256_sha384", kAes256Cbc, kHmacSha384_192, kCbc, 32, 24, "SHA384", 48},
      {"aes256_sha512", kAes256Cbc, kHmacSha512_256, kCbc, 32, 32, "SHA512", 64},
      {"null_sha1", kNull, kHmacSha1_96, kCleartext, 0, 12, "SHA1", 20},
      {"null_sha256", kNull, kHmacSha256_128, kCleartext, 0, 16, "SHA256", 32},
      {"null_sha384", kNull, kHmacSha384_192, kCleartext, 0, 24, "SHA384", 48},
      {"null_sha512", kNull, kHmacSha512_256, kCleartext, 0, 32, "SHA512", 64},
  };
}

// An SA with keys of its own.
inline OracleSa oracle_sa(const AlgorithmRow& row, bool esn) {
  OracleSa sa;
  sa.cipher = row.cipher;
  sa.icv_bytes = row.icv_bytes;
  sa.digest = row.digest;
  sa.esn = esn;
  sa.key.resize(row.key_bytes);
  sa.integrity_key.resize(row.integrity_key_bytes);
  for (size_t i = 0; i < sa.key.size(); ++i)
    sa.key[i] = static_cast<uint8_t>(i * 37 + row.key_bytes + row.icv_bytes);
  for (size_t i = 0; i < sa.integrity_key.size(); ++i)
    sa.integrity_key[i] = static_cast<uint8_t>(i * 41 + row.key_bytes);
  return sa;
}

// The row whose oracle's words are the SA's.
inline AlgorithmRow row_of(const OracleSa& sa) {
  for (const AlgorithmRow& row : all_algorithms()) {
    if (row.cipher == sa.cipher && row.key_bytes == sa.key.size() && row.icv_bytes == sa.icv_bytes &&
        row.integrity_key_bytes == sa.integrity_key.size()) {
      return row;
    }
  }
  return {};
}

}  // namespace sallyport::dataplane::testing
