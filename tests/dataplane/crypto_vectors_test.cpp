// SPDX-License-Identifier: BSD-3-Clause
// CryptoEngine against published vectors, job by job, both directions.
#include "tests/dataplane/crypto_vectors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "dataplane/crypto/crypto_engine.h"

namespace sallyport::dataplane::testing {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes from_hex(const std::string& text) {
  Bytes bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(static_cast<uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
  return bytes;
}

void append(Bytes& bytes, const Bytes& more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

class CryptoVectorTest : public ::testing::TestWithParam<CryptoVector> {
 protected:
  void SetUp() override {
    ASSERT_NE(engine_, nullptr);
    const CryptoVector& vector = GetParam();
    Bytes key = from_hex(vector.key);
    const Bytes integrity_key = from_hex(vector.integrity_key), nonce = from_hex(vector.nonce);
    if (!nonce.empty()) append(key, Bytes(nonce.begin(), nonce.begin() + 4));
    api::SaKeys keys{};
    keys.algorithm = vector.algorithm;
    keys.integrity = vector.integrity;
    keys.key_bytes = static_cast<uint16_t>(key.size());
    keys.integrity_key_bytes = static_cast<uint16_t>(integrity_key.size());
    std::copy(key.begin(), key.end(), keys.key.begin());
    std::copy(integrity_key.begin(), integrity_key.end(), keys.integrity_key.begin());
    ASSERT_EQ(key_.expand(*engine_, keys), api::Error::kNone);
  }

  // As in a packet: ESP header, IV, text, ICV.
  Bytes packet_of(const char* text, const char* icv) const {
    Bytes packet = from_hex(GetParam().aad);
    packet.resize(8);
    for (const char* part : {GetParam().iv, text, icv})
      append(packet, from_hex(part));
    return packet;
  }

  CryptoJob job_of(Bytes& packet) const {
    const CryptoVector& vector = GetParam();
    CryptoJob job{};
    const Bytes nonce = from_hex(vector.nonce), aad = from_hex(vector.aad);
    job.key = &key_;
    job.text = packet.data() + 8 + from_hex(vector.iv).size();
    job.text_bytes = static_cast<uint32_t>(from_hex(vector.text).size());
    job.algorithm = vector.algorithm;
    job.aad_bytes = static_cast<uint8_t>(aad.size());
    std::copy(nonce.begin(), nonce.end(), job.nonce.begin());
    std::copy(aad.begin(), aad.end(), job.aad.begin());
    return job;
  }

  const std::unique_ptr<CryptoEngine> engine_ = CryptoEngine::create();
  CipherKey key_;
};

TEST_P(CryptoVectorTest, Encrypts) {
  const std::string no_icv(std::string(GetParam().icv).size(), '0');
  Bytes packet = packet_of(GetParam().text, no_icv.c_str());
  std::array jobs = {job_of(packet)};
  engine_->encrypt(jobs);
  EXPECT_TRUE(jobs[0].ok);
  EXPECT_EQ(packet, packet_of(GetParam().ciphertext, GetParam().icv));
}

TEST_P(CryptoVectorTest, Decrypts) {
  Bytes packet = packet_of(GetParam().ciphertext, GetParam().icv);
  std::array jobs = {job_of(packet)};
  engine_->decrypt(jobs);
  EXPECT_TRUE(jobs[0].ok);
  EXPECT_EQ(packet, packet_of(GetParam().text, GetParam().icv));
}

TEST_P(CryptoVectorTest, RefusesAnotherIcv) {
  Bytes packet = packet_of(GetParam().ciphertext, GetParam().icv);
  packet.back() ^= 1;
  std::array jobs = {job_of(packet)};
  engine_->decrypt(jobs);
  EXPECT_FALSE(jobs[0].ok);
}

INSTANTIATE_TEST_SUITE_P(Published, CryptoVectorTest, ::testing::ValuesIn(kCryptoVectors),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace sallyport::dataplane::testing
