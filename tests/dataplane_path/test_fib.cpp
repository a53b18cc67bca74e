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
    members.push_back({api::MemberKind::kTunnel, 1, 1, id, 1000 * id, 0, 0, 0});
  return members;
}

// Each bucket's owner, by key.
std::vector<uint32_t> owners(const Members& members) {
  const NextHopGroup group(1, 1, members, able_members(members));
  std::vector<uint32_t> keys;
  for (uint32_t hash = 0; hash < NextHopGroup::kBuckets; ++hash)
    keys.push_back(group.member(hash)->key);
  return keys;
}

std::map<uint32_t, uint32_t> shares(const Members& members) {
  std::map<uint32_t, uint32_t> counts;
  for (const uint32_t key : owners(members))
    ++counts[key];
  return counts;
}

// Whoever goes, in whatever order: nobody else's flows move, and what it leaves is shared evenly.
TEST(NextHopGroup, ALostMemberTakesOnlyItsOwnFlows) {
  const Members all = tunnels({11, 12, 13, 14});
  for (uint32_t up = 1; up < 16; ++up) {
    Members members = all;
    for (size_t i = 0; i < members.size(); ++i)
      members[i].up = up >> i & 1;
    const auto before = owners(members);
    for (size_t gone = 0; gone < members.size(); ++gone) {
      if (members[gone].up == 0 || std::has_single_bit(up)) continue;
      members[gone].up = 0;
      const auto after = owners(members);
      for (uint32_t hash = 0; hash < NextHopGroup::kBuckets; ++hash) {
        if (before[hash] == members[gone].key) {
          EXPECT_NE(after[hash], members[gone].key);
        } else {
          EXPECT_EQ(after[hash], before[hash]);
        }
      }
      const auto counts = shares(members);
      const auto live = static_cast<uint32_t>(std::popcount(up)) - 1;
      EXPECT_EQ(counts.size(), live);
      for (const auto& [key, count] : counts)
        EXPECT_NEAR(count, NextHopGroup::kBuckets / live, 4);
      members[gone].up = 1;
    }
  }
}

TEST(NextHopGroup, SharesByWeight) {
  Members members = tunnels({1, 2, 3, 4});
  EXPECT_EQ(shares(members), (std::map<uint32_t, uint32_t>{{1000, 64}, {2000, 64}, {3000, 64}, {4000, 64}}));
  members = tunnels({1, 2});
  members[0].weight = 3;
  EXPECT_EQ(shares(members), (std::map<uint32_t, uint32_t>{{1000, 192}, {2000, 64}}));
  members[0].weight = 65535;
  EXPECT_EQ(shares(members), (std::map<uint32_t, uint32_t>{{1000, 256}}));
}

// Only keys and weights matter: not the ids, which are each end's own, nor the order.
TEST(NextHopGroup, BothEndsOfAPairChooseAlike) {
  const Members ours = tunnels({1, 2, 3});
  Members theirs = {ours[2], ours[0], ours[1]};
  for (api::GroupMember& member : theirs)
    member.id += 500;
  EXPECT_EQ(owners(ours), owners(theirs));
}

// One that was not there before takes most of its flows from all alike, and moves few others.
TEST(NextHopGroup, ANewMemberMovesLittleBesideItsShare) {
  const auto before = owners(tunnels({1, 2, 3})), after = owners(tunnels({1, 2, 3, 4}));
  uint32_t moved = 0;
  for (uint32_t hash = 0; hash < NextHopGroup::kBuckets; ++hash)
    moved += after[hash] != before[hash];
  EXPECT_GE(moved, 64u);
  EXPECT_LT(moved, 64u + 48u);
}

TEST(NextHopGroup, MembersOfOneKeyShareFlowsToo) {
  Members members = tunnels({1, 2});
  members[0].key = members[1].key = 0;
  const NextHopGroup group(1, 1, members, 0b11);
  std::map<uint32_t, uint32_t> counts;
  for (uint32_t hash = 0; hash < NextHopGroup::kBuckets; ++hash)
    ++counts[group.member(hash)->id];
  EXPECT_EQ(counts, (std::map<uint32_t, uint32_t>{{1, 128}, {2, 128}}));
}

TEST(NextHopGroup, ThoseOfAnotherRankHaveNoShare) {
  Members members = tunnels({1, 2, 3});
  members[2].rank = 1;
  const NextHopGroup group(1, 1, members, 0b011);
  EXPECT_EQ(group.live(), 2u);
  for (uint32_t hash = 0; hash < NextHopGroup::kBuckets; ++hash)
    EXPECT_NE(group.member(hash)->id, 3u);
}

TEST(NextHopGroup, HasNoMemberWhereNoneIsUp) {
  Members members = tunnels({1, 2});
  members[0].up = 0;
  members[1].weight = 0;
  EXPECT_EQ(NextHopGroup(1, 1, members, able_members(members)).member(5), nullptr);
  members[1].weight = 1;
  EXPECT_EQ(NextHopGroup(1, 1, members, able_members(members)).member(5)->id, 2u);
  EXPECT_EQ(NextHopGroup(1, 1, {}, 0).member(0), nullptr);
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

// As a site's flows are: a few hosts, many ports.
TEST(NextHopGroup, AThousandFlowsAreSharedEvenly) {
  for (const Members& members : {tunnels({1, 2}), tunnels({1, 2, 3, 4})}) {
    const NextHopGroup group(1, 1, members, able_members(members));
    std::map<uint32_t, uint32_t> flows;
    for (uint32_t flow = 0; flow < 1000; ++flow) {
      Bytes packet = ipv4_of_size(100, {kHostA, kHostB + flow % 10});
      put16(packet, 20, 40000 + flow);
      put16(packet, 22, 443);
      ++flows[group.member(flow_hash(read_flow(*reinterpret_cast<const rte_ipv4_hdr*>(packet.data()))))->id];
    }
    for (const auto& [id, count] : flows)
      EXPECT_NEAR(count, 1000.0 / static_cast<double>(members.size()), 50);
  }
}

}  // namespace

}  // namespace sallyport::dataplane::testing
