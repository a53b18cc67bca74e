// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include "control/model.h"

namespace sallyport::control {
namespace {

Gateway two_addresses_two_peers() {
  Gateway gateway;
  gateway.public_addresses["a"] = {"a", "wan0", *parse_interface_address("192.0.2.1/24"),
                                   *parse_address("192.0.2.254")};
  gateway.public_addresses["b"] = {"b", "wan1", *parse_interface_address("198.51.100.1/24"),
                                   *parse_address("198.51.100.254")};
  Site site;
  site.name = "berlin";
  site.peers = {*parse_address("192.0.2.77"), *parse_address("203.0.113.5")};
  site.prefixes = {*parse_prefix("10.20.0.0/16")};
  gateway.sites["berlin"] = site;
  Connection connection;
  connection.name = "prod-berlin";
  connection.virtual_network = "prod";
  connection.site = "berlin";
  connection.public_addresses = {"b", "a"};
  gateway.connections["prod-berlin"] = connection;
  return gateway;
}

TEST(Tunnels, AreTheCrossProductInOrderOfPreference) {
  const Gateway gateway = two_addresses_two_peers();
  const auto tunnels = tunnels_of(gateway, gateway.connections.at("prod-berlin"));
  ASSERT_EQ(tunnels.size(), 4u);
  const std::vector<std::string> names = {"prod-berlin-b-1", "prod-berlin-b-2", "prod-berlin-a-1",
                                          "prod-berlin-a-2"};
  for (size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(tunnels[i].name, names[i]);
    EXPECT_EQ(tunnels[i].preference, i);
  }
}

TEST(Tunnels, GoToAPeerOnTheLinkDirectlyAndToOthersByTheNextHop) {
  const Gateway gateway = two_addresses_two_peers();
  const auto tunnels = all_tunnels(gateway);
  EXPECT_EQ(tunnels.at("prod-berlin-a-1").next_hop.to_string(), "192.0.2.77");
  EXPECT_EQ(tunnels.at("prod-berlin-a-2").next_hop.to_string(), "192.0.2.254");
  EXPECT_EQ(tunnels.at("prod-berlin-b-1").next_hop.to_string(), "198.51.100.254");
}

TEST(Tunnels, RunBetweenAddressesOfOneFamily) {
  Gateway gateway = two_addresses_two_peers();
  gateway.public_addresses["b"].address = *parse_interface_address("2001:db8:1::1/64");
  gateway.public_addresses["b"].next_hop = *parse_address("fe80::1");
  gateway.sites["berlin"].peers.push_back(*parse_address("2001:db8:2::77"));
  const auto tunnels = all_tunnels(gateway);
  EXPECT_EQ(tunnels.size(), 3u);
  EXPECT_EQ(tunnels.at("prod-berlin-b-3").next_hop.to_string(), "fe80::1");
  EXPECT_TRUE(tunnels.contains("prod-berlin-a-1") && tunnels.contains("prod-berlin-a-2"));
}

TEST(RemotePrefixes, JoinTheSiteAndItsSelectors) {
  Gateway gateway = two_addresses_two_peers();
  Connection& connection = gateway.connections.at("prod-berlin");
  connection.selectors = {{*parse_prefix("10.0.0.0/24"), *parse_prefix("10.20.0.0/16")},
                          {*parse_prefix("10.0.0.0/24"), *parse_prefix("10.30.0.0/16")}};
  const auto prefixes = remote_prefixes(gateway, connection);
  ASSERT_EQ(prefixes.size(), 2u);
  EXPECT_EQ(prefixes[1].to_string(), "10.30.0.0/16");
}

TEST(ChildGroups, HaveThePrefixesThatTheSameChildrenLeadTo) {
  Gateway gateway = two_addresses_two_peers();
  Connection& connection = gateway.connections.at("prod-berlin");
  const auto shown = [&] {
    std::string text;
    for (const ChildGroup& group : child_groups(gateway, connection)) {
      text += group.name + ":";
      for (const IpPrefix& prefix : group.prefixes)
        text += " " + prefix.to_string();
      text += "\n";
    }
    return text;
  };
  EXPECT_EQ(shown(), "connection/prod-berlin: 10.20.0.0/16\n");
  connection.selectors = {{*parse_prefix("10.0.0.0/24"), *parse_prefix("10.20.0.0/24")},
                          {*parse_prefix("10.0.0.0/24"), *parse_prefix("10.20.1.0/24"), 6, 0, 443},
                          {*parse_prefix("10.0.0.0/24"), *parse_prefix("10.20.1.0/24"), 17}};
  EXPECT_EQ(shown(),
            "connection/prod-berlin.1: 10.20.0.0/24\n"
            "connection/prod-berlin: 10.20.0.0/16\n"
            "connection/prod-berlin.2,3: 10.20.1.0/24\n");
}

TEST(BoundedName, KeepsShortNamesAndTellsLongOnesApart) {
  EXPECT_EQ(bounded_name("prod"), "prod");
  const std::string stem(80, 'x');
  EXPECT_EQ(bounded_name(stem + "1").size(), 63u);
  EXPECT_NE(bounded_name(stem + "1"), bounded_name(stem + "2"));
}

TEST(InsideNextHop, LiesInItsRange) {
  EXPECT_EQ(inside_next_hop(IpVersion::kV4, 1).to_string(), "169.254.128.1");
  EXPECT_EQ(inside_next_hop(IpVersion::kV6, 0x1234).to_string(), "fe80::a9fe:9234");
  EXPECT_EQ(inside_next_hop(IpVersion::kV4, 0x1234).to_string(), "169.254.146.52");
}

}  // namespace
}  // namespace sallyport::control
