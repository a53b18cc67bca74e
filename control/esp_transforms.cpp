// SPDX-License-Identifier: BSD-3-Clause
#include "control/esp_transforms.h"

#include <algorithm>
#include <array>

namespace sallyport::control {
namespace {

struct EncryptionRow {
  uint16_t id;
  size_t key_bytes;
  api::Algorithm algorithm;
  const char* name;
};

struct IntegrityRow {
  uint16_t id;
  api::Integrity integrity;
  const char* name;
};

// IANA, IKEv2 transform type 1. Keys have their salt: GCM and GMAC 4 bytes (RFC 4106 section 8.1), CCM 3 (RFC
// 4309 section 7.1), ChaCha20 4 (RFC 7634 section 3).
constexpr std::array kEncryptions = {
    EncryptionRow{20, 20, api::Algorithm::kAes128Gcm16, "aes128gcm16"},
    EncryptionRow{20, 28, api::Algorithm::kAes192Gcm16, "aes192gcm16"},
    EncryptionRow{20, 36, api::Algorithm::kAes256Gcm16, "aes256gcm16"},
    EncryptionRow{19, 20, api::Algorithm::kAes128Gcm12, "aes128gcm12"},
    EncryptionRow{19, 28, api::Algorithm::kAes192Gcm12, "aes192gcm12"},
    EncryptionRow{19, 36, api::Algorithm::kAes256Gcm12, "aes256gcm12"},
    EncryptionRow{18, 20, api::Algorithm::kAes128Gcm8, "aes128gcm8"},
    EncryptionRow{18, 28, api::Algorithm::kAes192Gcm8, "aes192gcm8"},
    EncryptionRow{18, 36, api::Algorithm::kAes256Gcm8, "aes256gcm8"},
    EncryptionRow{21, 20, api::Algorithm::kAes128Gmac, "aes128gmac"},
    EncryptionRow{21, 28, api::Algorithm::kAes192Gmac, "aes192gmac"},
    EncryptionRow{21, 36, api::Algorithm::kAes256Gmac, "aes256gmac"},
    EncryptionRow{16, 19, api::Algorithm::kAes128Ccm16, "aes128ccm16"},
    EncryptionRow{16, 35, api::Algorithm::kAes256Ccm16, "aes256ccm16"},
    EncryptionRow{15, 19, api::Algorithm::kAes128Ccm12, "aes128ccm12"},
    EncryptionRow{15, 35, api::Algorithm::kAes256Ccm12, "aes256ccm12"},
    EncryptionRow{14, 19, api::Algorithm::kAes128Ccm8, "aes128ccm8"},
    EncryptionRow{14, 35, api::Algorithm::kAes256Ccm8, "aes256ccm8"},
    EncryptionRow{28, 36, api::Algorithm::kChaCha20Poly1305, "chacha20poly1305"},
    EncryptionRow{12, 16, api::Algorithm::kAes128Cbc, "aes128"},
    EncryptionRow{12, 24, api::Algorithm::kAes192Cbc, "aes192"},
    EncryptionRow{12, 32, api::Algorithm::kAes256Cbc, "aes256"},
    EncryptionRow{11, 0, api::Algorithm::kNull, "null"},
};

// Transform type 3.
constexpr std::array kIntegrities = {
    IntegrityRow{0, api::Integrity::kNone, ""},
    IntegrityRow{2, api::Integrity::kHmacSha1_96, "sha1"},
    IntegrityRow{12, api::Integrity::kHmacSha256_128, "sha256"},
    IntegrityRow{13, api::Integrity::kHmacSha384_192, "sha384"},
    IntegrityRow{14, api::Integrity::kHmacSha512_256, "sha512"},
};

}  // namespace

std::optional<EspTransforms> transforms_of(uint16_t encryption, size_t key_bytes, uint16_t integrity) {
  const auto cipher = std::find_if(kEncryptions.begin(), kEncryptions.end(), [&](const EncryptionRow& row) {
    return row.id == encryption && row.key_bytes == key_bytes;
  });
  const auto hmac = std::find_if(kIntegrities.begin(), kIntegrities.end(),
                                 [&](const IntegrityRow& row) { return row.id == integrity; });
  if (cipher == kEncryptions.end() || hmac == kIntegrities.end()) return std::nullopt;
  return EspTransforms{cipher->algorithm, hmac->integrity};
}

std::string algorithm_name(api::Algorithm algorithm, api::Integrity integrity) {
  const auto cipher = std::find_if(kEncryptions.begin(), kEncryptions.end(),
                                   [&](const EncryptionRow& row) { return row.algorithm == algorithm; });
  const auto hmac = std::find_if(kIntegrities.begin(), kIntegrities.end(),
                                 [&](const IntegrityRow& row) { return row.integrity == integrity; });
  if (cipher == kEncryptions.end() || hmac == kIntegrities.end()) return "unknown";
  const std::string name = cipher->name;
  return integrity == api::Integrity::kNone ? name : name + "-" + hmac->name;
}

}  // namespace sallyport::control
