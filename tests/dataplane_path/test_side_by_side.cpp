// SPDX-License-Identifier: BSD-3-Clause
// A tunnel that sends on several SAs side by side, as a peer makes that narrows down what we ask for: each
// packet goes by the newest one within whose selectors it is.
#include "tests/dataplane_path/sites_ipv6.h"

namespace sallyport::dataplane::testing {

namespace {

constexpr uint8_t kIcmp = 1, kIcmpV6 = 58;
constexpr uint32_t kFirst = 4, kSecond = 9,
                   kThird = 14;  // slots; with two workers the second lives on worker 1

api::Selector ipv6_range(const Ip6& from, const Ip6& to) {
  api::Selector selector{};
  selector.family = api::Family::kIpv6;
  selector.port_to = 65535;
  std::copy(from.begin(), from.end(), selector.from.begin());
  std::copy(to.begin(), to.end(), selector.to.begin());
  return selector;
}

// From all of ours to the hosts `from` to `to` of B's LAN, by either family.
SelectorSet towards(uint8_t from, uint8_t to) {
  const std::array local = {range(kLanA, kLanA | 255), ipv6_range(ip6(1, 0), ip6(1, 255))};
  const std::array remote = {range(kLanB | from, kLanB | to), ipv6_range(ip6(2, from), ip6(2, to))};
  SelectorSet set;
  EXPECT_EQ(set.assign(local, remote), api::Error::kNone);
  return set;
}

uint32_t spi_of(uint32_t slot) {
  return 0x77000000 | slot;
}

// How many of these packets left by each slot's SA.
using BySlot = std::map<uint32_t, uint32_t>;

class SideBySideTest : public PathTest, public ::testing::WithParamInterface<uint32_t> {
 protected:
  void SetUp() override {
    PathTest::SetUp();
    add(kFirst, sets_[0]);
    add(kSecond, sets_[1]);
    add(kThird, sets_[2]);
    a_.gateway.send_on(*a_.tunnel, {kThird, kSecond, kFirst});
  }

  void add(uint32_t slot, const SelectorSet& set) {
    OracleSa sa = a_.outbound;
    sa.spi = spi_of(slot);
    a_.gateway.add_outbound(sa, slot, kTunnel, &set);
  }

  BySlot leave_by(const Bytes& packet) {
    for (uint32_t queue = 0; queue < a_.gateway.world.workers(); ++queue)
      a_.from_lan(packet, queue);
    a_.gateway.poll(4);
    BySlot left;
    for (const Bytes& frame : a_.gateway.sent(kPublicPort)) {
      const uint32_t spi = get32(without_ethernet(frame), 20);
      EXPECT_EQ(spi, spi_of(spi & 0xff));
      ++left[spi & 0xff];
    }
    (void)a_.gateway.sent(kLanPort);
    return left;
  }
  BySlot leave_by(uint8_t host, uint8_t version) {
    return leave_by(version == 6 ? ipv6_of_size(100, {kHostA6, ip6(2, host)})
                                 : ipv4_of_size(100, {kHostA, kLanB | host}));
  }
  // All packets, whatever worker they came to.
  BySlot all_by(uint32_t slot) const { return {{slot, GetParam()}}; }
  void empty_exceptions() {
    for (uint32_t worker = 0; worker < a_.gateway.world.workers(); ++worker)
      while (a_.gateway.exception(worker) != nullptr) {
      }
  }

  // The third one's and the second one's overlap.
  std::array<SelectorSet, 3> sets_ = {towards(0, 19), towards(20, 99), towards(90, 110)};
  DualA a_{api::Family::kIpv4, {.workers = GetParam()}};
};

INSTANTIATE_TEST_SUITE_P(Workers, SideBySideTest, ::testing::Values(1, 2));

TEST_P(SideBySideTest, EachPacketGoesByTheNewestThatItIsWithin) {
  for (const uint8_t version : {4, 6}) {
    EXPECT_EQ(leave_by(2, version), all_by(kFirst)) << version;
    EXPECT_EQ(leave_by(50, version), all_by(kSecond)) << version;
    EXPECT_EQ(leave_by(95, version), all_by(kThird)) << version;
    EXPECT_EQ(leave_by(110, version), all_by(kThird)) << version;
  }
  EXPECT_EQ(a_.gateway.all_drops(), 0u);
}

TEST_P(SideBySideTest, WhatIsWithinNoneIsDroppedByTheNewest) {
  uint32_t dropped = 0;
  for (const uint8_t version : {4, 6}) {
    EXPECT_TRUE(leave_by(120, version).empty());
    dropped += GetParam();
    EXPECT_EQ(a_.gateway.drops(api::DropReason::kPolicyOutbound), dropped);
    EXPECT_EQ(a_.gateway.outbound_row(kThird).policy_dropped, dropped);
  }
  EXPECT_EQ(a_.gateway.all_drops(), dropped);
  empty_exceptions();
}

TEST_P(SideBySideTest, OneThatIsRemovedLeavesTheOthers) {
  a_.gateway.send_on(*a_.tunnel, {kThird, kFirst});
  a_.gateway.world.outbound_sas.publish(kSecond, nullptr);
  EXPECT_EQ(leave_by(2, 4), all_by(kFirst));
  EXPECT_EQ(leave_by(95, 6), all_by(kThird));
  EXPECT_TRUE(leave_by(50, 4).empty());
  EXPECT_EQ(a_.gateway.drops(api::DropReason::kPolicyOutbound), GetParam());
  empty_exceptions();
}

// The manager takes an SA out of the list before the table; a worker may have read the list before.
TEST_P(SideBySideTest, OneThatIsGoneAlreadyLeadsOnToThoseBehindIt) {
  a_.gateway.world.outbound_sas.publish(kSecond, nullptr);
  EXPECT_EQ(leave_by(2, 4), all_by(kFirst));
  EXPECT_EQ(leave_by(2, 6), all_by(kFirst));
  EXPECT_EQ(a_.gateway.all_drops(), 0u);
}

TEST_P(SideBySideTest, ARekeyOfOneReplacesItAlone) {
  constexpr uint32_t kNewSecond = 20;
  add(kNewSecond, sets_[1]);
  a_.gateway.send_on(*a_.tunnel, {kNewSecond, kThird, kFirst});
  for (const uint8_t version : {4, 6}) {
    EXPECT_EQ(leave_by(50, version), all_by(kNewSecond));
    EXPECT_EQ(leave_by(95, version), all_by(kNewSecond)) << "it is the newest now";
    EXPECT_EQ(leave_by(2, version), all_by(kFirst));
    EXPECT_EQ(leave_by(105, version), all_by(kThird));
  }
  EXPECT_EQ(a_.gateway.all_drops(), 0u);
}

// RFC 4301 section 6: by the SA that the error itself is for; where there is none, by the one that what it
// quotes came by.
TEST_P(SideBySideTest, AnIcmpErrorGoesByItsOwnSaOrElseByThatOfWhatItQuotes) {
  const auto error = [](uint8_t host, uint8_t quoted_host) {
    Bytes icmp(8);
    icmp[0] = 3;
    const Bytes quoted = ipv4_of_size(100, {kLanB | quoted_host, kHostA});
    icmp.insert(icmp.end(), quoted.begin(), quoted.begin() + 28);
    put16(icmp, 2, internet_checksum(icmp, 0, icmp.size()));
    return ipv4(icmp, {kHostA, kLanB | host, kIcmp});
  };
  const auto error6 = [](uint8_t host, uint8_t quoted_host) {
    Bytes body(4);
    const Bytes quoted = ipv6_of_size(100, {ip6(2, quoted_host), kHostA6});
    body.insert(body.end(), quoted.begin(), quoted.begin() + 48);
    return icmp6(1, 0, body, {kHostA6, ip6(2, host), kIcmpV6});
  };
  EXPECT_EQ(leave_by(error(2, 105)), all_by(kFirst)) << "the third is newer, but its own is the first";
  EXPECT_EQ(leave_by(error6(2, 105)), all_by(kFirst));
  EXPECT_EQ(leave_by(error(200, 50)), all_by(kSecond));
  EXPECT_EQ(leave_by(error6(200, 50)), all_by(kSecond));
  EXPECT_EQ(a_.gateway.all_drops(), 0u);
  EXPECT_TRUE(leave_by(error(200, 201)).empty());
  EXPECT_TRUE(leave_by(error6(200, 201)).empty());
  EXPECT_EQ(a_.gateway.drops(api::DropReason::kPolicyOutbound), 2 * GetParam());
}

TEST_P(SideBySideTest, AListThatLeadsInACircleEnds) {
  a_.gateway.world.outbound_beside[kFirst] = kThird;
  EXPECT_EQ(leave_by(2, 4), all_by(kFirst));
  EXPECT_TRUE(leave_by(120, 4).empty());
  EXPECT_EQ(a_.gateway.drops(api::DropReason::kPolicyOutbound), GetParam());
  empty_exceptions();
}

// Of a next-hop group whose members have selectors of their own: the tunnel is the packet's, by whichever of
// its SAs.
TEST_P(SideBySideTest, AMemberOfAPolicyGroupTakesWhatAnyOfItsSasIsFor) {
  constexpr uint32_t kOtherTunnel = 2, kOtherSlot = 30;
  const SelectorSet rest = towards(0, 255);
  OracleSa sa = a_.outbound;
  sa.spi = spi_of(kOtherSlot);
  a_.gateway.add_tunnel(kOtherTunnel, kVrf, kPeerNeighbour);
  a_.gateway.add_outbound(sa, kOtherSlot, kOtherTunnel, &rest);
  a_.gateway.add_group(
      kGroupTunnel, kVrf,
      {{api::MemberKind::kTunnel, 1, 1, kTunnel, 0, 0}, {api::MemberKind::kTunnel, 1, 1, kOtherTunnel, 0, 1}},
      api::MemberChoice::kByPolicy);
  for (const uint8_t version : {4, 6}) {
    EXPECT_EQ(leave_by(2, version), all_by(kFirst));
    EXPECT_EQ(leave_by(50, version), all_by(kSecond));
    EXPECT_EQ(leave_by(120, version), all_by(kOtherSlot));
  }
  EXPECT_EQ(a_.gateway.all_drops(), 0u);
}

}  // namespace

}  // namespace sallyport::dataplane::testing
