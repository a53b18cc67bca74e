// SPDX-License-Identifier: BSD-3-Clause
// One gateway with a public port, a LAN port, a virtual network, a peer and a host, programmed by its API:
// what the tests of this folder send packets through.
//
//   peer 203.0.113.1 -- next hop 198.51.100.254 --(wan)-- 198.51.100.1 [gateway] 10.1.0.1 --(lan)--
//   host 10.1.0.2
#pragma once

#include <gtest/gtest.h>

#include "tests/dataplane/esp_oracle.h"
#include "tests/dataplane_manager/gateway_process.h"

namespace sallyport::test {

using dataplane::testing::ipv4;
using dataplane::testing::ipv4_of_size;
using dataplane::testing::Ipv4Fields;
using dataplane::testing::OracleSa;

inline constexpr uint32_t kGatewayAddress = 0xc6336401, kNextHopAddress = 0xc63364fe,
                          kPeerAddress = 0xcb007101;
inline constexpr uint32_t kLanAddress = 0x0a010001, kHostAddress = 0x0a010002, kFarHostAddress = 0x0a020002;
inline constexpr uint32_t kWanPort = 0, kLanPort = 1, kVrf = 1, kTunnel = 3;
inline constexpr uint32_t kNextHopNeighbour = 1, kHostNeighbour = 2;
inline constexpr uint32_t kTunnelGroup = 1, kHostGroup = 2, kConnectedGroup = 3, kLocalGroup = 4;
inline constexpr api::Mac kNextHopMac = {2, 0, 0, 0, 0, 1}, kHostMac = {2, 0, 0, 0, 0, 2};

inline api::Address address(uint32_t host_order) {
  api::Address result{};
  result.family = api::Family::kIpv4;
  for (size_t i = 0; i < 4; ++i)
    result.bytes[i] = static_cast<uint8_t>(host_order >> (24 - 8 * i));
  return result;
}

template <size_t kSize>
void set_name(std::array<char, kSize>& field, const std::string& text) {
  field = {};
  text.copy(field.data(), kSize - 1);
}

inline Frame ethernet(const api::Mac& to, const api::Mac& from, uint16_t ether_type, const Frame& payload) {
  Frame frame(to.begin(), to.end());
  frame.insert(frame.end(), from.begin(), from.end());
  frame.push_back(static_cast<uint8_t>(ether_type >> 8));
  frame.push_back(static_cast<uint8_t>(ether_type));
  frame.insert(frame.end(), payload.begin(), payload.end());
  return frame;
}

// ARP for IPv4 over Ethernet (RFC 826).
inline Frame arp(uint16_t operation, const api::Mac& sender_mac, uint32_t sender, uint32_t target) {
  Frame bytes(28);
  const Frame head = {
      0, 1, 8, 0, 6, 4, static_cast<uint8_t>(operation >> 8), static_cast<uint8_t>(operation)};
  std::copy(head.begin(), head.end(), bytes.begin());
  std::copy(sender_mac.begin(), sender_mac.end(), bytes.begin() + 8);
  dataplane::testing::put32(bytes, 14, sender);
  dataplane::testing::put32(bytes, 24, target);
  return bytes;
}

// The IP packet of a frame, without what Ethernet's minimum size added.
inline Frame ip_of(const Frame& frame) {
  const size_t size = static_cast<size_t>(frame.at(16)) << 8 | frame.at(17);
  if (frame.size() < 14 + size) return {};
  return Frame(frame.begin() + 14, frame.begin() + 14 + static_cast<ptrdiff_t>(size));
}

class SiteTest : public testing::Test {
 protected:
  void SetUp() override {
    gateway_.start(client_);
    if (HasFatalFailure()) return;
    program();
  }

  void expect_ok(const api::Reply& reply) { EXPECT_EQ(reply.error, api::Error::kNone) << reply.text.data(); }

  // Everything but SAs.
  void program() {
    set_vrf();
    set_port(kWanPort, 0, "wan", wan_);
    set_port(kLanPort, kVrf, "lan", lan_);
    for (const auto& port : client_.dump<api::SetPort>(api::Type::kSetPort))
      (port.port_id == kWanPort ? wan_mac_ : lan_mac_) = port.mac;
    set_address(kWanPort, kGatewayAddress);
    set_address(kLanPort, kLanAddress);
    expect_ok(set_neighbour(kNextHopNeighbour, kWanPort, kNextHopAddress, kNextHopMac));
    expect_ok(set_neighbour(kHostNeighbour, kLanPort, kHostAddress, kHostMac));
    auto tunnel = ApiClient::make<api::SetTunnel>(api::Type::kSetTunnel);
    tunnel.tunnel_id = kTunnel;
    tunnel.vrf_id = kVrf;
    tunnel.neighbour_id = kNextHopNeighbour;
    tunnel.mss_clamp = 1;
    set_name(tunnel.name, "prod-berlin-a-1");
    expect_ok(client_.request(tunnel));
    set_group(kTunnelGroup, api::MemberKind::kTunnel, kTunnel);
    set_group(kHostGroup, api::MemberKind::kNeighbour, kHostNeighbour);
    set_group(kConnectedGroup, api::MemberKind::kConnected, kLanPort);
    set_group(kLocalGroup, api::MemberKind::kLocal, 0);
    set_route(kLanAddress, 32, kLocalGroup);
    set_route(0x0a020000, 16, kTunnelGroup);
    set_route(kHostAddress, 32, kHostGroup);
    set_route(0x0a010000, 24, kConnectedGroup);
  }

  void set_vrf() {
    auto vrf = ApiClient::make<api::SetVrf>(api::Type::kSetVrf);
    vrf.vrf_id = kVrf;
    set_name(vrf.name, "prod");
    expect_ok(client_.request(vrf));
  }
  void set_port(uint32_t id, uint32_t vrf, const std::string& name, const Wire& wire) {
    auto port = ApiClient::make<api::SetPort>(api::Type::kSetPort);
    port.port_id = id;
    port.vrf_id = vrf;
    port.mtu_bytes = 1500;
    set_name(port.name, name);
    set_name(port.device, wire.device(id));
    expect_ok(client_.request(port));
  }
  void set_address(uint32_t port, uint32_t value) {
    auto message = ApiClient::make<api::SetAddress>(api::Type::kSetAddress);
    message.port_id = port;
    message.address = address(value);
    expect_ok(client_.request(message));
  }
  api::Reply set_neighbour(uint32_t id, uint32_t port, uint32_t value, const api::Mac& mac) {
    auto message = ApiClient::make<api::SetNeighbour>(api::Type::kSetNeighbour);
    message.neighbour_id = id;
    message.port_id = port;
    message.address = address(value);
    message.mac = mac;
    return client_.request(message);
  }
  void set_group(uint32_t id, api::MemberKind kind, uint32_t member) {
    auto group = ApiClient::make<api::SetGroup>(api::Type::kSetGroup);
    group.group_id = id;
    group.vrf_id = kVrf;
    group.member_count = 1;
    group.members[0] = {kind, 1, 1, member};
    set_name(group.name, "group" + std::to_string(id));
    expect_ok(client_.request(group));
  }
  void set_route(uint32_t prefix, uint8_t length, uint32_t group) {
    auto route = ApiClient::make<api::SetRoute>(api::Type::kSetRoute);
    route.vrf_id = kVrf;
    route.group_id = group;
    route.prefix.address = address(prefix);
    route.prefix.length = length;
    expect_ok(client_.request(route));
  }

  template <typename Sa>
  static void fill_sa(Sa& sa, uint32_t spi) {
    sa.spi = spi;
    sa.tunnel_id = kTunnel;
    sa.keys.algorithm = api::Algorithm::kAes128Gcm16;
    sa.keys.key_bytes = 20;
    sa.local = address(kGatewayAddress);
    sa.remote = address(kPeerAddress);
    sa.local_selector_count = sa.remote_selector_count = 1;
    api::Selector &local = sa.selectors[0], &remote = sa.selectors[1];
    local.family = remote.family = api::Family::kIpv4;
    local.port_to = remote.port_to = 65535;
    local.from = {10, 1, 0, 0};
    local.to = {10, 1, 255, 255};
    remote.from = {10, 2, 0, 0};
    remote.to = {10, 2, 255, 255};
  }
  static api::SetInboundSa inbound_sa(uint32_t spi, uint8_t key_byte) {
    auto sa = ApiClient::make<api::SetInboundSa>(api::Type::kSetInboundSa);
    fill_sa(sa, spi);
    sa.replay_window = 64;
    std::fill_n(sa.keys.key.begin(), 20, key_byte);
    return sa;
  }
  static api::SetOutboundSa outbound_sa(uint32_t spi, uint32_t slot, uint8_t key_byte) {
    auto sa = ApiClient::make<api::SetOutboundSa>(api::Type::kSetOutboundSa);
    fill_sa(sa, spi);
    sa.slot = slot;
    sa.activate = 1;
    std::fill_n(sa.keys.key.begin(), 20, key_byte);
    return sa;
  }
  api::Reply delete_sa(api::Direction direction, uint32_t slot, uint32_t spi) {
    auto message = ApiClient::make<api::DeleteSa>(api::Type::kDeleteSa);
    message.direction = direction;
    message.slot = slot;
    message.spi = spi;
    return client_.request(message);
  }

  // What the peer sends into the SA, and opens what we send.
  static OracleSa peer_sends(uint32_t spi, uint8_t key_byte) {
    OracleSa sa;
    sa.spi = spi;
    sa.key.assign(20, key_byte);
    sa.source = kPeerAddress;
    sa.destination = kGatewayAddress;
    return sa;
  }
  static OracleSa peer_receives(uint32_t spi, uint8_t key_byte) {
    OracleSa sa = peer_sends(spi, key_byte);
    std::swap(sa.source, sa.destination);
    return sa;
  }
  static Frame to_host(size_t bytes) {
    Ipv4Fields fields;
    fields.source = kFarHostAddress;
    fields.destination = kHostAddress;
    return ipv4_of_size(bytes, fields);
  }
  void peer_sends_packet(const OracleSa& sa, uint64_t sequence, const Frame& inner) {
    wan_.send(ethernet(wan_mac_, kNextHopMac, 0x0800, dataplane::testing::seal(sa, sequence, inner)));
  }
  void host_sends_packet(size_t bytes) {
    Ipv4Fields fields;
    fields.source = kHostAddress;
    fields.destination = kFarHostAddress;
    lan_.send(ethernet(lan_mac_, kHostMac, 0x0800, ipv4_of_size(bytes, fields)));
  }

  Wire wan_{"swan"}, lan_{"slan"};
  GatewayProcess gateway_;
  ApiClient client_;
  api::Mac wan_mac_{}, lan_mac_{};
};

}  // namespace sallyport::test
