// SPDX-License-Identifier: BSD-3-Clause
// Sequence numbers from the first to the last (RFC 4303 section 3.3.3), and lifetimes (RFC 4301 section
// 4.4.2.1), through whole gateways.
#include <numeric>
#include <set>

#include "tests/dataplane_path/sites.h"

namespace sallyport::dataplane::testing {

namespace {

constexpr uint64_t kLastShort = 0xffffffff;

struct Expiry {
  bool outbound, hard;
  api::ExpireCause cause;
  auto operator<=>(const Expiry&) const = default;
};

std::vector<Expiry> expiries(Gateway& gateway) {
  std::vector<Expiry> result;
  WorkerEvent event;
  while (gateway.rings->pop_event(0, event)) {
    if (event.kind == EventKind::kPacketAudited) continue;  // of the packets that are refused
    EXPECT_EQ(event.kind, EventKind::kSaExpired);
    result.push_back({event.outbound != 0, event.hard != 0, static_cast<api::ExpireCause>(event.cause)});
  }
  return result;
}

class LifetimeTest : public PathTest {
 protected:
  // The SA's next number, as after a restart.
  static void resume_at(SiteA& a, uint64_t number) {
    a.gateway.outbound_row(4).spi = a.outbound.spi;
    a.gateway.outbound_row(4).reserved_sequence = number;
  }
  static void send(SiteA& a, uint32_t packets) {
    for (uint32_t i = 0; i < packets; ++i)
      a.from_lan(ipv4_of_size(100));
    a.gateway.poll();
  }
  // The numbers of what was sent, each opened by the oracle with `high`.
  static std::vector<uint64_t> numbers(SiteA& a, uint32_t high = 0) {
    std::vector<uint64_t> result;
    for (const Bytes& frame : a.gateway.sent(kPublicPort)) {
      const auto opened = open(a.outbound, high, without_ethernet(frame));
      EXPECT_TRUE(opened);
      if (!opened) continue;
      EXPECT_EQ(opened->iv, uint64_t{high} << 32 | opened->sequence_low) << "no IV twice";
      result.push_back(opened->sequence_low);
    }
    return result;
  }
};

std::vector<uint64_t> from_to(uint64_t first, uint64_t last) {
  std::vector<uint64_t> result(last - first + 1);
  std::iota(result.begin(), result.end(), first);
  return result;
}

TEST_F(LifetimeTest, NumbersStartAtOneAndAreUniqueAcrossWorkers) {
  constexpr uint32_t kPackets = 200;
  SiteA a({.workers = 2, .slot = 5});
  a.add_sas();
  for (uint32_t i = 0; i < kPackets; ++i) {
    a.from_lan(ipv4_of_size(100), i % 2);
    if (i % 7 == 6) a.gateway.poll(1);
  }
  a.gateway.poll(8);
  auto sent = numbers(a);
  std::sort(sent.begin(), sent.end());
  EXPECT_EQ(sent, from_to(1, kPackets));
  EXPECT_EQ(a.gateway.all_drops(), 0u);
}

TEST_F(LifetimeTest, WithoutEsnNothingIsSentAfterTheLastNumber) {
  constexpr uint32_t kLeft = 20, kBeyond = 9;
  SiteA a;
  resume_at(a, kLastShort - kLeft + 1);
  a.add_sas();
  send(a, kLeft + kBeyond);
  EXPECT_EQ(numbers(a), from_to(kLastShort - kLeft + 1, kLastShort));
  EXPECT_EQ(a.gateway.drops(api::DropReason::kSequenceExhausted), kBeyond);
  EXPECT_EQ(a.gateway.all_drops(), kBeyond);
  EXPECT_EQ(a.gateway.outbound_row(4).other_dropped, kBeyond);
  EXPECT_EQ(a.gateway.outbound_row(4).packets, kLeft);
  constexpr auto kCause = api::ExpireCause::kSequence;
  EXPECT_EQ(expiries(a.gateway), (std::vector<Expiry>{{true, false, kCause}, {true, true, kCause}}));
  send(a, 1);
  EXPECT_TRUE(a.gateway.sent(kPublicPort).empty());
}

TEST_F(LifetimeTest, WithoutEsnTheSoftExpiryComesLongBefore) {
  constexpr uint64_t kMargin = 1 << 28;
  SiteA a;
  resume_at(a, kLastShort - kMargin - 10);
  a.add_sas();
  send(a, 10);
  EXPECT_TRUE(expiries(a.gateway).empty());
  send(a, 10);
  EXPECT_EQ(expiries(a.gateway), (std::vector<Expiry>{{true, false, api::ExpireCause::kSequence}}));
  EXPECT_EQ(a.gateway.all_drops(), 0u);
}

TEST_F(LifetimeTest, WithEsnNumbersGoOnInTheNextEpoch) {
  SiteA a({.esn = true});
  resume_at(a, kLastShort - 2);
  a.add_sas();
  send(a, 3);
  EXPECT_EQ(numbers(a), from_to(kLastShort - 2, kLastShort));
  send(a, 4);
  EXPECT_EQ(numbers(a, 1), from_to(0, 3));
  EXPECT_TRUE(expiries(a.gateway).empty());
  EXPECT_EQ(a.gateway.all_drops(), 0u);
}

struct LimitCase {
  const char* description;
  api::Lifetimes lifetimes;  // soft and hard bytes, soft and hard packets
  uint32_t passing, until_soft;
  api::ExpireCause cause;
};

// The packet that reaches a hard limit still passes, the next one doesn't: nobody has to cut a packet.
const std::array<LimitCase, 4> kLimits = {{
    {"packets", {0, 0, 3, 5}, 5, 3, api::ExpireCause::kPackets},
    {"bytes, on the packet's last byte", {200, 500, 0, 0}, 5, 2, api::ExpireCause::kBytes},
    {"bytes, within a packet", {201, 401, 0, 0}, 5, 3, api::ExpireCause::kBytes},
    {"bytes before packets", {100, 300, 1000, 2000}, 3, 1, api::ExpireCause::kBytes},
}};

TEST_F(LifetimeTest, SoftAndHardLimitsOutbound) {
  for (const LimitCase& test : kLimits) {
    SCOPED_TRACE(test.description);
    SiteA a;
    a.add_sas(nullptr, test.lifetimes);
    for (uint32_t i = 1; i <= 8; ++i) {
      send(a, 1);
      EXPECT_EQ(a.gateway.sent(kPublicPort).size(), i <= test.passing ? 1u : 0u) << i;
      std::vector<Expiry> expected;
      if (i == test.until_soft) expected.push_back({true, false, test.cause});
      if (i == test.passing + 1) expected.push_back({true, true, test.cause});
      EXPECT_EQ(expiries(a.gateway), expected) << i;
    }
    EXPECT_EQ(a.gateway.drops(api::DropReason::kHardLifetime), 8 - test.passing);
    EXPECT_EQ(a.gateway.all_drops(), 8 - test.passing);
  }
}

TEST_F(LifetimeTest, SoftAndHardLimitsInbound) {
  for (const LimitCase& test : kLimits) {
    SCOPED_TRACE(test.description);
    SiteA a;
    a.add_sas(nullptr, test.lifetimes);
    for (uint32_t i = 1; i <= 8; ++i) {
      a.from_outside(seal(a.inbound, i, ipv4_of_size(100, {kHostB, kHostA})));
      a.gateway.poll();
      EXPECT_EQ(a.gateway.sent(kLanPort).size(), i <= test.passing ? 1u : 0u) << i;
      std::vector<Expiry> expected;
      if (i == test.until_soft) expected.push_back({false, false, test.cause});
      if (i == test.passing + 1) expected.push_back({false, true, test.cause});
      EXPECT_EQ(expiries(a.gateway), expected) << i;
    }
    EXPECT_EQ(a.gateway.drops(api::DropReason::kHardLifetime), 8 - test.passing);
    EXPECT_EQ(a.gateway.all_drops(), 8 - test.passing);
    EXPECT_EQ(a.gateway.inbound_row(4).right_edge, 8u) << "a number is spent, whatever becomes of its packet";
  }
}

TEST_F(LifetimeTest, ForgedAndRepeatedPacketsUseNothingUp) {
  SiteA a;
  a.add_sas(nullptr, {.soft_bytes = 0, .hard_bytes = 0, .soft_packets = 0, .hard_packets = 3});
  OracleSa forger = a.inbound;
  forger.key[0] ^= 1;
  const Bytes inner = ipv4_of_size(100, {kHostB, kHostA});
  for (uint32_t i = 1; i <= 3; ++i) {
    for (const OracleSa& sa : {forger, a.inbound, a.inbound})
      a.from_outside(seal(sa, i, inner));
    a.gateway.poll();
  }
  EXPECT_EQ(a.gateway.sent(kLanPort).size(), 3u);
  EXPECT_EQ(a.gateway.drops(api::DropReason::kIcvFailed), 3u);
  EXPECT_EQ(a.gateway.drops(api::DropReason::kReplay), 3u);
  EXPECT_EQ(a.gateway.all_drops(), 6u);
  EXPECT_TRUE(expiries(a.gateway).empty());
}

}  // namespace

}  // namespace sallyport::dataplane::testing
