// SPDX-License-Identifier: BSD-3-Clause
// Addresses, prefixes and durations: what is taken, what is refused, and that printing and parsing agree.
#include <gtest/gtest.h>

#include "control/config/duration.h"
#include "control/config/ip.h"
#include "control/config/proposals.h"

namespace sallyport::control {
namespace {

using namespace std::chrono_literals;

TEST(IpAddress, PrintsWhatItParsed) {
  for (const char* text :
       {"0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "::1", "2001:db8::1", "2001:db8:0:1::1"}) {
    const auto address = parse_address(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->to_string(), text);
  }
  EXPECT_EQ(parse_address("2001:DB8:0:0:0:0:0:1")->to_string(), "2001:db8::1");
}

TEST(IpAddress, RefusesEverythingElse) {
  for (const char* text :
       {"", "192.0.2", "192.0.2.256", "192.0.2.1 ", "192.0.2.1/24", "0x7f.1", "01.2.3.4", "::g", "host"}) {
    EXPECT_FALSE(parse_address(text)) << text;
  }
  EXPECT_FALSE(parse_address(std::string_view("192.0.2.1\0x", 11)));
}

TEST(IpPrefix, RefusesHostBitsAndWrongLengths) {
  for (const char* text :
       {"10.0.0.0/8", "0.0.0.0/0", "192.0.2.1/32", "2001:db8::/32", "::/0", "192.0.2.128/25"}) {
    ASSERT_TRUE(parse_prefix(text)) << text;
    EXPECT_EQ(parse_prefix(text)->to_string(), text);
  }
  for (const char* text : {"10.0.0.1/8", "192.0.2.128/24", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1",
                           "10.0.0.0/+8", "10.0.0.0/8x", "10.0.0.0", "2001:db8::1/64", "2001:db8::/129"}) {
    EXPECT_FALSE(parse_prefix(text)) << text;
  }
}

TEST(IpPrefix, ContainsAndOverlaps) {
  const auto prefix = [](const char* text) { return *parse_prefix(text); };
  EXPECT_TRUE(prefix("10.20.0.0/14").contains(*parse_address("10.23.255.255")));
  EXPECT_FALSE(prefix("10.20.0.0/14").contains(*parse_address("10.24.0.0")));
  EXPECT_FALSE(prefix("0.0.0.0/0").contains(*parse_address("::")));
  EXPECT_TRUE(prefix("::/0").contains(*parse_address("2001:db8::1")));
  EXPECT_TRUE(prefix("10.0.0.0/8").overlaps(prefix("10.255.0.0/16")));
  EXPECT_TRUE(prefix("10.255.0.0/16").overlaps(prefix("10.0.0.0/8")));
  EXPECT_FALSE(prefix("10.0.0.0/9").overlaps(prefix("10.128.0.0/9")));
  EXPECT_EQ(parse_interface_address("10.77.3.4/13")->prefix().to_string(), "10.72.0.0/13");
}

TEST(Duration, Parses) {
  EXPECT_EQ(parse_duration("0"), 0ms);
  EXPECT_EQ(parse_duration("100ms"), 100ms);
  EXPECT_EQ(parse_duration("2s"), 2s);
  EXPECT_EQ(parse_duration("1h30m"), 90min);
  EXPECT_EQ(parse_duration("1d2h3m4s5ms"), 26h + 3min + 4s + 5ms);
  for (const char* text : {"", "1", "s", "1x", "1m1h", "1h1h", "-1s", "1.5s", "1 s", "1s ",
                           "99999999999999999999s", "9999999d", "1min"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(Duration, PrintsTheShortestExactForm) {
  for (const char* text : {"0", "5ms", "2s", "1m30s", "1h", "1h30m", "1d", "3d4h5m6s7ms"}) {
    EXPECT_EQ(print_duration(*parse_duration(text)), text);
  }
  EXPECT_EQ(print_duration(*parse_duration("90m")), "1h30m");
}

TEST(Proposals, GoodOnesAreTaken) {
  for (const char* text :
       {"aes256gcm16-prfsha384-ecp384", "aes128-sha256-modp2048", "aes256-sha384-prfsha384-x25519",
        "chacha20poly1305-prfsha256-curve25519", "aes128gcm16-aes256gcm16-prfsha256-ecp256"}) {
    EXPECT_FALSE(check_ike_proposal(text)) << text << ": " << check_ike_proposal(text)->message;
  }
  for (const char* text : {"aes128gcm16",
                           "aes192gcm16-esn",
                           "aes256gcm16-esn-noesn",
                           "aes256gcm16-ecp384-noesn",
                           "aes128gcm128",
                           "aes128gcm16-aes256gcm16",
                           "aes128gcm8",
                           "aes192gcm12-esn",
                           "aes128ccm16-esn",
                           "aes256ccm",
                           "aes128ccm8",
                           "aes256gmac-esn",
                           "chacha20poly1305-esn",
                           "chacha20poly1305-x25519",
                           "aes-sha1",
                           "aes128-sha256-esn",
                           "aes192-sha384",
                           "aes256-sha512-modp2048",
                           "null-sha256",
                           "aes128-aes256-sha256-sha512-esn-noesn"}) {
    EXPECT_FALSE(check_esp_proposal(text)) << text << ": " << check_esp_proposal(text)->message;
  }
}

TEST(Proposals, BadOnesAreRefused) {
  for (const char* text : {"", "-", "aes256gcm16-", "default", "aes128gmac-prfsha256-ecp256",
                           "null-sha256-ecp256", "aes128-ecp256", "sha256-ecp256",
                           "aes256gcm16-sha256-prfsha256-ecp256", "aes256gcm16-aes256-sha256-ecp256"}) {
    EXPECT_TRUE(check_ike_proposal(text)) << text;
  }
  for (const char* text :
       {"", "esn", "aes128ctr-sha256", "aes256", "null", "sha256", "aes128gmac-sha256",
        "aes256gcm16-aes256gcm16", "AES256GCM16", "aes192ccm8", "aes128-aescmac", "chacha20poly1305-sha256",
        "aes128-sha256_96", "blowfish-sha256", "cast128-sha1"}) {
    EXPECT_TRUE(check_esp_proposal(text)) << text;
  }
}

// RFC 8247 sections 2.1 to 2.4, RFC 8221 sections 5 and 6: each alone in a proposal that is good but for it.
TEST(Proposals, EachWeakAlgorithmIsRefused) {
  const auto expect_refused = [](const std::string& word, const std::string& before,
                                 const std::string& after) {
    const std::string start = "'" + word + "' is refused: ";
    for (const auto check : {check_ike_proposal, check_esp_proposal}) {
      const auto problem = check(before + word + after);
      ASSERT_TRUE(problem) << word;
      EXPECT_EQ(problem->message.substr(0, start.size()), start);
    }
  };
  for (const char* cipher :
       {"des", "des_iv64", "3des", "blowfish", "blowfish128", "blowfish192", "blowfish256", "cast128"})
    expect_refused(cipher, "", "-sha256-modp2048");
  for (const char* integrity : {"md5", "md5_128", "sha256_96"})
    expect_refused(integrity, "aes128-", "-modp2048");
  for (const char* group : {"modp768", "modp1024", "modp1024s160", "modp1536", "modp2048s224", "modp2048s256",
                            "ecp192", "ecp192bp", "modpnone", "ecpnone", "modpnull"})
    expect_refused(group, "aes128-sha256-", "");
  expect_refused("prfmd5", "aes128-sha256-", "-modp2048");
}

}  // namespace
}  // namespace sallyport::control
