// SPDX-License-Identifier: BSD-3-Clause
// Mirrors, source routing and the netlink follower in namespaces of a real kernel, changed and checked with
// `ip`.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <asio/io_context.hpp>
#include <cstdlib>
#include <memory>

#include "control/model.h"
#include "control/namespace_claim.h"
#include "control/networks.h"

namespace sallyport::control {
namespace {

std::string output_of(const std::string& command) {
  std::string out;
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen((command + " 2>&1").c_str(), "r"), ::pclose);
  char buffer[4096];
  while (pipe && std::fgets(buffer, sizeof buffer, pipe.get()) != nullptr)
    out += buffer;
  return out;
}

class KernelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    name_ = "sct" + std::to_string(::getpid());
    create_netns(name_);
    sh("ip -n " + name_ + " link set lo up");
  }
  void TearDown() override {
    for (const NetnsName& name : list_netns(name_))
      delete_netns(name);
  }

  static void sh(const std::string& command) { ASSERT_EQ(output_of(command), "") << command; }
  std::string ip(const std::string& words) const { return output_of("ip -n " + name_ + " " + words); }
  std::string ip_inside(const std::string& words) const {
    return output_of("ip -n " + name_ + "-sp-prod " + words);
  }

  // What sallyportd would do, as if it ran in the test's namespace.
  void in_host(const std::function<void()>& work) { run_in_netns(name_, work); }

  template <typename Condition>
  bool settle(asio::io_context& io, Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (!condition() && std::chrono::steady_clock::now() < deadline)
      io.run_for(std::chrono::milliseconds(10));
    return condition();
  }

  Mirror make_mirror() const {
    RtNetlink netlink(name_);
    return {netlink, name_, "lan0", MirrorDevice::kTap};
  }

  Gateway config() const {
    Gateway gateway;
    gateway.ports["wan0"] = {"wan0", "net_null0", 1500};
    gateway.ports["lan0"] = {"lan0", "net_null1", 9000};
    gateway.public_addresses["a"] = {"a", "wan0", *parse_interface_address("192.0.2.1/24"),
                                     *parse_address("192.0.2.254")};
    VirtualNetwork network;
    network.name = "prod";
    network.ports["lan0"] = {*parse_interface_address("10.0.0.1/16"),
                             *parse_interface_address("2001:db8::1/64")};
    gateway.virtual_networks["prod"] = network;
    return gateway;
  }

  std::string name_;
};

TEST_F(KernelTest, NamespaceIsTheOneIpKnows) {
  EXPECT_TRUE(netns_exists(name_));
  EXPECT_NE(output_of("ip netns exec " + name_ + " ip link show lo").find("LOOPBACK"), std::string::npos);
  create_netns(name_);
  delete_netns(name_);
  EXPECT_FALSE(netns_exists(name_));
  delete_netns(name_);
}

TEST_F(KernelTest, FollowerSeesWhatIpChanges) {
  const Mirror mirror = make_mirror();
  asio::io_context io;
  int changes = 0;
  NetlinkFollower follower(io, name_, [&] { ++changes; });
  const KernelLink* link = follower.view().link("lan0");
  ASSERT_NE(link, nullptr);
  const uint32_t index = link->index;
  sh("ip -n " + name_ + " address add 10.0.0.1/16 dev lan0");
  sh("ip -n " + name_ + " route add 10.20.0.0/16 via 10.0.0.9 metric 7 proto bgp");
  sh("ip -n " + name_ + " neighbour add 10.0.0.9 dev lan0 lladdr 02:00:00:00:00:09 nud permanent");
  const KernelView& view = follower.view();
  const KernelView::RouteKey key{254, *parse_prefix("10.20.0.0/16"), 7};
  ASSERT_TRUE(settle(io, [&] {
    return view.routes.contains(key) && view.neighbours.contains({index, *parse_address("10.0.0.9")});
  }));
  EXPECT_GT(changes, 0);
  EXPECT_TRUE(view.addresses.contains({index, *parse_interface_address("10.0.0.1/16")}));
  ASSERT_EQ(view.routes.at(key).next_hops.size(), 1u);
  EXPECT_EQ(view.routes.at(key).next_hops[0].via->to_string(), "10.0.0.9");
  EXPECT_EQ(view.neighbours.at({index, *parse_address("10.0.0.9")}).mac, (api::Mac{2, 0, 0, 0, 0, 9}));

  sh("ip -n " + name_ + " route del 10.20.0.0/16");
  EXPECT_TRUE(settle(io, [&] { return !view.routes.contains(key); }));
}

TEST_F(KernelTest, FollowerSeesRoutesThatVanishWithoutAWord) {
  const Mirror mirror = make_mirror();
  sh("ip -n " + name_ + " address add 10.0.0.1/16 dev lan0");
  sh("ip -n " + name_ + " route add 10.20.0.0/16 via 10.0.0.9");
  asio::io_context io;
  NetlinkFollower follower(io, name_, [] {});
  const KernelView::RouteKey key{254, *parse_prefix("10.20.0.0/16"), 0};
  ASSERT_TRUE(follower.view().routes.contains(key));
  sh("ip -n " + name_ + " link set lan0 down");
  EXPECT_TRUE(settle(io, [&] { return !follower.view().routes.contains(key); }));
}

TEST_F(KernelTest, FollowerExpandsNexthopObjects) {
  const Mirror mirror = make_mirror();
  sh("ip -n " + name_ + " address add 10.0.0.1/16 dev lan0");
  sh("ip -n " + name_ + " nexthop add id 5 via 10.0.0.9 dev lan0");
  asio::io_context io;
  NetlinkFollower follower(io, name_, [] {});
  sh("ip -n " + name_ + " route add 10.20.0.0/16 nhid 5");
  const KernelView& view = follower.view();
  const KernelView::RouteKey key{254, *parse_prefix("10.20.0.0/16"), 0};
  const auto via = [&]() -> std::string {
    const auto route = view.routes.find(key);
    if (route == view.routes.end() || route->second.next_hops.empty()) return "";
    return route->second.next_hops[0].via->to_string();
  };
  EXPECT_TRUE(settle(io, [&] { return via() == "10.0.0.9"; }));
  sh("ip -n " + name_ + " nexthop replace id 5 via 10.0.0.8 dev lan0");
  EXPECT_TRUE(settle(io, [&] { return via() == "10.0.0.8"; })) << via();
  sh("ip -n " + name_ + " nexthop del id 5");
  EXPECT_TRUE(settle(io, [&] { return via().empty(); }));
}

TEST_F(KernelTest, FollowerSeesIpv6RoutesAndWhatIsLeftOfThem) {
  RtNetlink netlink(name_);
  const Mirror mirror(netlink, name_, "lan0", MirrorDevice::kTap);
  netlink.add_address({mirror.link(), *parse_interface_address("2001:db8:1::1/64")});
  asio::io_context io;
  NetlinkFollower follower(io, name_, [] {});
  sh("ip -n " + name_ +
     " route add 2001:db8:20::/48 metric 7 nexthop via 2001:db8:1::8 dev lan0 nexthop via fe80::9 " +
     "dev lan0 weight 3");
  const KernelView& view = follower.view();
  const KernelView::RouteKey key{254, *parse_prefix("2001:db8:20::/48"), 7};
  const auto next_hops = [&]() -> std::string {
    std::string text;
    if (!view.routes.contains(key)) return "none";
    for (const KernelNextHop& next : view.routes.at(key).next_hops)
      text += next.via->to_string() + "*" + std::to_string(next.weight) + " ";
    return text;
  };
  EXPECT_TRUE(settle(io, [&] { return next_hops() == "2001:db8:1::8*1 fe80::9*3 "; })) << next_hops();
  sh("ip -n " + name_ + " route del 2001:db8:20::/48 metric 7 via 2001:db8:1::8 dev lan0");
  EXPECT_TRUE(settle(io, [&] { return next_hops() == "fe80::9*1 " || next_hops() == "fe80::9*3 "; }))
      << next_hops();
  sh("ip -n " + name_ + " route del 2001:db8:20::/48 metric 7");
  EXPECT_TRUE(settle(io, [&] { return next_hops() == "none"; })) << next_hops();
}

// The kernel asks from a link-local address, without which it would not ask at all.
TEST_F(KernelTest, AnIpv6NextHopIsAskedForAndKept) {
  in_host([&] {
    asio::io_context io;
    Gateway gateway = config();
    gateway.public_addresses["a"].address = *parse_interface_address("2001:db8:2::1/64");
    gateway.public_addresses["a"].next_hop = *parse_address("fe80::1");
    Networks networks(io, name_ + "-sp-", [](const std::string&) {});
    networks.apply(gateway);
    networks.set_mac("wan0", {0x02, 0x11, 0x22, 0x33, 0x44, 0x55});
    networks.resolve_neighbour("wan0", *parse_address("2001:db8:2::9"));
    networks.manage_neighbour("wan0", *parse_address("fe80::1"));  // which the new MAC made the kernel forget
    std::array<uint8_t, 2048> frame{};
    bool asked = false;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(3);
    while (!asked && std::chrono::steady_clock::now() < deadline) {
      const ssize_t length = ::read(networks.port_mirror("wan0")->fd(), frame.data(), frame.size());
      asked = length >= 78 && frame[54] == 135;  // a neighbour solicitation, RFC 4861 section 4.3
    }
    EXPECT_TRUE(asked);
    const std::string addresses = ip("-6 address show wan0");
    EXPECT_NE(addresses.find("fe80::11:22ff:fe33:4455/64 scope link nodad"), std::string::npos) << addresses;
    EXPECT_EQ(addresses.find("tentative"), std::string::npos) << addresses;
    EXPECT_NE(ip("-6 rule").find("from 2001:db8:2::1 lookup 5300"), std::string::npos) << ip("-6 rule");
    const std::string table = ip("-6 route show table 5300");
    EXPECT_NE(table.find("default via fe80::1 dev wan0"), std::string::npos) << table;
    EXPECT_NE(table.find("2001:db8:2::/64 dev wan0"), std::string::npos) << table;
    EXPECT_NE(ip("neighbour show fe80::1 dev wan0").find("managed"), std::string::npos)
        << ip("neighbour show");
    networks.apply(config());  // back to IPv4
    EXPECT_EQ(ip("-6 address show wan0"), "");
    EXPECT_EQ(ip("-6 rule").find("5300"), std::string::npos);
    EXPECT_EQ(ip("-6 route show table 5300").find("via"), std::string::npos);
    EXPECT_TRUE(Networks::cleanup(networks.made()).empty());
  });
}

TEST_F(KernelTest, TunnelRoutesOfBothFamilies) {
  in_host([&] {
    asio::io_context io;
    Networks networks(io, name_ + "-sp-", [](const std::string&) {});
    networks.apply(config());
    const std::map<IpPrefix, IpAddress> wanted = {
        {*parse_prefix("10.20.0.0/16"), inside_next_hop(IpVersion::kV4, 7)},
        {*parse_prefix("2001:db8:20::/48"), inside_next_hop(IpVersion::kV6, 7)}};
    networks.sync_tunnel_routes("prod", wanted);
    const std::string routes = ip_inside("-6 route");
    EXPECT_NE(routes.find("2001:db8:20::/48 via fe80::a9fe:8007 dev vpn0 proto 83"), std::string::npos)
        << routes;
    NetlinkFollower* follower = networks.virtual_network("prod");
    ASSERT_TRUE(settle(io, [&] {
      return follower->view().routes.contains({254, *parse_prefix("2001:db8:20::/48"), 1024});
    }));
    networks.sync_tunnel_routes("prod", {});
    EXPECT_EQ(ip_inside("-6 route").find("2001:db8:20::/48"), std::string::npos);
    EXPECT_EQ(ip_inside("route").find("10.20.0.0/16"), std::string::npos);
    (void)Networks::cleanup(networks.made());
  });
}

// Whatever the host does without.
TEST_F(KernelTest, MirrorsHaveIpv6WhereTheHostHasNone) {
  sh("ip netns exec " + name_ + " sysctl -qw net.ipv6.conf.default.disable_ipv6=1");
  RtNetlink netlink(name_);
  const Mirror mirror(netlink, name_, "lan0", MirrorDevice::kTap);
  netlink.add_address({mirror.link(), *parse_interface_address("2001:db8:1::1/64")});
  EXPECT_NE(ip("-6 address show lan0").find("2001:db8:1::1/64"), std::string::npos);
}

TEST_F(KernelTest, OneGatewayHasANamespace) {
  std::string refusal;
  const auto claim_again = [&] {
    try {
      const NamespaceClaim second;
    } catch (const std::runtime_error& error) {
      refusal = error.what();
    }
  };
  in_host([&] {
    {
      const NamespaceClaim first;
      claim_again();
      EXPECT_NE(refusal.find("process " + std::to_string(::getpid())), std::string::npos) << refusal;
      // scripts/gateway reads it there.
      EXPECT_NE(output_of("cat /proc/net/unix").find(" @sallyport-gateway\n"), std::string::npos);
      refusal.clear();
      const NetnsName other = name_ + "-other";
      create_netns(other);
      run_in_netns(other, claim_again);
      EXPECT_EQ(refusal, "") << "another namespace";
    }
    claim_again();
    EXPECT_EQ(refusal, "") << "the first one has ended";
  });
}

TEST_F(KernelTest, ANewMacDropsTheFramesOfTheOldOne) {
  RtNetlink netlink(name_);
  Mirror mirror(netlink, name_, "lan0", MirrorDevice::kTap);
  std::array<uint8_t, 2048> frame;
  EXPECT_LT(::read(mirror.fd(), frame.data(), frame.size()), 0) << "the kernel speaks IPv6 by itself";
  sh("ip -n " + name_ + " address add 10.0.0.1/16 dev lan0");
  const auto ask_for_a_neighbour = [&](const char* address) {
    netlink.resolve_neighbour(mirror.link(), *parse_address(address));
  };
  ask_for_a_neighbour("10.0.0.9");
  mirror.set_mac(netlink, {2, 0, 0, 0, 0, 1});
  EXPECT_LT(::read(mirror.fd(), frame.data(), frame.size()), 0);
  ask_for_a_neighbour("10.0.0.8");
  ASSERT_GT(::read(mirror.fd(), frame.data(), frame.size()), 0);
  EXPECT_EQ(frame[6 + 5], 1) << "the last byte of the sender's MAC";
}

TEST_F(KernelTest, NetworksAreMadeFoundAgainAndRemoved) {
  in_host([&] {
    asio::io_context io;
    Networks networks(io, name_ + "-sp-", [](const std::string&) {});
    networks.apply(config());
    EXPECT_NE(ip("-d link show wan0").find("multi_queue"), std::string::npos);
    EXPECT_NE(ip("address show wan0").find("192.0.2.1/24"), std::string::npos);
    EXPECT_NE(ip("rule").find("from 192.0.2.1 lookup 5300"), std::string::npos);
    EXPECT_NE(ip("route show table 5300").find("default via 192.0.2.254 dev wan0"), std::string::npos);
    EXPECT_NE(ip("neighbour show").find("managed"), std::string::npos);
    EXPECT_NE(ip_inside("address show lan0").find("10.0.0.1/16"), std::string::npos);
    EXPECT_NE(ip_inside("-6 address show lan0").find("2001:db8::1/64 scope global nodad"), std::string::npos);
    EXPECT_NE(ip_inside("link show lan0").find("mtu 9000"), std::string::npos);
    EXPECT_NE(ip_inside("link show vpn0").find("POINTOPOINT"), std::string::npos);
    EXPECT_EQ(output_of("ip netns exec " + name_ + " cat /proc/sys/net/ipv4/conf/wan0/arp_ignore"), "1\n");

    const std::string links = ip("link show wan0");
    Networks second(io, name_ + "-sp-", [](const std::string&) {});  // as after a restart
    second.remember(networks.made());
    second.apply(config());
    EXPECT_EQ(ip("link show wan0"), links);

    second.sync_tunnel_routes("prod", {{*parse_prefix("10.20.0.0/16"), *parse_address("169.254.128.1")}});
    EXPECT_NE(ip_inside("route").find("10.20.0.0/16 via 169.254.128.1 dev vpn0 proto 83 onlink"),
              std::string::npos);

    EXPECT_TRUE(Networks::cleanup(second.made()).empty());
    EXPECT_TRUE(Networks::cleanup(second.made()).empty());
  });
  EXPECT_EQ(ip("link show wan0").find("192.0.2"), std::string::npos);
  EXPECT_EQ(ip("rule").find("5300"), std::string::npos);
  EXPECT_FALSE(netns_exists(name_ + "-sp-prod"));
}

TEST_F(KernelTest, ApplyRemovesOnlyWhatTheConfigurationLost) {
  in_host([&] {
    asio::io_context io;
    Networks networks(io, name_ + "-sp-", [](const std::string&) {});
    networks.apply(config());
    sh("ip -n " + name_ + "-sp-prod address add 10.77.0.1/24 dev lan0");  // the operator's own
    Gateway changed = config();
    changed.virtual_networks["prod"].ports["lan0"] = {*parse_interface_address("10.5.0.1/16")};
    networks.apply(changed);
    const std::string addresses = ip_inside("address show lan0");
    EXPECT_EQ(addresses.find("10.0.0.1/16"), std::string::npos);
    EXPECT_NE(addresses.find("10.5.0.1/16"), std::string::npos);
    EXPECT_NE(addresses.find("10.77.0.1/24"), std::string::npos);
    changed.virtual_networks.clear();
    networks.apply(changed);
    EXPECT_FALSE(netns_exists(name_ + "-sp-prod"));
    EXPECT_NE(ip("link show wan0").find("wan0"), std::string::npos);
    (void)Networks::cleanup(networks.made());
  });
}

TEST_F(KernelTest, ALaterLifeRemovesTheAddressesThatTheConfigurationLost) {
  in_host([&] {
    asio::io_context io;
    MadeInLinux made;
    {
      Networks first(io, name_ + "-sp-", [](const std::string&) {});
      first.apply(config());
      made = first.made();
    }
    sh("ip -n " + name_ + " address add 198.51.100.9/24 dev wan0");  // the operator's own
    sh("ip -n " + name_ + " address add 192.0.2.1/32 dev lo");       // on a device that isn't ours
    Gateway changed = config();
    changed.public_addresses["a"].address = *parse_interface_address("192.0.2.2/24");
    changed.virtual_networks["prod"].ports["lan0"] = {*parse_interface_address("10.5.0.1/16")};
    Networks second(io, name_ + "-sp-", [](const std::string&) {});
    second.remember(made);
    second.apply(changed);
    const std::string outside = ip("address show wan0"), inside = ip_inside("address show lan0");
    EXPECT_EQ(outside.find("192.0.2.1/24"), std::string::npos) << outside;
    EXPECT_NE(outside.find("192.0.2.2/24"), std::string::npos) << outside;
    EXPECT_NE(outside.find("198.51.100.9/24"), std::string::npos) << outside;
    EXPECT_NE(ip("address show lo").find("192.0.2.1/32"), std::string::npos);
    EXPECT_EQ(inside.find("10.0.0.1/16"), std::string::npos) << inside;
    EXPECT_EQ(inside.find("2001:db8::1/64"), std::string::npos) << inside;
    EXPECT_NE(inside.find("10.5.0.1/16"), std::string::npos) << inside;
    (void)Networks::cleanup(second.made());
  });
}

}  // namespace
}  // namespace sallyport::control
