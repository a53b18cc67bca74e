// SPDX-License-Identifier: BSD-3-Clause
// A next-hop group whose members are CHILD_SAs with selectors of their own: each packet takes the one that is
// for it.
#include "tests/dataplane_path/sites.h"

namespace sallyport::dataplane::testing {

namespace {

constexpr uint32_t kSecondTunnel = 2, kSecondSlot = 9;
constexpr uint32_t kLowHost = kLanA | 5, kHighHost = kLanA | 200, kNoOnesHost = kLanA | 120;

// Hosts 0 to 99 of the LAN have the first CHILD_SA, 128 to 255 the second, to the same remote prefix.
class PolicyGroupTest : public PathTest {
 protected:
  void SetUp() override {
    PathTest::SetUp();
    const api::Selector remote = range(kLanB, kLanB | 255), low = range(kLanA, kLanA | 99),
                        high = range(kLanA | 128, kLanA | 255);
    ASSERT_EQ(low_.assign({&low, 1}, {&remote, 1}), api::Error::kNone);
    ASSERT_EQ(high_.assign({&high, 1}, {&remote, 1}), api::Error::kNone);
    a_.add_sas(&low_);
    second_ = a_.outbound;
    second_.spi = 0x77000009;
    a_.gateway.add_tunnel(kSecondTunnel, kVrf, kPeerNeighbour);
    a_.gateway.add_outbound(second_, kSecondSlot, kSecondTunnel, &high_);
    set_members(1, 1);
  }

  void set_members(uint8_t first_up, uint8_t second_up) {
    a_.gateway.add_group(kGroupTunnel, kVrf,
                         {{api::MemberKind::kTunnel, first_up, 1, kTunnel, 0, 0},
                          {api::MemberKind::kTunnel, second_up, 1, kSecondTunnel, 0, 1}},
                         api::MemberChoice::kByPolicy);
  }

  // The SPIs that packets from these hosts leave with.
  std::vector<uint32_t> spis_of(const std::vector<uint32_t>& hosts) {
    for (const uint32_t host : hosts)
      a_.from_lan(ipv4_of_size(100, {host, kHostB}));
    a_.gateway.poll();
    std::vector<uint32_t> spis;
    for (const Bytes& frame : a_.gateway.sent(kPublicPort)) {
      const Bytes packet = without_ethernet(frame);
      uint32_t spi = 0;
      std::memcpy(&spi, packet.data() + 20, sizeof spi);
      spis.push_back(rte_be_to_cpu_32(spi));
    }
    return spis;
  }

  // The senders are told that communication is prohibited, or the host unreachable; nobody knows their MACs.
  uint32_t told_waiting() {
    uint32_t count = 0;
    while (a_.gateway.exception() != nullptr)
      ++count;
    return count;
  }

  SelectorSet low_, high_;  // outlive the gateway
  SiteA a_;
  OracleSa second_;
};

TEST_F(PolicyGroupTest, APacketTakesTheSaThatItIsFor) {
  const uint32_t first = a_.outbound.spi, second = second_.spi;
  EXPECT_EQ(spis_of({kLowHost, kHighHost, kLowHost, kHighHost}),
            (std::vector<uint32_t>{first, second, first, second}));
  EXPECT_EQ(a_.gateway.all_drops(), 0u);
}

TEST_F(PolicyGroupTest, WhatIsForNoneIsDroppedByPolicy) {
  EXPECT_TRUE(spis_of({kNoOnesHost}).empty());
  EXPECT_EQ(a_.gateway.drops(api::DropReason::kPolicyOutbound), 1u);
  EXPECT_EQ(told_waiting(), 1u);
}

TEST_F(PolicyGroupTest, AMemberThatIsDownSendsNothingBesideItsSelectors) {
  set_members(1, 0);
  EXPECT_EQ(spis_of({kHighHost, kLowHost}), std::vector<uint32_t>{a_.outbound.spi});
  EXPECT_EQ(a_.gateway.drops(api::DropReason::kPolicyOutbound), 1u);
  set_members(0, 0);
  EXPECT_TRUE(spis_of({kLowHost}).empty());
  EXPECT_EQ(a_.gateway.drops(api::DropReason::kNoTunnelUp), 1u);
  EXPECT_EQ(told_waiting(), 2u);
}

// Each policy's packets are shared by its own members alone, flow by flow.
TEST_F(PolicyGroupTest, MembersOfOnePolicyShareItsFlows) {
  constexpr uint32_t kThirdTunnel = 7, kThirdSlot = 10;
  OracleSa third = a_.outbound;
  third.spi = 0x7700000a;
  a_.gateway.add_tunnel(kThirdTunnel, kVrf, kPeerNeighbour);
  a_.gateway.add_outbound(third, kThirdSlot, kThirdTunnel, &high_);
  a_.gateway.add_group(kGroupTunnel, kVrf,
                       {{api::MemberKind::kTunnel, 1, 1, kTunnel, 1, 0},
                        {api::MemberKind::kTunnel, 1, 1, kSecondTunnel, 2, 1},
                        {api::MemberKind::kTunnel, 1, 1, kThirdTunnel, 3, 1}},
                       api::MemberChoice::kByPolicy);
  std::map<uint32_t, uint32_t> low, high;
  for (uint32_t i = 0; i < 40; ++i) {
    ++low[spis_of({kLanA | i}).at(0)];
    ++high[spis_of({kLanA | (150 + i)}).at(0)];
  }
  EXPECT_EQ(low, (std::map<uint32_t, uint32_t>{{a_.outbound.spi, 40}}));
  EXPECT_EQ(high.size(), 2u);
  EXPECT_GT(high[second_.spi], 8u);
  EXPECT_GT(high[third.spi], 8u);
  for (uint32_t i = 0; i < 10; ++i)
    EXPECT_EQ(spis_of({kLanA | (150 + i)}), spis_of({kLanA | (150 + i)})) << "a flow keeps its tunnel";
}

}  // namespace

}  // namespace sallyport::dataplane::testing
