// SPDX-License-Identifier: BSD-3-Clause
// How packets are to be spread over the workers, from a device's capabilities: values in, values out.
#include "dataplane/manager/steering.h"

#include <gtest/gtest.h>
#include <rte_byteorder.h>
#include <rte_thash.h>

#include <algorithm>
#include <random>

#include "dataplane/api/messages.h"
#include "dataplane/manager/numa.h"

namespace sallyport::test {
namespace {

using namespace dataplane;

constexpr uint64_t kEverything = ~uint64_t{0};
constexpr uint64_t kFlows = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP;

rte_eth_dev_info device(uint64_t hashes, uint8_t key_bytes) {
  rte_eth_dev_info info{};
  info.flow_type_rss_offloads = hashes;
  info.hash_key_size = key_bytes;
  return info;
}

struct RssCase {
  const char* name;
  PortSide side;
  uint16_t workers;
  uint64_t offered;
  uint8_t key_bytes;
  uint64_t hashed;
  size_t planned_key_bytes;
};

class RssTest : public testing::TestWithParam<RssCase> {};

TEST_P(RssTest, AsksForWhatTheDeviceOffers) {
  const auto& param = GetParam();
  const auto plan = plan_rss(param.side, param.workers, device(param.offered, param.key_bytes));
  EXPECT_EQ(plan.hashed, param.hashed);
  EXPECT_EQ(plan.key.size(), param.planned_key_bytes);
}

INSTANTIATE_TEST_SUITE_P(
    Plans, RssTest,
    testing::Values(RssCase{"LanOfAll", PortSide::kLan, 4, kEverything, 52, kFlows, 52},
                    RssCase{"PublicOfAll", PortSide::kPublic, 4, kEverything, 52, kFlows | RTE_ETH_RSS_ESP,
                            0},
                    RssCase{"PublicWithoutEsp", PortSide::kPublic, 2,
                            RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_SCTP, 40,
                            RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4, 0},
                    RssCase{"LanWithoutKey", PortSide::kLan, 3, RTE_ETH_RSS_IPV4, 0, RTE_ETH_RSS_IPV4, 0},
                    RssCase{"NothingOffered", PortSide::kLan, 2, RTE_ETH_RSS_L2_PAYLOAD, 40, 0, 0},
                    RssCase{"OneWorker", PortSide::kPublic, 1, kEverything, 40, 0, 0}),
    [](const auto& info) { return info.param.name; });

// DPDK's software Toeplitz is the oracle.
TEST(RssTest, KeyHashesBothDirectionsAlike) {
  auto key = symmetric_key(40);
  std::mt19937 random(7);
  uint32_t different = 0;
  for (int i = 0; i < 1000; ++i) {
    const uint32_t source = random(), destination = random(), ports = random();
    std::array<uint32_t, 3> there = {source, destination, ports};
    std::array<uint32_t, 3> back = {destination, source, ports << 16 | ports >> 16};
    const uint32_t hash = rte_softrss(there.data(), 3, key.data());
    EXPECT_EQ(hash, rte_softrss(back.data(), 3, key.data()));
    different += hash % 4 != 0;
  }
  EXPECT_NEAR(different, 750, 100);  // and yet it spreads
}

TEST(RedirectionTest, IsEven) {
  for (const uint16_t entries : {1, 64, 128, 512, 100})
    for (const uint16_t workers : {1, 2, 3, 7, 8}) {
      std::vector<uint32_t> share(workers);
      uint32_t seen = 0;
      for (const auto& group : even_redirection(entries, workers))
        for (unsigned i = 0; i < RTE_ETH_RETA_GROUP_SIZE; ++i)
          if ((group.mask >> i & 1) != 0) {
            ++share.at(group.reta[i]);
            ++seen;
          }
      EXPECT_EQ(seen, entries);
      EXPECT_LE(*std::max_element(share.begin(), share.end()),
                *std::min_element(share.begin(), share.end()) + 1)
          << entries << " entries, " << workers << " workers";
    }
}

TEST(HomeRulesTest, LeadEverySpiHome) {
  std::mt19937 random(1);
  for (const uint16_t workers : {2, 4, 8, 64}) {
    const auto rules = plan_home_rules(workers);
    ASSERT_EQ(rules.size(), workers);
    for (int i = 0; i < 1000; ++i) {
      const uint32_t spi = random();
      uint32_t matches = 0;
      for (const auto& rule : rules)
        if ((spi & rule.spi_mask) == rule.spi) {
          ++matches;
          EXPECT_EQ(rule.worker, (spi & api::kSlotMask) % workers);
        }
      EXPECT_EQ(matches, 1u);
    }
  }
}

TEST(HomeRulesTest, AreNoneWhereNoMaskCanTell) {
  for (const uint16_t workers : {0, 1, 3, 5, 6, 7, 12})
    EXPECT_TRUE(plan_home_rules(workers).empty()) << workers;
}

std::vector<rte_flow_item_type> types_of(const FlowRule& rule) {
  std::vector<rte_flow_item_type> types;
  for (const rte_flow_item* item = rule.items(); item->type != RTE_FLOW_ITEM_TYPE_END; ++item)
    types.push_back(item->type);
  return types;
}

TEST(FlowRuleTest, MatchesTheMaskedSpiOfEsp) {
  const FlowRule rule({.spi = 2, .spi_mask = 3, .worker = 2}, api::Family::kIpv4, EspCarrier::kIp,
                      Fragments::kUnmentioned);
  EXPECT_EQ(types_of(rule),
            (std::vector{RTE_FLOW_ITEM_TYPE_ETH, RTE_FLOW_ITEM_TYPE_IPV4, RTE_FLOW_ITEM_TYPE_ESP}));
  EXPECT_EQ(rule.attributes()->ingress, 1u);
  EXPECT_EQ(rule.items()[1].spec, nullptr);
  const auto* spec = static_cast<const rte_flow_item_esp*>(rule.items()[2].spec);
  const auto* mask = static_cast<const rte_flow_item_esp*>(rule.items()[2].mask);
  EXPECT_EQ(spec->hdr.spi, rte_cpu_to_be_32(2));
  EXPECT_EQ(mask->hdr.spi, rte_cpu_to_be_32(3));
  EXPECT_EQ(mask->hdr.seq, 0u);
  ASSERT_EQ(rule.actions()[0].type, RTE_FLOW_ACTION_TYPE_QUEUE);
  EXPECT_EQ(static_cast<const rte_flow_action_queue*>(rule.actions()[0].conf)->index, 2);
  EXPECT_EQ(rule.actions()[1].type, RTE_FLOW_ACTION_TYPE_END);
}

TEST(FlowRuleTest, MatchesEspInUdpAndLeavesFragments) {
  const FlowRule rule({.spi = 1, .spi_mask = 1, .worker = 1}, api::Family::kIpv4, EspCarrier::kUdp,
                      Fragments::kExcluded);
  EXPECT_EQ(types_of(rule), (std::vector{RTE_FLOW_ITEM_TYPE_ETH, RTE_FLOW_ITEM_TYPE_IPV4,
                                         RTE_FLOW_ITEM_TYPE_UDP, RTE_FLOW_ITEM_TYPE_ESP}));
  const auto* ip = static_cast<const rte_flow_item_ipv4*>(rule.items()[1].spec);
  const auto* ip_mask = static_cast<const rte_flow_item_ipv4*>(rule.items()[1].mask);
  EXPECT_EQ(ip->hdr.fragment_offset, 0);
  EXPECT_EQ(ip_mask->hdr.fragment_offset, rte_cpu_to_be_16(0x3fff));  // not "don't fragment"
  EXPECT_EQ(ip_mask->hdr.next_proto_id, 0);
  EXPECT_EQ(rule.items()[2].spec, nullptr);
  EXPECT_NE(rule.items()[3].spec, nullptr);
}

TEST(FlowRuleTest, MatchesEspOverIpv6AndLeavesFragments) {
  const FlowRule rule({.spi = 1, .spi_mask = 1, .worker = 1}, api::Family::kIpv6, EspCarrier::kIp,
                      Fragments::kExcluded);
  EXPECT_EQ(types_of(rule),
            (std::vector{RTE_FLOW_ITEM_TYPE_ETH, RTE_FLOW_ITEM_TYPE_IPV6, RTE_FLOW_ITEM_TYPE_ESP}));
  const auto* ip = static_cast<const rte_flow_item_ipv6*>(rule.items()[1].spec);
  const auto* ip_mask = static_cast<const rte_flow_item_ipv6*>(rule.items()[1].mask);
  EXPECT_EQ(ip->has_frag_ext, 0u);
  EXPECT_EQ(ip_mask->has_frag_ext, 1u);
  EXPECT_EQ(ip_mask->hdr.proto, 0);
}

TEST(FlowRuleTest, SpreadsBySpi) {
  const FlowRule rule(api::Family::kIpv4, EspCarrier::kIp, Fragments::kUnmentioned);
  EXPECT_EQ(rule.items()[2].spec, nullptr);
  ASSERT_EQ(rule.actions()[0].type, RTE_FLOW_ACTION_TYPE_RSS);
  const auto* rss = static_cast<const rte_flow_action_rss*>(rule.actions()[0].conf);
  EXPECT_EQ(rss->types, RTE_ETH_RSS_ESP);
  EXPECT_EQ(rss->queue_num, 0u);
  EXPECT_EQ(rss->key_len, 0u);
}

TEST(SpreadTest, IsDescribed) {
  const EspSteering home{EspSpread::kHome, {}}, by_spi{EspSpread::kBySpi, "Invalid input set"},
      by_rss{EspSpread::kByRss, "Function not implemented"};
  EXPECT_EQ(describe({PortSide::kPublic, 1, 0, {}, {}, {}, {}}), "one worker takes every packet");
  EXPECT_EQ(describe({PortSide::kLan, 2, kFlows, {}, {}, {}, {}}), "2 queues: flows by addresses and ports");
  EXPECT_EQ(describe({PortSide::kLan, 2, 0, {}, {}, {}, {}}), "2 queues: flows as the device does by itself");
  EXPECT_EQ(
      describe({PortSide::kPublic, 2, kFlows, home, home, home, home}),
      "2 queues: ESP to its home worker's queue by rule; ESP in UDP to its home worker's queue by rule; "
      "the rest by addresses and ports");
  EXPECT_EQ(
      describe({PortSide::kPublic, 4, RTE_ETH_RSS_IP, by_spi, by_rss, by_spi, by_rss}),
      "4 queues: ESP by SPI, then handed to its home worker; ESP in UDP by addresses, then handed to its "
      "home worker; the rest by addresses; the device takes no rule for it: Invalid input set");
  EXPECT_EQ(
      describe({PortSide::kPublic, 3, kFlows, {EspSpread::kBySpi, {}}, {}, {EspSpread::kBySpi, {}}, {}}),
      "3 queues: ESP by SPI, then handed to its home worker; ESP in UDP by addresses and ports, then "
      "handed to its home worker; the rest by addresses and ports; only 2, 4, 8... workers can have rules "
      "to their queues, not 3");
}

TEST(SpreadTest, SaysWhereIpv6Differs) {
  const EspSteering home{EspSpread::kHome, {}};
  EXPECT_EQ(
      describe({PortSide::kPublic, 2, kFlows, home, home, {EspSpread::kBySpi, {}}, {}}),
      "2 queues: ESP to its home worker's queue by rule; ESP in UDP to its home worker's queue by rule; "
      "the rest by addresses and ports; over IPv6 ESP by SPI, then handed to its home worker; ESP in UDP "
      "by addresses and ports, then handed to its home worker");
}

TEST(NumaTest, WarnsOfWorkersElsewhere) {
  EXPECT_EQ(numa_warning(-1, std::vector{0, 1}), "");
  EXPECT_EQ(numa_warning(1, std::vector{1, 1}), "");
  EXPECT_EQ(numa_warning(0, std::vector{0, 1, 0, 1}),
            "the device is on NUMA node 0, but worker 1 on 1, worker 3 on 1: their packets cross nodes");
}

}  // namespace
}  // namespace sallyport::test
