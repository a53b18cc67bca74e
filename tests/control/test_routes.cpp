// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include "control/addresses.h"
#include "control/routes.h"

namespace sallyport::control {
namespace {

constexpr uint32_t kLan = 3, kTunnels = 2;

class RoutesTest : public ::testing::Test {
 protected:
  RoutesTest() {
    plan_.vrf_id = 1;
    plan_.lan_ports["lan0"] = 4;
    kernel_.links[kLan] = {kLan, "lan0", true, true, 1500, {}};
    kernel_.links[kTunnels] = {kTunnels, "vpn0", true, true, 1500, {}};
    kernel_.addresses.insert({kLan, *parse_interface_address("10.0.0.1/16")});
    add_route("10.0.0.0/16", {{kLan, std::nullopt, 1}});
  }

  void add_route(const char* prefix, std::vector<KernelNextHop> next_hops, uint32_t metric = 0,
                 uint32_t table = 254) {
    KernelRoute route;
    route.table = table;
    route.prefix = *parse_prefix(prefix);
    route.metric = metric;
    route.next_hops = std::move(next_hops);
    kernel_.routes[{table, route.prefix, metric}] = route;
  }

  void compile() { tables_ = compile_vrf(plan_, kernel_, ids_); }

  std::map<std::string, uint32_t> routes() const {  // prefix -> group
    std::map<std::string, uint32_t> out;
    for (const TableObject& object : tables_.objects) {
      if (object.stage != Stage::kRoute) continue;
      const auto route = message_cast<api::SetRoute>(object.message);
      out[IpPrefix{from_api(route.prefix.address), route.prefix.length}.to_string()] = route.group_id;
    }
    return out;
  }

  std::vector<api::GroupMember> members(uint32_t group_id) const {
    for (const TableObject& object : tables_.objects) {
      if (object.stage != Stage::kGroup) continue;
      const auto group = message_cast<api::SetGroup>(object.message);
      if (group.group_id == group_id)
        return {group.members.begin(), group.members.begin() + group.member_count};
    }
    return {};
  }

  api::GroupMember only_member(const std::string& prefix) const {
    const auto found = members(routes().at(prefix));
    EXPECT_EQ(found.size(), 1u);
    return found.empty() ? api::GroupMember{} : found.front();
  }

  VrfPlan plan_;
  KernelView kernel_;
  Ids ids_;
  VrfTables tables_;
};

TEST_F(RoutesTest, ConnectedPrefixAndOwnAddress) {
  compile();
  EXPECT_EQ(only_member("10.0.0.0/16").kind, api::MemberKind::kConnected);
  EXPECT_EQ(only_member("10.0.0.0/16").id, 4u);
  EXPECT_EQ(only_member("10.0.0.1/32").kind, api::MemberKind::kLocal);
}

TEST_F(RoutesTest, NeighbourGetsARouteOnceItsMacIsKnown) {
  const IpAddress host = *parse_address("10.0.0.9");
  kernel_.neighbours[{kLan, host}] = {kLan, host, {}, NeighbourState::kIncomplete, true};
  compile();
  EXPECT_FALSE(routes().contains("10.0.0.9/32"));
  kernel_.neighbours[{kLan, host}].mac = {2, 0, 0, 0, 0, 9};
  compile();
  EXPECT_EQ(only_member("10.0.0.9/32").kind, api::MemberKind::kNeighbour);
  EXPECT_EQ(only_member("10.0.0.9/32").id, *ids_.neighbours.find("lan0/10.0.0.9"));
}

TEST_F(RoutesTest, TunnelRouteNamesTheConnectionsGroup) {
  const uint32_t group = ids_.groups.id_of("connection/prod-berlin");
  const IpAddress inside = inside_next_hop(IpVersion::kV4, group);
  plan_.tunnel_next_hops[inside] = "connection/prod-berlin";
  add_route("10.20.0.0/16", {{kTunnels, inside, 1}});
  add_route("10.21.0.0/16", {{kTunnels, *parse_address("169.254.200.200"), 1}});  // no connection's
  compile();
  EXPECT_EQ(routes().at("10.20.0.0/16"), group);
  EXPECT_FALSE(routes().contains("10.21.0.0/16"));
}

TEST_F(RoutesTest, GatewayOnTheLanIsResolvedAndWaitedFor) {
  add_route("0.0.0.0/0", {{kLan, *parse_address("10.0.0.254"), 1}});
  compile();
  EXPECT_EQ(only_member("0.0.0.0/0").kind, api::MemberKind::kNeighbour);
  EXPECT_TRUE(tables_.wanted_neighbours.contains({kLan, *parse_address("10.0.0.254")}));
}

TEST_F(RoutesTest, Ipv6LikeIpv4ButForLinkLocalAddresses) {
  kernel_.addresses.insert({kLan, *parse_interface_address("2001:db8:1::1/64")});
  kernel_.addresses.insert({kLan, *parse_interface_address("fe80::5/64")});
  kernel_.addresses.insert({1, *parse_interface_address("::1/128")});
  add_route("2001:db8:1::/64", {{kLan, std::nullopt, 1}}, 256);
  add_route("fe80::/64", {{kLan, std::nullopt, 1}}, 256);
  add_route("::/0", {{kLan, *parse_address("fe80::9"), 1}}, 1024);
  const uint32_t group = ids_.groups.id_of("connection/prod-berlin");
  const IpAddress inside = inside_next_hop(IpVersion::kV6, group);
  plan_.tunnel_next_hops[inside] = "connection/prod-berlin";
  add_route("2001:db8:20::/48", {{kTunnels, inside, 1}}, 1024);
  const IpAddress host = *parse_address("2001:db8:1::77");
  for (const IpAddress& known : {host, *parse_address("fe80::77")})
    kernel_.neighbours[{kLan, known}] = {kLan, known, {2, 0, 0, 0, 0, 7}, NeighbourState::kReachable, true};
  compile();
  std::set<std::string> prefixes;
  for (const auto& [prefix, group_id] : routes())
    prefixes.insert(prefix);
  EXPECT_EQ(prefixes, (std::set<std::string>{"10.0.0.0/16", "10.0.0.1/32", "2001:db8:1::/64", "::/0",
                                             "2001:db8:1::1/128", "2001:db8:1::77/128", "2001:db8:20::/48"}));
  EXPECT_EQ(only_member("2001:db8:1::1/128").kind, api::MemberKind::kLocal);
  EXPECT_EQ(only_member("::/0").id, *ids_.neighbours.find("lan0/fe80::9"));
  EXPECT_TRUE(tables_.wanted_neighbours.contains({kLan, *parse_address("fe80::9")}));
  EXPECT_EQ(routes().at("2001:db8:20::/48"), group);
  size_t own = 0;
  for (const TableObject& object : tables_.objects)
    own += object.stage == Stage::kAddress;
  EXPECT_EQ(own, 3u) << "the port knows its link-local address, too";
}

TEST_F(RoutesTest, SmallestMetricWinsAndOtherTablesDoNotCount) {
  add_route("10.30.0.0/16", {{kLan, *parse_address("10.0.0.2"), 1}}, 20);
  add_route("10.30.0.0/16", {{kLan, *parse_address("10.0.0.3"), 1}}, 10);
  add_route("10.31.0.0/16", {{kLan, *parse_address("10.0.0.2"), 1}}, 0, 100);
  compile();
  EXPECT_EQ(only_member("10.30.0.0/16").id, *ids_.neighbours.find("lan0/10.0.0.3"));
  EXPECT_FALSE(routes().contains("10.31.0.0/16"));
}

TEST_F(RoutesTest, SeveralNextHopsBecomeOneGroupWithWeights) {
  add_route("10.40.0.0/16", {{kLan, *parse_address("10.0.0.2"), 1}, {kLan, *parse_address("10.0.0.3"), 3}});
  compile();
  const auto found = members(routes().at("10.40.0.0/16"));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].weight, 1);
  EXPECT_EQ(found[1].weight, 3);
}

// Connections of the virtual network, each the next hop of a route by itself.
class WaysTest : public RoutesTest {
 protected:
  KernelNextHop way(const std::string& name, std::vector<api::GroupMember> members, api::MemberChoice choice,
                    uint8_t preempt, uint8_t weight) {
    api::SetGroup group{};
    group.group_id = ids_.groups.id_of(name);
    group.choice = choice;
    group.preempt = preempt;
    for (const api::GroupMember& member : members)
      group.members[group.member_count++] = member;
    const IpAddress inside = inside_next_hop(IpVersion::kV4, group.group_id);
    plan_.tunnel_next_hops[inside] = name;
    plan_.tunnel_groups[name] = group;
    return {kTunnels, inside, weight};
  }
  static api::GroupMember tunnel(uint32_t id, uint8_t rank, uint16_t policy = 0) {
    return {.kind = api::MemberKind::kTunnel,
            .up = 1,
            .weight = 2,
            .id = id,
            .key = 100 + id,
            .policy = policy,
            .rank = rank};
  }
  api::SetGroup only_group(const std::string& prefix) {
    for (const TableObject& object : tables_.objects) {
      if (object.stage != Stage::kGroup) continue;
      const auto group = message_cast<api::SetGroup>(object.message);
      if (group.group_id == routes().at(prefix)) return group;
    }
    ADD_FAILURE() << "no group";
    return {};
  }
};

TEST_F(WaysTest, CarryTheirRanksKeysAndWeights) {
  add_route("10.60.0.0/16",
            {way("connection/x", {tunnel(1, 0), tunnel(2, 1)}, api::MemberChoice::kByFlow, 1, 1),
             way("connection/y", {tunnel(3, 0)}, api::MemberChoice::kByFlow, 1, 3)});
  compile();
  const api::SetGroup group = only_group("10.60.0.0/16");
  ASSERT_EQ(group.member_count, 3u);
  EXPECT_EQ(group.choice, api::MemberChoice::kByFlow);
  EXPECT_EQ(group.preempt, 1);
  for (uint32_t i = 0; i < 3; ++i) {
    const api::GroupMember& member = group.members[i];
    EXPECT_EQ(member.id, i + 1);
    EXPECT_EQ(member.key, 101 + i);
    EXPECT_EQ(member.rank, i == 1 ? 1 : 0);
    EXPECT_EQ(member.weight, i == 2 ? 6 : 2);
  }
}

TEST_F(WaysTest, OneThatKeepsItsTrafficLetsNoneTakeOver) {
  add_route("10.60.0.0/16", {way("connection/x", {tunnel(1, 0)}, api::MemberChoice::kByFlow, 1, 1),
                             way("connection/y", {tunnel(2, 0)}, api::MemberChoice::kByFlow, 0, 1)});
  compile();
  EXPECT_EQ(only_group("10.60.0.0/16").preempt, 0);
}

TEST_F(WaysTest, SelectorsOfOneAreNotThoseOfAnother) {
  add_route("10.60.0.0/16",
            {way("connection/x", {tunnel(1, 0, 0), tunnel(2, 0, 1)}, api::MemberChoice::kByPolicy, 1, 1),
             way("connection/y", {tunnel(3, 0, 0), tunnel(4, 0, 0)}, api::MemberChoice::kByFlow, 1, 1)});
  compile();
  const api::SetGroup group = only_group("10.60.0.0/16");
  EXPECT_EQ(group.choice, api::MemberChoice::kByPolicy);
  ASSERT_EQ(group.member_count, 4u);
  EXPECT_NE(group.members[0].policy, group.members[1].policy);
  for (const uint32_t of_y : {2u, 3u}) {
    EXPECT_NE(group.members[of_y].policy, group.members[0].policy);
    EXPECT_NE(group.members[of_y].policy, group.members[1].policy);
  }
  EXPECT_EQ(group.members[2].policy, group.members[3].policy);
}

TEST_F(RoutesTest, BlackholeIsADropGroup) {
  KernelRoute route;
  route.prefix = *parse_prefix("10.50.0.0/16");
  route.kind = KernelRouteKind::kDrop;
  kernel_.routes[{254, route.prefix, 0}] = route;
  compile();
  EXPECT_EQ(only_member("10.50.0.0/16").kind, api::MemberKind::kDrop);
}

}  // namespace
}  // namespace sallyport::control
