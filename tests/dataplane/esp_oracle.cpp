// SPDX-License-Identifier: BSD-3-Clause
// ESP on OpenSSL's EVP.
#include "tests/dataplane/esp_oracle.h"

#include <openssl/evp.h>

namespace sallyport::dataplane::testing {

namespace {

constexpr size_t kIcvBytes = 16;

using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

const EVP_CIPHER* cipher_of(const OracleSa& sa) {
  switch (sa.key.size()) {
    case 20:
      return EVP_aes_128_gcm();
    case 28:
      return EVP_aes_192_gcm();
    case 36:
      return EVP_aes_256_gcm();
    default:
      return nullptr;
  }
}

Bytes be64(uint64_t value) {
  Bytes bytes(8);
  put32(bytes, 0, static_cast<uint32_t>(value >> 32));
  put32(bytes, 4, static_cast<uint32_t>(value));
  return bytes;
}

Bytes aad_of(const OracleSa& sa, uint64_t sequence) {
  Bytes aad(sa.esn ? 12 : 8);
  put32(aad, 0, sa.spi);
  if (sa.esn) put32(aad, 4, static_cast<uint32_t>(sequence >> 32));
  put32(aad, sa.esn ? 8 : 4, static_cast<uint32_t>(sequence));
  return aad;
}

Context start(const OracleSa& sa, uint64_t sequence, const Bytes& iv, int encrypt) {
  Context context(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  Bytes nonce(sa.key.end() - 4, sa.key.end());
  nonce.insert(nonce.end(), iv.begin(), iv.end());
  const Bytes aad = aad_of(sa, sequence);
  int bytes = 0;
  EXPECT_EQ(EVP_CipherInit_ex(context.get(), cipher_of(sa), nullptr, sa.key.data(), nonce.data(), encrypt),
            1);
  EXPECT_EQ(EVP_CipherUpdate(context.get(), nullptr, &bytes, aad.data(), static_cast<int>(aad.size())), 1);
  return context;
}

}  // namespace

Bytes seal(const OracleSa& sa, uint64_t sequence, const Bytes& inner, const SealOptions& options) {
  Bytes text = inner;
  const size_t fewest = (4 - (inner.size() + 2) % 4) % 4;
  const size_t pad_bytes = options.pad_bytes.value_or(static_cast<uint8_t>(fewest));
  for (size_t i = 1; i <= pad_bytes; ++i)
    text.push_back(static_cast<uint8_t>(i));
  text.push_back(options.pad_length_says.value_or(static_cast<uint8_t>(pad_bytes)));
  text.push_back(options.next_header);

  const Bytes iv = be64(options.iv.value_or(sequence));
  Context context = start(sa, sequence, iv, 1);
  Bytes sealed(text.size() + kIcvBytes);
  int bytes = 0;
  EXPECT_EQ(
      EVP_CipherUpdate(context.get(), sealed.data(), &bytes, text.data(), static_cast<int>(text.size())), 1);
  EXPECT_EQ(EVP_CipherFinal_ex(context.get(), sealed.data() + bytes, &bytes), 1);
  EXPECT_EQ(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kIcvBytes, sealed.data() + text.size()),
            1);

  Bytes payload;
  if (sa.encap) {
    payload.resize(8);
    put16(payload, 0, sa.source_port);
    put16(payload, 2, sa.destination_port);
    put16(payload, 4, static_cast<uint32_t>(8 + 16 + sealed.size()));
  }
  const size_t esp = payload.size();
  payload.resize(esp + 8);
  put32(payload, esp, sa.spi);
  put32(payload, esp + 4, static_cast<uint32_t>(sequence));
  payload.insert(payload.end(), iv.begin(), iv.end());
  payload.insert(payload.end(), sealed.begin(), sealed.end());
  return ipv4(payload, {sa.source, sa.destination, static_cast<uint8_t>(sa.encap ? 17 : 50),
                        options.outer_tos, 64, 1, 0});
}

std::optional<Opened> open(const OracleSa& sa, uint32_t sequence_high, const Bytes& packet) {
  const size_t esp = sa.encap ? 28 : 20;
  if (packet.size() < esp + 8 + 8 + 4 + kIcvBytes || (packet.size() - esp) % 4 != 0) return std::nullopt;
  const bool outer_right = packet[0] == 0x45 && get16(packet, 2) == packet.size() && packet[8] == 64 &&
                           packet[9] == (sa.encap ? 17 : 50) && internet_checksum(packet, 0, 20) == 0 &&
                           get32(packet, 12) == sa.source && get32(packet, 16) == sa.destination;
  if (!outer_right) return std::nullopt;
  if (sa.encap && (get16(packet, 20) != sa.source_port || get16(packet, 22) != sa.destination_port ||
                   get16(packet, 24) != packet.size() - 20 || get16(packet, 26) != 0)) {
    return std::nullopt;
  }
  Opened opened;
  opened.outer.assign(packet.begin(), packet.begin() + static_cast<long>(esp));
  opened.spi = get32(packet, esp);
  opened.sequence_low = get32(packet, esp + 4);
  opened.iv = uint64_t{get32(packet, esp + 8)} << 32 | get32(packet, esp + 12);
  if (opened.spi != sa.spi) return std::nullopt;

  const Bytes iv(packet.begin() + static_cast<long>(esp) + 8, packet.begin() + static_cast<long>(esp) + 16);
  Context context = start(sa, uint64_t{sequence_high} << 32 | opened.sequence_low, iv, 0);
  const size_t text_bytes = packet.size() - esp - 16 - kIcvBytes;
  Bytes text(text_bytes), icv(packet.end() - kIcvBytes, packet.end());
  int bytes = 0;
  EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kIcvBytes, icv.data());
  EVP_CipherUpdate(context.get(), text.data(), &bytes, packet.data() + esp + 16,
                   static_cast<int>(text_bytes));
  if (EVP_CipherFinal_ex(context.get(), text.data() + bytes, &bytes) != 1) return std::nullopt;
  const size_t pad_bytes = text[text_bytes - 2];
  if (pad_bytes + 2 > text_bytes) return std::nullopt;
  opened.next_header = text[text_bytes - 1];
  const auto pad = text.end() - 2 - static_cast<long>(pad_bytes);
  opened.inner.assign(text.begin(), pad);
  opened.padding.assign(pad, text.end() - 2);
  return opened;
}

}  // namespace sallyport::dataplane::testing
