// SPDX-License-Identifier: BSD-3-Clause
// On OpenSSL's EVP and HMAC.
#include "tests/dataplane/openssl_ciphers.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <string>

namespace sallyport::dataplane::testing {

namespace {

using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;
using Cipher = std::unique_ptr<EVP_CIPHER, decltype(&EVP_CIPHER_free)>;

enum class Direction : int { kDecrypt = 0, kEncrypt = 1 };

size_t salt_bytes(const OracleSa& sa) {
  switch (sa.cipher) {
    case OracleCipher::kGcm:
    case OracleCipher::kGmac:
    case OracleCipher::kChaCha:
      return 4;
    case OracleCipher::kCcm:
      return 3;
    case OracleCipher::kCbc:
    case OracleCipher::kCleartext:
      break;
  }
  return 0;
}

std::string cipher_name(const OracleSa& sa) {
  if (sa.cipher == OracleCipher::kChaCha) return "ChaCha20-Poly1305";
  const std::string aes = "AES-" + std::to_string(8 * (sa.key.size() - salt_bytes(sa)));
  if (sa.cipher == OracleCipher::kCbc) return aes + "-CBC";
  return aes + (sa.cipher == OracleCipher::kCcm ? "-CCM" : "-GCM");
}

bool is_combined(const OracleSa& sa) {
  return sa.cipher != OracleCipher::kCbc && sa.cipher != OracleCipher::kCleartext;
}

void append32(Bytes& bytes, uint32_t value) {
  bytes.resize(bytes.size() + 4);
  put32(bytes, bytes.size() - 4, value);
}

void append(Bytes& bytes, const Bytes& more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

// RFC 4106 section 5, RFC 4309 section 5, RFC 7634 section 2.1.
Bytes aad_of(const OracleSa& sa, uint64_t sequence) {
  Bytes aad;
  append32(aad, sa.spi);
  if (sa.esn) append32(aad, static_cast<uint32_t>(sequence >> 32));
  append32(aad, static_cast<uint32_t>(sequence));
  return aad;
}

Bytes nonce_of(const OracleSa& sa, const OraclePayload& payload) {
  Bytes nonce(sa.key.end() - static_cast<long>(salt_bytes(sa)), sa.key.end());
  append(nonce, payload.iv);
  return nonce;
}

int length_of(const Bytes& bytes) {
  return static_cast<int>(bytes.size());
}

// The payload through a combined-mode cipher. `icv` is what to write, or to compare with. In the order that
// OpenSSL's manual gives for CCM, which the others take as well.
std::optional<Bytes> run_combined(const OracleSa& sa, const OraclePayload& payload, const Bytes& text,
                                  Bytes& icv, Direction direction) {
  const bool encrypts = direction == Direction::kEncrypt;
  const Cipher cipher(EVP_CIPHER_fetch(nullptr, cipher_name(sa).c_str(), nullptr), &EVP_CIPHER_free);
  const Context context(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  EVP_CIPHER_CTX* raw = context.get();
  const Bytes nonce = nonce_of(sa, payload);
  Bytes aad = aad_of(sa, payload.sequence);
  const bool in_clear = sa.cipher == OracleCipher::kGmac;  // RFC 4543: everything is AAD
  if (in_clear) {
    append(aad, payload.iv);
    append(aad, text);
  }
  Bytes out(text.size());
  int bytes = 0;
  EXPECT_EQ(EVP_CipherInit_ex(raw, cipher.get(), nullptr, nullptr, nullptr, static_cast<int>(direction)), 1);
  EXPECT_EQ(EVP_CIPHER_CTX_ctrl(raw, EVP_CTRL_AEAD_SET_IVLEN, length_of(nonce), nullptr), 1);
  if (!encrypts || sa.cipher == OracleCipher::kCcm) {
    EXPECT_EQ(
        EVP_CIPHER_CTX_ctrl(raw, EVP_CTRL_AEAD_SET_TAG, length_of(icv), encrypts ? nullptr : icv.data()), 1);
  }
  EXPECT_EQ(
      EVP_CipherInit_ex(raw, nullptr, nullptr, sa.key.data(), nonce.data(), static_cast<int>(direction)), 1);
  if (sa.cipher == OracleCipher::kCcm) {
    EXPECT_EQ(EVP_CipherUpdate(raw, nullptr, &bytes, nullptr, length_of(text)), 1);
  }
  EXPECT_EQ(EVP_CipherUpdate(raw, nullptr, &bytes, aad.data(), length_of(aad)), 1);
  if (in_clear) {
    out = text;
  } else if (EVP_CipherUpdate(raw, out.data(), &bytes, text.data(), length_of(text)) != 1) {
    return std::nullopt;  // CCM judges here
  }
  std::array<uint8_t, 16> rest;
  if (sa.cipher != OracleCipher::kCcm && EVP_CipherFinal_ex(raw, rest.data(), &bytes) != 1)
    return std::nullopt;
  if (encrypts) {
    EXPECT_EQ(EVP_CIPHER_CTX_ctrl(raw, EVP_CTRL_AEAD_GET_TAG, length_of(icv), icv.data()), 1);
  }
  return out;
}

Bytes run_cbc(const OracleSa& sa, const OraclePayload& payload, const Bytes& text, Direction direction) {
  if (sa.cipher == OracleCipher::kCleartext) return text;
  const Cipher cipher(EVP_CIPHER_fetch(nullptr, cipher_name(sa).c_str(), nullptr), &EVP_CIPHER_free);
  const Context context(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  Bytes out(text.size());
  int bytes = 0;
  EXPECT_EQ(EVP_CipherInit_ex(context.get(), cipher.get(), nullptr, sa.key.data(), payload.iv.data(),
                              static_cast<int>(direction)),
            1);
  EXPECT_EQ(EVP_CIPHER_CTX_set_padding(context.get(), 0), 1);
  EXPECT_EQ(EVP_CipherUpdate(context.get(), out.data(), &bytes, text.data(), length_of(text)), 1);
  EXPECT_EQ(bytes, length_of(text));
  return out;
}

// RFC 4303 section 2.8: header, IV, ciphertext, and the high word with ESN.
Bytes hmac(const OracleSa& sa, const OraclePayload& payload, const Bytes& ciphertext) {
  Bytes message;
  append32(message, sa.spi);
  append32(message, static_cast<uint32_t>(payload.sequence));
  append(message, payload.iv);
  append(message, ciphertext);
  if (sa.esn) append32(message, static_cast<uint32_t>(payload.sequence >> 32));
  Bytes digest(EVP_MAX_MD_SIZE);
  unsigned int bytes = 0;
  HMAC(EVP_get_digestbyname(sa.digest), sa.integrity_key.data(), length_of(sa.integrity_key), message.data(),
       message.size(), digest.data(), &bytes);
  EXPECT_GE(bytes, sa.icv_bytes);
  digest.resize(sa.icv_bytes);
  return digest;
}

}  // namespace

Bytes protect(const OracleSa& sa, const OraclePayload& payload, const Bytes& text) {
  Bytes icv(sa.icv_bytes);
  Bytes sealed;
  if (is_combined(sa)) {
    sealed = run_combined(sa, payload, text, icv, Direction::kEncrypt).value();
  } else {
    sealed = run_cbc(sa, payload, text, Direction::kEncrypt);
    icv = hmac(sa, payload, sealed);
  }
  append(sealed, icv);
  return sealed;
}

std::optional<Bytes> unprotect(const OracleSa& sa, const OraclePayload& payload, const Bytes& ciphertext,
                               const Bytes& icv) {
  if (is_combined(sa)) {
    Bytes expected = icv;
    return run_combined(sa, payload, ciphertext, expected, Direction::kDecrypt);
  }
  if (hmac(sa, payload, ciphertext) != icv) return std::nullopt;
  return run_cbc(sa, payload, ciphertext, Direction::kDecrypt);
}

}  // namespace sallyport::dataplane::testing
