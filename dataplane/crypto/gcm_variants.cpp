// SPDX-License-Identifier: BSD-3-Clause
// The less common forms of GCM.
#include "dataplane/crypto/gcm_variants.h"

#include <intel-ipsec-mb.h>

#include "dataplane/crypto/same_tag.h"

namespace sallyport::dataplane {

namespace {

constexpr uint64_t kNonceBytes = 12, kIvBytes = 8;

// The library's functions for one size of key.
struct GcmCalls {
  aes_gcm_enc_dec_t encrypt, decrypt;
  aes_gmac_init_t gmac_init;
  aes_gmac_update_t gmac_update;
  aes_gmac_finalize_t gmac_finalize;
};

GcmCalls calls_for(const IMB_MGR& library, uint8_t key_bytes) {
  switch (key_bytes) {
    case 16:
      return {library.gcm128_enc, library.gcm128_dec, library.gmac128_init, library.gmac128_update,
              library.gmac128_finalize};
    case 24:
      return {library.gcm192_enc, library.gcm192_dec, library.gmac192_init, library.gmac192_update,
              library.gmac192_finalize};
    default:
      return {library.gcm256_enc, library.gcm256_dec, library.gmac256_init, library.gmac256_update,
              library.gmac256_finalize};
  }
}

// RFC 4543 section 3.4: what is authenticated is SPI, sequence number (with its high word between, with ESN),
// IV and the whole payload, which stays in clear.
void authenticate(const GcmCalls& calls, const gcm_key_data* key, const CryptoJob& job, uint8_t* tag) {
  gcm_context_data context;
  calls.gmac_init(key, &context, job.nonce.data(), kNonceBytes);
  calls.gmac_update(key, &context, job.aad.data(), job.aad_bytes);
  calls.gmac_update(key, &context, job.text - kIvBytes, kIvBytes + job.text_bytes);
  calls.gmac_finalize(key, &context, tag, job.key->icv_bytes());
}

}  // namespace

bool run_gcm_variant(IMB_MGR* library, CryptoJob& job, CryptoDirection direction) {
  const AlgorithmTraits& traits = job.key->traits();
  const GcmCalls calls = calls_for(*library, traits.cipher_key_bytes);
  const auto* key = static_cast<const gcm_key_data*>(job.key->schedule());
  const bool encrypts = direction == CryptoDirection::kEncrypt;
  alignas(16) std::array<uint8_t, 16> computed;
  uint8_t* tag = encrypts ? job.icv() : computed.data();
  if (traits.kind == CipherKind::kGmac) {
    authenticate(calls, key, job, tag);
  } else {
    gcm_context_data context;
    (encrypts ? calls.encrypt : calls.decrypt)(key, &context, job.text, job.text, job.text_bytes,
                                               job.nonce.data(), job.aad.data(), job.aad_bytes, tag,
                                               traits.icv_bytes);
  }
  return encrypts || same_tag(tag, job.icv(), traits.icv_bytes);
}

}  // namespace sallyport::dataplane
