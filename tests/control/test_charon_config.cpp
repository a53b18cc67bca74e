// SPDX-License-Identifier: BSD-3-Clause
// The configuration in charon's terms.
#include <gtest/gtest.h>

#include "control/charon_config.h"

namespace sallyport::control {
namespace {

Gateway gateway() {
  Gateway gateway;
  gateway.public_addresses["a"] = {"a", "wan0", *parse_interface_address("2001:db8:1::1/64"),
                                   *parse_address("fe80::1")};
  Site site;
  site.name = "berlin";
  site.peers = {*parse_address("2001:db8:77::77")};
  site.prefixes = {*parse_prefix("10.20.0.0/16"), *parse_prefix("2001:db8:20::/48")};
  gateway.sites["berlin"] = site;
  Connection connection;
  connection.name = "prod-berlin";
  connection.virtual_network = "prod";
  connection.site = "berlin";
  connection.public_addresses = {"a"};
  connection.auth.psk_file = "/psk";
  gateway.connections["prod-berlin"] = connection;
  return gateway;
}

vici::ConnectionConfig charon_connection_of(const Gateway& gateway) {
  const Connection& connection = gateway.connections.at("prod-berlin");
  return charon_connection(connection, tunnels_of(gateway, connection).at(0));
}

TEST(CharonConfig, BothFamiliesInOneChildOverIpv6) {
  const auto config = charon_connection_of(gateway());
  EXPECT_EQ(config.version, 2);
  EXPECT_EQ(config.local_addrs, vici::Strings{"2001:db8:1::1"});
  EXPECT_EQ(config.remote_addrs, vici::Strings{"2001:db8:77::77"});
  EXPECT_EQ(config.local.at(0).id, "2001:db8:1::1");
  ASSERT_EQ(config.children.size(), 1u);
  EXPECT_EQ(config.children[0].name, "prod-berlin-a-1");
  EXPECT_EQ(config.children[0].local_ts, (vici::Strings{"0.0.0.0/0", "::/0"}));
  EXPECT_EQ(config.children[0].remote_ts, (vici::Strings{"0.0.0.0/0", "::/0"}));
}

TEST(CharonConfig, HardLifetimesBesideSoftOnes) {
  Gateway with_lifetimes = gateway();
  Esp& esp = with_lifetimes.connections["prod-berlin"].esp;
  esp.rekey_bytes = 1'000'000'000;
  esp.life_bytes = 3'000'000'000;
  esp.rekey_packets = 500'000;
  const auto child = charon_connection_of(with_lifetimes).children.at(0);
  EXPECT_EQ(child.rekey_time, vici::Seconds(3600));
  EXPECT_EQ(child.life_time, std::nullopt) << "charon adds a tenth";
  EXPECT_EQ(child.rand_time, vici::Seconds(360));
  EXPECT_EQ(child.rekey_bytes, 1'000'000'000u);
  EXPECT_EQ(child.life_bytes, 3'000'000'000u);
  EXPECT_EQ(child.rand_bytes, 100'000'000u)
      << "else charon would start the rekey anywhere up to life - rekey sooner";
  EXPECT_EQ(child.rekey_packets, 500'000u);
  EXPECT_EQ(child.life_packets, std::nullopt);
}

TEST(CharonConfig, Ikev1HasAChildForEachPair) {
  Gateway with_pairs = gateway();
  Connection& connection = with_pairs.connections["prod-berlin"];
  connection.ike.version = 1;
  connection.selectors = {{*parse_prefix("10.1.0.0/24"), *parse_prefix("10.20.0.0/24")},
                          {*parse_prefix("10.1.1.0/24"), *parse_prefix("10.20.0.0/24")},
                          {*parse_prefix("10.1.0.0/24"), *parse_prefix("10.20.1.0/24"), 6, 0, 443}};
  const auto config = charon_connection_of(with_pairs);
  EXPECT_EQ(config.version, 1);
  EXPECT_EQ(config.aggressive, false);
  EXPECT_FALSE(config.mobike) << "IKEv1 has none";
  ASSERT_EQ(config.children.size(), 3u);
  EXPECT_EQ(config.children[1].name, "prod-berlin-a-1.2");
  EXPECT_EQ(config.children[1].local_ts, vici::Strings{"10.1.1.0/24"});
  EXPECT_EQ(config.children[1].remote_ts, vici::Strings{"10.20.0.0/24"});
  EXPECT_EQ(config.children[2].local_ts, vici::Strings{"10.1.0.0/24[6]"});
  EXPECT_EQ(config.children[2].remote_ts, vici::Strings{"10.20.1.0/24[6/443]"});
}

}  // namespace
}  // namespace sallyport::control
