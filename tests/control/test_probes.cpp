// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include "control/addresses.h"
#include "control/probes.h"

namespace sallyport::control {
namespace {

// Two public addresses, one peer: tunnels net-a-1 and net-b-1.
class ProbeTest : public testing::Test {
 protected:
  ProbeTest() {
    for (const auto& [name, address] : {std::pair{"a", "192.0.2.1/24"}, {"b", "198.51.100.1/24"}})
      gateway_.public_addresses[name] = {name, "wan", *parse_interface_address(address), {}};
    gateway_.virtual_networks["prod"] = {
        "prod",
        {{"lan0", {*parse_interface_address("10.1.0.1/24"), *parse_interface_address("2001:db8:1::1/64")}}}};
    gateway_.sites["far"] = {"far", {*parse_address("192.0.2.9")}, {*parse_prefix("10.2.0.0/16")}};
    connection().name = "net";
    connection().virtual_network = "prod";
    connection().site = "far";
    connection().public_addresses = {"a", "b"};
    connection().probe = Probe{std::chrono::milliseconds(250), 4, {}};
  }

  Connection& connection() { return gateway_.connections["net"]; }
  std::optional<TunnelProbe> probe(size_t tunnel = 0) {
    return probe_of(gateway_, tunnels_of(gateway_, connection()).at(tunnel));
  }

  Gateway gateway_;
};

std::string text(const api::Address& address) {
  return from_api(address).to_string();
}

TEST_F(ProbeTest, NoneWithoutProbe) {
  connection().probe.reset();
  EXPECT_FALSE(probe());
}

TEST_F(ProbeTest, AsksTheOtherGatewayWhereNoAddressIsNamed) {
  const auto found = probe();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->probe.kind, api::ProbeKind::kGateway);
  EXPECT_EQ(found->probe.interval_ms, 250u);
  EXPECT_EQ(found->probe.misses, 4);
  EXPECT_EQ(found->child, 0u);
}

TEST_F(ProbeTest, AsksAnInsideAddressFromTheNetworksOwn) {
  connection().probe->targets = {{"a", *parse_address("10.2.0.1")}, {"b", *parse_address("10.2.0.2")}};
  const auto found = probe(1);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->probe.kind, api::ProbeKind::kEcho);
  EXPECT_EQ(text(found->probe.source), "10.1.0.1");
  EXPECT_EQ(text(found->probe.target), "10.2.0.2");
  EXPECT_EQ(found->probe.shared_target, 0);
}

TEST_F(ProbeTest, KnowsThatTunnelsShareATarget) {
  connection().probe->targets = {{"a", *parse_address("10.2.0.1")}, {"b", *parse_address("10.2.0.1")}};
  EXPECT_EQ(probe()->probe.shared_target, 1);
}

TEST_F(ProbeTest, TheTunnelsOwnTargetAndInsideAddressComeFirst) {
  connection().probe->targets = {{"a", *parse_address("10.2.0.1")}, {"b", *parse_address("10.2.0.1")}};
  TunnelOverride& own = connection().tunnels["a-1"];
  own.inside_local = parse_interface_address("169.254.21.2/30");
  own.probe = parse_address("169.254.21.1");
  const auto found = probe();
  ASSERT_TRUE(found);
  EXPECT_EQ(text(found->probe.source), "169.254.21.2");
  EXPECT_EQ(text(found->probe.target), "169.254.21.1");
  EXPECT_EQ(found->probe.shared_target, 0);
  EXPECT_EQ(text(probe(1)->probe.source), "10.1.0.1");
}

TEST_F(ProbeTest, GoesThroughTheChildThatLeadsThere) {
  connection().selectors = {{*parse_prefix("10.9.0.0/16"), *parse_prefix("10.3.0.0/16")},
                            {*parse_prefix("10.1.0.0/24"), *parse_prefix("10.2.0.0/16")}};
  connection().probe->targets = {{"a", *parse_address("10.2.0.1")}, {"b", *parse_address("10.2.0.1")}};
  ASSERT_TRUE(probe());
  EXPECT_EQ(probe()->child, 1u);
  connection().selectors[1].protocol = 6;
  EXPECT_FALSE(probe());
}

TEST(Tunnels, HaveTheWeightOfTheirAddressOrTheirOwn) {
  Gateway gateway;
  gateway.public_addresses["a"] = {"a", "wan", *parse_interface_address("192.0.2.1/24"), {}};
  gateway.sites["far"] = {"far", {*parse_address("192.0.2.8"), *parse_address("192.0.2.9")}, {}};
  Connection connection;
  connection.name = "net";
  connection.site = "far";
  connection.public_addresses = {"a"};
  connection.weights["a"] = 3;
  connection.tunnels["a-2"].weight = 9;
  const auto tunnels = tunnels_of(gateway, connection);
  ASSERT_EQ(tunnels.size(), 2u);
  EXPECT_EQ(tunnels[0].weight, 3u);
  EXPECT_EQ(tunnels[1].weight, 9u);
}

}  // namespace
}  // namespace sallyport::control
