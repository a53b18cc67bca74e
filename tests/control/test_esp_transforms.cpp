// SPDX-License-Identifier: BSD-3-Clause
#include "control/esp_transforms.h"

#include <gtest/gtest.h>

#include <set>

namespace sallyport::control {
namespace {

struct Case {
  uint16_t encryption;
  size_t key_bytes;
  uint16_t integrity;
  const char* name;
};

// IANA's numbers, and what strongSwan's keymat derives for them.
constexpr Case kCases[] = {
    {20, 20, 0, "aes128gcm16"},    {20, 36, 0, "aes256gcm16"},    {19, 28, 0, "aes192gcm12"},
    {18, 20, 0, "aes128gcm8"},     {21, 36, 0, "aes256gmac"},     {16, 19, 0, "aes128ccm16"},
    {15, 35, 0, "aes256ccm12"},    {14, 19, 0, "aes128ccm8"},     {28, 36, 0, "chacha20poly1305"},
    {12, 16, 2, "aes128-sha1"},    {12, 24, 12, "aes192-sha256"}, {12, 32, 13, "aes256-sha384"},
    {12, 16, 14, "aes128-sha512"}, {11, 0, 12, "null-sha256"},
};

TEST(EspTransforms, IkesNumbersAndStrongswansWords) {
  std::set<std::string> names;
  for (const Case& c : kCases) {
    const auto transforms = transforms_of(c.encryption, c.key_bytes, c.integrity);
    ASSERT_TRUE(transforms) << c.name;
    EXPECT_EQ(algorithm_name(transforms->algorithm, transforms->integrity), c.name);
    EXPECT_TRUE(names.insert(c.name).second);
  }
}

TEST(EspTransforms, WhatTheApiHasNoNumberFor) {
  constexpr Case kRefused[] = {
      {3, 24, 2, "3DES"},          {2, 8, 2, "DES"},
      {7, 16, 2, "Blowfish"},      {13, 20, 12, "AES-CTR"},
      {23, 16, 12, "Camellia"},    {16, 27, 0, "AES-192-CCM"},
      {20, 16, 0, "without salt"}, {12, 16, 1, "MD5"},
      {12, 16, 5, "AES-XCBC"},     {12, 20, 12, "key size"},
      {28, 32, 0, "without salt"},
  };
  for (const Case& c : kRefused)
    EXPECT_FALSE(transforms_of(c.encryption, c.key_bytes, c.integrity)) << c.name;
}

TEST(EspTransforms, UnknownOnesHaveNoName) {
  EXPECT_EQ(algorithm_name(static_cast<api::Algorithm>(99), api::Integrity::kNone), "unknown");
  EXPECT_EQ(algorithm_name(api::Algorithm::kAes128Cbc, static_cast<api::Integrity>(99)), "unknown");
}

}  // namespace
}  // namespace sallyport::control
