// SPDX-License-Identifier: BSD-3-Clause
// What an outer header takes from the inner one and gives back (RFC 4301 section 5.1.2.1, RFC 6040), through
// whole gateways.
#include "tests/dataplane_path/sites.h"

namespace sallyport::dataplane::testing {

namespace {

constexpr uint8_t kTheirDscp = 0x11 << 2, kOurDscp = 46;
constexpr size_t kTooBig = 1480;  // for a tunnel over 1500 bytes

class HeaderTest : public PathTest {
 protected:
  HeaderTest() { a_.add_sas(); }

  void set_policy(const OuterPolicy& policy) {
    const OuterEndpoints endpoints{address_of(kPublicA), address_of(kPublicB), 0, 0, false};
    ASSERT_EQ(make_outer_header(endpoints, policy, outer_), api::Error::kNone);
    a_.outbound_sa->set_outer(outer_);
  }
  // The ESP packets that a packet from the LAN becomes, as the oracle opens them.
  std::vector<Opened> sent(const Bytes& packet) {
    a_.from_lan(packet);
    a_.gateway.poll();
    std::vector<Opened> opened;
    for (const Bytes& frame : a_.gateway.sent(kPublicPort)) {
      const auto esp = open(a_.outbound, 0, without_ethernet(frame));
      EXPECT_TRUE(esp);
      if (esp) opened.push_back(*esp);
    }
    return opened;
  }
  // What an ESP packet from the peer becomes; empty: dropped.
  Bytes arrived(const Bytes& esp) {
    a_.from_outside(esp);
    a_.gateway.poll();
    const auto frames = a_.gateway.sent(kLanPort);
    return frames.empty() ? Bytes{} : without_ethernet(frames[0]);
  }

  SiteA a_;
  OuterHeader outer_{};
};

uint8_t expected_tos(const OuterPolicy& policy, uint8_t inner_tos) {
  const uint8_t ecn = inner_tos & 3;  // RFC 6040 section 4.1, normal mode: copied, CE too
  const uint8_t dscp =
      policy.dscp_policy == api::DscpPolicy::kSet ? static_cast<uint8_t>(kOurDscp << 2) : inner_tos & 0xfc;
  return dscp | ecn;
}

uint16_t expected_df(const OuterPolicy& policy, uint16_t inner_df) {
  if (policy.df == api::DfPolicy::kCopy) return inner_df;
  return policy.df == api::DfPolicy::kSet ? kDf : 0;
}

constexpr std::array kDfPolicies = {api::DfPolicy::kCopy, api::DfPolicy::kSet, api::DfPolicy::kClear};

TEST_F(HeaderTest, DfDscpAndEcnGoOutAsThePolicySays) {
  for (const auto df : kDfPolicies) {
    for (const auto dscp : {api::DscpPolicy::kCopy, api::DscpPolicy::kSet}) {
      const OuterPolicy policy{df, dscp, kOurDscp};
      set_policy(policy);
      for (unsigned bits = 0; bits < 8; ++bits) {
        const uint16_t inner_df = (bits & 4) != 0 ? kDf : 0;
        const auto tos = static_cast<uint8_t>(kTheirDscp | (bits & 3));
        SCOPED_TRACE(::testing::Message() << int(df) << " " << int(dscp) << " " << bits);
        const Bytes packet = ipv4_of_size(100, {kHostA, kHostB, 17, tos, 64, 7, inner_df});
        const auto esp = sent(packet);
        ASSERT_EQ(esp.size(), 1u);
        EXPECT_EQ(esp[0].inner, forwarded(packet)) << "the inner header stays but for its TTL";
        EXPECT_EQ(esp[0].outer[1], expected_tos(policy, tos));
        EXPECT_EQ(get16(esp[0].outer, 6), expected_df(policy, inner_df));
      }
    }
  }
}

// RFC 6040 section 4.2, figure 4; rows are inner, columns outer: Not-ECT, ECT(1), ECT(0), CE.
TEST_F(HeaderTest, EcnComesInAsTheTableSays) {
  constexpr int kDropped = -1;
  constexpr int kTable[4][4] = {{0, 0, 0, kDropped}, {1, 1, 1, 3}, {2, 1, 2, 3}, {3, 3, 3, 3}};
  uint64_t sequence = 0;
  for (uint8_t inner = 0; inner < 4; ++inner) {
    for (uint8_t outer = 0; outer < 4; ++outer) {
      SCOPED_TRACE(::testing::Message() << "inner " << int{inner} << " outer " << int{outer});
      Bytes packet = ipv4_of_size(100, {kHostB, kHostA, 17, static_cast<uint8_t>(kTheirDscp | inner)});
      SealOptions options;
      options.outer_tos = static_cast<uint8_t>(kOurDscp << 2 | outer);
      const Bytes got = arrived(seal(a_.inbound, ++sequence, packet, options));
      const int expected = kTable[inner][outer];
      if (expected != kDropped) packet[1] = static_cast<uint8_t>(kTheirDscp | expected);
      EXPECT_EQ(got, expected == kDropped ? Bytes{} : forwarded(packet));
    }
  }
  EXPECT_EQ(a_.gateway.drops(api::DropReason::kEcn), 1u);
  EXPECT_EQ(a_.gateway.all_drops(), 1u);
}

TEST_F(HeaderTest, TtlOutsideIsFreshAndInsideOneLess) {
  for (const uint8_t ttl : {2, 64, 255}) {
    const Bytes packet = ipv4_of_size(100, {kHostA, kHostB, 17, 0, ttl});
    const auto esp = sent(packet);
    ASSERT_EQ(esp.size(), 1u);
    EXPECT_EQ(esp[0].outer[8], 64);
    EXPECT_EQ(esp[0].inner[8], ttl - 1);
  }
}

TEST_F(HeaderTest, TtlOutsideDoesNotMatterOnTheWayIn) {
  uint64_t sequence = 0;
  const Bytes packet = ipv4_of_size(100, {kHostB, kHostA, 17, 0, 9});
  for (const uint8_t ttl : {0, 1, 255}) {
    Bytes esp = seal(a_.inbound, ++sequence, packet);
    esp[8] = ttl;
    put16(esp, 10, 0);
    put16(esp, 10, internet_checksum(esp, 0, 20));
    EXPECT_EQ(arrived(esp), forwarded(packet)) << int{ttl};
  }
}

// Whatever the outer header says, the sender's own DF bit decides between an error to it and fragments.
TEST_F(HeaderTest, DfInsideDecidesWhatBecomesOfTooBigPackets) {
  uint64_t too_big = 0;
  for (const auto df : kDfPolicies) {
    SCOPED_TRACE(int(df));
    set_policy({df, api::DscpPolicy::kCopy, 0});
    EXPECT_TRUE(sent(ipv4_of_size(kTooBig, {kHostA, kHostB, 17, 0, 64, 7, kDf})).empty());
    EXPECT_EQ(a_.gateway.drops(api::DropReason::kTooBigDf), ++too_big);
    EXPECT_EQ(a_.gateway.sent(kLanPort).size(), 1u);
    const auto fragments = sent(ipv4_of_size(kTooBig));
    ASSERT_EQ(fragments.size(), 2u);
    for (const Opened& esp : fragments)
      EXPECT_EQ(get16(esp.outer, 6), df == api::DfPolicy::kSet ? kDf : 0) << "whole packets outside";
    EXPECT_TRUE(a_.gateway.sent(kLanPort).empty());
  }
}

}  // namespace

}  // namespace sallyport::dataplane::testing
