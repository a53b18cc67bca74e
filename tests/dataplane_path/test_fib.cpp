// SPDX-License-Identifier: BSD-3-Clause
// The forwarding table against a plain search, and how next-hop groups share flows.
#include <map>
#include <random>

#include "dataplane/path/tables.h"
#include "tests/dataplane_path/sites.h"

namespace sallyport::dataplane::testing {

namespace {

std::unique_ptr<Ipv4Fib> make_fib(uint32_t vrf_id, rte_rcu_qsbr* qsbr = nullptr) {
  FibConfig config;
  config.vrf_id = vrf_id;
  config.qsbr = qsbr;
  return Ipv4Fib::create(config);
}

uint32_t mask_of(uint8_t length) {
  return length == 0 ? 0 : 0xffffffffu << (32 - length);
}

TEST(Fib, FindsTheLongestPrefix) {
  const auto fib = make_fib(1);
  ASSERT_NE(fib, nullptr);
  EXPECT_EQ(fib->lookup(0x0a010203), kNoGroup);
  EXPECT_EQ(fib->add(0, 0, 1), FibResult::kDone);
  EXPECT_EQ(fib->add(0x0a000000, 8, 2), FibResult::kDone);
  EXPECT_EQ(fib->add(0x0a010200, 24, 3), FibResult::kDone);
  EXPECT_EQ(fib->add(0x0a010203, 32, kMaxGroupId), FibResult::kDone);
  EXPECT_EQ(fib->lookup(0x0a010203), kMaxGroupId);
  EXPECT_EQ(fib->lookup(0x0a010204), 3u);
  EXPECT_EQ(fib->lookup(0x0a020304), 2u);
  EXPECT_EQ(fib->lookup(0x0b000000), 1u);
  EXPECT_FALSE(fib->covers(0x0b000000));  // only by the default route
  EXPECT_TRUE(fib->covers(0x0a020304));
  EXPECT_EQ(fib->add(0x0a010203, 32, 7), FibResult::kDone);
  EXPECT_EQ(fib->add(0x0a010203, 32, 7), FibResult::kUnchanged);
  EXPECT_EQ(fib->lookup(0x0a010203), 7u);
  EXPECT_EQ(fib->remove(0x0a010203, 32), FibResult::kDone);
  EXPECT_EQ(fib->remove(0x0a010203, 32), FibResult::kNotFound);
  EXPECT_EQ(fib->lookup(0x0a010203), 3u);
  EXPECT_EQ(fib->remove(0, 0), FibResult::kDone);
  EXPECT_EQ(fib->lookup(0x0b000000), kNoGroup);
}

TEST(Fib, RefusesWhatIsNoPrefix) {
  const auto fib = make_fib(1);
  ASSERT_NE(fib, nullptr);
  EXPECT_EQ(fib->add(0x0a000001, 24, 1), FibResult::kInvalid);
  EXPECT_EQ(fib->add(0x0a000000, 33, 1), FibResult::kInvalid);
  EXPECT_EQ(fib->add(0x0a000000, 8, kMaxGroupId + 1), FibResult::kInvalid);
  EXPECT_EQ(fib->remove(0x0a000001, 24), FibResult::kInvalid);
}

TEST(Fib, AgreesWithAPlainSearchOverRandomRoutes) {
  const auto fib = make_fib(1);
  ASSERT_NE(fib, nullptr);
  std::mt19937 random(7);
  std::map<std::pair<uint8_t, uint32_t>, uint32_t> routes;
  for (uint32_t i = 0; i < 3000; ++i) {
    const auto length = static_cast<uint8_t>(random() % 33);
    const uint32_t prefix = (0x0a000000 | (random() & 0x0003ffff)) & mask_of(length);
    if (random() % 4 == 0) {
      const bool was_there = routes.erase({length, prefix}) == 1;
      EXPECT_EQ(fib->remove(prefix, length), was_there ? FibResult::kDone : FibResult::kNotFound);
    } else {
      routes[{length, prefix}] = i;
      EXPECT_EQ(fib->add(prefix, length, i), FibResult::kDone);
    }
  }
  for (uint32_t i = 0; i < 2000; ++i) {
    const uint32_t address =
        i % 8 == 0 ? static_cast<uint32_t>(random()) : 0x0a000000 | (random() & 0x0003ffff);
    uint32_t expected = kNoGroup;
    for (int length = 32; length >= 0 && expected == kNoGroup; --length) {
      const auto bits = static_cast<uint8_t>(length);
      const auto route = routes.find({bits, address & mask_of(bits)});
      if (route != routes.end()) expected = route->second;
    }
    EXPECT_EQ(fib->lookup(address), expected);
  }
}

TEST(Fib, ThreeVrfsFitInto256MegabytesWithoutHugepages) {
  EXPECT_LT(3 * fib_memory_bytes({.vrf_id = 1}), uint64_t{220} << 20);
  const auto one = make_fib(1), two = make_fib(2), three = make_fib(3);
  ASSERT_NE(one, nullptr);
  ASSERT_NE(two, nullptr);
  ASSERT_NE(three, nullptr);
  one->add(0x0a000000, 8, 1);
  three->add(0x0a000000, 8, 3);
  EXPECT_EQ(one->lookup(0x0a000001), 1u);
  EXPECT_EQ(two->lookup(0x0a000001), kNoGroup);
  EXPECT_EQ(three->lookup(0x0a000001), 3u);
}

using Members = std::vector<api::GroupMember>;

Members tunnels(std::initializer_list<uint32_t> ids) {
  Members members;
  for (const uint32_t id : ids)
    members.push_back({api::MemberKind::kTunnel, 1, 1, id});
  return members;
}

TEST(NextHopGroup, ALostMemberTakesOnlyItsOwnFlows) {
  Members members = tunnels({11, 12, 13, 14});
  const NextHopGroup all(1, 1, members);
  members[2].up = 0;
  const NextHopGroup without(1, 1, members);
  uint32_t moved = 0;
  for (uint32_t hash = 0; hash < NextHopGroup::kBuckets; ++hash) {
    const uint32_t before = all.member(hash)->id, after = without.member(hash)->id;
    if (before == 13) {
      EXPECT_NE(after, 13u);
      ++moved;
    } else {
      EXPECT_EQ(after, before);
    }
  }
  EXPECT_GT(moved, NextHopGroup::kBuckets / 8);
  EXPECT_LT(moved, NextHopGroup::kBuckets / 2);
  members[2].up = 1;
  const NextHopGroup back(1, 1, members);
  for (uint32_t hash = 0; hash < NextHopGroup::kBuckets; ++hash) {
    EXPECT_EQ(back.member(hash)->id, all.member(hash)->id);
  }
}

TEST(NextHopGroup, SharesByWeight) {
  Members members = tunnels({1, 2});
  members[0].weight = 3;
  const NextHopGroup group(1, 1, members);
  uint32_t first = 0;
  for (uint32_t hash = 0; hash < NextHopGroup::kBuckets; ++hash)
    first += group.member(hash)->id == 1;
  EXPECT_NEAR(first, 192, 30);
}

TEST(NextHopGroup, HasNoMemberWhereNoneIsUp) {
  Members members = tunnels({1, 2});
  members[0].up = 0;
  members[1].weight = 0;
  EXPECT_EQ(NextHopGroup(1, 1, members).member(5), nullptr);
  members[1].weight = 1;
  EXPECT_EQ(NextHopGroup(1, 1, members).member(5)->id, 2u);
  EXPECT_EQ(NextHopGroup(1, 1, {}).member(0), nullptr);
}

TEST_F(PathTest, SpreadsFlowsOverTunnelsAndKeepsEachOnOne) {
  SiteA a;
  a.add_sas();
  OracleSa other = a.outbound;
  other.spi = 0x77000009;
  a.gateway.add_tunnel(2, kVrf, kPeerNeighbour);
  a.gateway.add_outbound(other, 9, 2);
  a.gateway.add_group(kGroupTunnel, kVrf, tunnels({kTunnel, 2}));
  std::map<uint32_t, std::map<uint32_t, uint32_t>> spis_of_flow;
  for (uint32_t repeat = 0; repeat < 2; ++repeat) {
    for (uint32_t flow = 0; flow < 60; ++flow) {
      Bytes packet = ipv4_of_size(100, {kHostA, kHostB});
      put16(packet, 20, 1000 + flow);
      a.from_lan(packet);
      a.gateway.poll(1);
      const auto sent = a.gateway.sent(kPublicPort);
      ASSERT_EQ(sent.size(), 1u);
      ++spis_of_flow[flow][get32(sent[0], 14 + 20)];
    }
  }
  std::map<uint32_t, uint32_t> flows_of_spi;
  for (const auto& [flow, spis] : spis_of_flow) {
    EXPECT_EQ(spis.size(), 1u);
    ++flows_of_spi[spis.begin()->first];
  }
  EXPECT_EQ(flows_of_spi.size(), 2u);
  EXPECT_GT(flows_of_spi[a.outbound.spi], 10u);
  EXPECT_GT(flows_of_spi[other.spi], 10u);
}

}  // namespace

}  // namespace sallyport::dataplane::testing
