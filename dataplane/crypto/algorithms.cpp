// SPDX-License-Identifier: BSD-3-Clause
// ESP's algorithms as tables.
#include "dataplane/crypto/algorithms.h"

namespace sallyport::dataplane {

namespace {

// RFC 4303 section 2.4: the ciphertext ends on a 4-byte boundary whatever the cipher.
constexpr uint8_t kAlignBytes = 4, kAesBlockBytes = 16, kIvBytes = 8;

constexpr AlgorithmTraits gcm(uint8_t key_bytes, uint8_t icv_bytes) {  // RFC 4106 sections 3, 4, 6
  return {CipherKind::kGcm, key_bytes, 4, kIvBytes, icv_bytes, kAlignBytes};
}
constexpr AlgorithmTraits gmac(uint8_t key_bytes) {  // RFC 4543 section 3
  return {CipherKind::kGmac, key_bytes, 4, kIvBytes, 16, kAlignBytes};
}
constexpr AlgorithmTraits ccm(uint8_t key_bytes, uint8_t icv_bytes) {  // RFC 4309 sections 3, 4, 6
  return {CipherKind::kCcm, key_bytes, 3, kIvBytes, icv_bytes, kAlignBytes};
}
constexpr AlgorithmTraits chacha() {  // RFC 7634 section 2
  return {CipherKind::kChaChaPoly, 32, 4, kIvBytes, 16, kAlignBytes};
}
constexpr AlgorithmTraits cbc(uint8_t key_bytes) {  // RFC 3602 sections 2, 3
  return {CipherKind::kCbc, key_bytes, 0, kAesBlockBytes, 0, kAesBlockBytes};
}

}  // namespace

AlgorithmTraits traits_of(api::Algorithm algorithm) {
  switch (algorithm) {
    using enum api::Algorithm;
    case kAes128Gcm16:
      return gcm(16, 16);
    case kAes192Gcm16:
      return gcm(24, 16);
    case kAes256Gcm16:
      return gcm(32, 16);
    case kAes128Gcm12:
      return gcm(16, 12);
    case kAes192Gcm12:
      return gcm(24, 12);
    case kAes256Gcm12:
      return gcm(32, 12);
    case kAes128Gcm8:
      return gcm(16, 8);
    case kAes192Gcm8:
      return gcm(24, 8);
    case kAes256Gcm8:
      return gcm(32, 8);
    case kAes128Gmac:
      return gmac(16);
    case kAes192Gmac:
      return gmac(24);
    case kAes256Gmac:
      return gmac(32);
    case kAes128Ccm16:
      return ccm(16, 16);
    case kAes256Ccm16:
      return ccm(32, 16);
    case kAes128Ccm12:
      return ccm(16, 12);
    case kAes256Ccm12:
      return ccm(32, 12);
    case kAes128Ccm8:
      return ccm(16, 8);
    case kAes256Ccm8:
      return ccm(32, 8);
    case kChaCha20Poly1305:
      return chacha();
    case kAes128Cbc:
      return cbc(16);
    case kAes192Cbc:
      return cbc(24);
    case kAes256Cbc:
      return cbc(32);
    case kNull:
      return {CipherKind::kNull, 0, 0, 0, 0, kAlignBytes};
  }
  return {};
}

IntegrityTraits traits_of(api::Integrity integrity) {
  switch (integrity) {
    using enum api::Integrity;
    case kNone:
      break;
    case kHmacSha1_96:  // RFC 2404
      return {20, 64, 12};
    case kHmacSha256_128:  // RFC 4868 section 2.3
      return {32, 64, 16};
    case kHmacSha384_192:
      return {48, 128, 24};
    case kHmacSha512_256:
      return {64, 128, 32};
  }
  return {};
}

bool is_supported(api::Algorithm algorithm, api::Integrity integrity) {
  const AlgorithmTraits traits = traits_of(algorithm);
  if (traits.align_bytes == 0) return false;
  const bool wants_integrity = traits.icv_bytes == 0;
  return wants_integrity ? traits_of(integrity).icv_bytes != 0 : integrity == api::Integrity::kNone;
}

EspShape esp_shape(api::Algorithm algorithm, api::Integrity integrity) {
  if (!is_supported(algorithm, integrity)) return {};
  const AlgorithmTraits traits = traits_of(algorithm);
  const uint8_t icv_bytes = traits.icv_bytes != 0 ? traits.icv_bytes : traits_of(integrity).icv_bytes;
  return {traits.iv_bytes, icv_bytes, traits.align_bytes};
}

KeySizes key_sizes(api::Algorithm algorithm, api::Integrity integrity) {
  if (!is_supported(algorithm, integrity)) return {};
  const AlgorithmTraits traits = traits_of(algorithm);
  return {traits.salt_bytes, static_cast<uint16_t>(traits.cipher_key_bytes + traits.salt_bytes),
          traits_of(integrity).key_bytes};
}

}  // namespace sallyport::dataplane
