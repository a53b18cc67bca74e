// SPDX-License-Identifier: BSD-3-Clause
// IPv6 by the API of the real process: addresses, neighbours, routes and SAs of that family.
#include "tests/dataplane/ipv6_packets.h"
#include "tests/dataplane_manager/site.h"

namespace sallyport::test {
namespace {

using dataplane::testing::fragment6;
using dataplane::testing::icmp6;
using dataplane::testing::Ip6;
using dataplane::testing::ip6;
using dataplane::testing::ipv6;
using dataplane::testing::ipv6_of_size;

constexpr int kWaitMs = 3000, kSilenceMs = 200;
constexpr uint32_t kSlot = 7, kInboundSpi = 0x11100000 | kSlot, kOutboundSpi = 0x22200000;
constexpr uint8_t kInboundKey = 0x31, kOutboundKey = 0x32;
constexpr Ip6 kGateway6 = ip6(0xa, 1), kPeer6 = ip6(0xb, 1), kLan6 = ip6(1, 1), kHost6 = ip6(1, 2),
              kFarHost6 = ip6(2, 2);

api::Address address(const Ip6& bytes) {
  return {api::Family::kIpv6, {}, bytes};
}

class Ipv6Test : public SiteTest {
 protected:
  void SetUp() override {
    SiteTest::SetUp();
    if (HasFatalFailure()) return;
    expect_ok(set_address6(kWanPort, kGateway6));
    expect_ok(set_address6(kLanPort, kLan6));
    expect_ok(set_neighbour6(kNextHopNeighbour, kWanPort, kPeer6, kNextHopMac));
    expect_ok(set_neighbour6(kHostNeighbour, kLanPort, kHost6, kHostMac));
    expect_ok(set_route6(ip6(2, 0), 64, kTunnelGroup));
    expect_ok(set_route6(ip6(1, 0), 64, kConnectedGroup));
    expect_ok(set_route6(kHost6, 128, kHostGroup));
  }
  api::Reply set_address6(uint32_t port, const Ip6& value) {
    auto message = ApiClient::make<api::SetAddress>(api::Type::kSetAddress);
    message.port_id = port;
    message.address = address(value);
    return client_.request(message);
  }
  api::Reply set_neighbour6(uint32_t id, uint32_t port, const Ip6& value, const api::Mac& mac) {
    auto message = ApiClient::make<api::SetNeighbour>(api::Type::kSetNeighbour);
    message.neighbour_id = id;
    message.port_id = port;
    message.address = address(value);
    message.mac = mac;
    return client_.request(message);
  }
  api::Reply set_route6(const Ip6& prefix, uint8_t length, uint32_t group) {
    auto route = ApiClient::make<api::SetRoute>(api::Type::kSetRoute);
    route.vrf_id = kVrf;
    route.group_id = group;
    route.prefix.address = address(prefix);
    route.prefix.length = length;
    return client_.request(route);
  }
  template <typename Sa>
  static Sa over_ipv6(Sa sa) {
    sa.local = address(kGateway6);
    sa.remote = address(kPeer6);
    for (api::Selector& selector : std::span(sa.selectors).first(2)) {
      selector.family = api::Family::kIpv6;
      selector.from = {};
      selector.to.fill(0xff);
    }
    return sa;
  }
  void install_pair() {
    expect_ok(client_.request(over_ipv6(inbound_sa(kInboundSpi, kInboundKey))));
    expect_ok(client_.request(over_ipv6(outbound_sa(kOutboundSpi, kSlot, kOutboundKey))));
  }
  static OracleSa peer6(uint32_t spi, uint8_t key_byte, const Ip6& from, const Ip6& to) {
    OracleSa sa = peer_sends(spi, key_byte);
    sa.source6 = from;
    sa.destination6 = to;
    return sa;
  }
  void host_sends6(const Frame& packet) { lan_.send(ethernet(lan_mac_, kHostMac, 0x86dd, packet)); }
  // The IPv6 packet of the next such frame, without what Ethernet's minimum size added; empty: none came.
  static Frame receive6(Wire& wire, int wait_ms = kWaitMs) {
    const auto frame = wire.receive_kind(0x86dd, 0, wait_ms);
    if (!frame) return {};
    const size_t size = 40u + dataplane::testing::get16(*frame, 18);
    return Frame(frame->begin() + 14, frame->begin() + 14 + static_cast<ptrdiff_t>(size));
  }
};

TEST_F(Ipv6Test, CarriesPacketsBothWays) {
  install_pair();
  Frame inner = ipv6_of_size(300, {.source = kFarHost6, .destination = kHost6});
  const OracleSa sends = peer6(kInboundSpi, kInboundKey, kPeer6, kGateway6);
  wan_.send(ethernet(wan_mac_, kNextHopMac, 0x86dd, dataplane::testing::seal(sends, 1, inner)));
  inner[7] -= 1;
  EXPECT_EQ(receive6(lan_), inner);
  Frame out = ipv6_of_size(300, {.source = kHost6, .destination = kFarHost6});
  host_sends6(out);
  const auto opened =
      dataplane::testing::open(peer6(kOutboundSpi, kOutboundKey, kGateway6, kPeer6), 0, receive6(wan_));
  ASSERT_TRUE(opened);
  out[7] -= 1;
  EXPECT_EQ(opened->inner, out);
}

TEST_F(Ipv6Test, AnSaMovesFromOneFamilyToTheOther) {
  expect_ok(client_.request(outbound_sa(kOutboundSpi, kSlot, kOutboundKey)));
  auto update = ApiClient::make<api::UpdateSa>(api::Type::kUpdateSa);
  update.direction = api::Direction::kOutbound;
  update.slot = kSlot;
  update.spi = kOutboundSpi;
  update.local = address(kGateway6);
  update.remote = address(kPeer6);
  expect_ok(client_.request(update));
  host_sends_packet(100);
  const auto opened =
      dataplane::testing::open(peer6(kOutboundSpi, kOutboundKey, kGateway6, kPeer6), 0, receive6(wan_));
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->inner.size(), 100u);
  EXPECT_EQ(opened->next_header, 4);
}

TEST_F(Ipv6Test, LearnsAPathMtuFromARouterThatQuotesAnSa) {
  install_pair();
  host_sends6(ipv6_of_size(100, {.source = kHost6, .destination = kFarHost6}));
  const Frame sent = receive6(wan_);
  ASSERT_FALSE(sent.empty());
  const auto tell = [&](uint16_t mtu_bytes, uint8_t spi_byte, const Ip6& destination = kPeer6) {
    Frame body(4);
    dataplane::testing::put32(body, 0, mtu_bytes);
    body.insert(body.end(), sent.begin(), sent.begin() + 48);
    body[4 + 40] = spi_byte;
    std::copy(destination.begin(), destination.end(), body.begin() + 4 + 24);
    wan_.send(ethernet(wan_mac_, kNextHopMac, 0x86dd,
                       icmp6(2, 0, body, {.source = ip6(9, 9), .destination = kGateway6})));
  };
  tell(1300, 0x11);                   // an SPI that is nobody's
  tell(1301, sent[40], ip6(0xb, 2));  // a live one, to where it never went
  EXPECT_FALSE(client_.wait_event<api::PathMtuChanged>(api::Type::kPathMtuChanged, kSilenceMs));
  tell(1400, sent[40]);
  const auto event = client_.wait_event<api::PathMtuChanged>(api::Type::kPathMtuChanged, kWaitMs);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->path_mtu_bytes, 1400u);
  tell(1279, sent[40]);  // RFC 8201 section 4
  EXPECT_FALSE(client_.wait_event<api::PathMtuChanged>(api::Type::kPathMtuChanged, kSilenceMs));
}

TEST_F(Ipv6Test, AsksForANeighbourAndKeepsThePacket) {
  install_pair();
  const Frame packet = ipv6_of_size(200, {.source = kFarHost6, .destination = ip6(1, 0x63)});
  const OracleSa sends = peer6(kInboundSpi, kInboundKey, kPeer6, kGateway6);
  wan_.send(ethernet(wan_mac_, kNextHopMac, 0x86dd, dataplane::testing::seal(sends, 1, packet)));
  const auto wanted = client_.wait_event<api::NeighbourWanted>(api::Type::kNeighbourWanted, kWaitMs);
  ASSERT_TRUE(wanted);
  EXPECT_EQ(wanted->port_id, kLanPort);
  EXPECT_EQ(wanted->address.family, api::Family::kIpv6);
  EXPECT_EQ(wanted->address.bytes, ip6(1, 0x63));
  expect_ok(set_neighbour6(9, kLanPort, ip6(1, 0x63), {2, 0, 0, 0, 0, 9}));
  EXPECT_EQ(receive6(lan_).size(), 200u);
}

TEST_F(Ipv6Test, SendsToAKnownNeighbourThatHasNoRouteYet) {
  install_pair();
  expect_ok(set_neighbour6(9, kLanPort, ip6(1, 0x64), {2, 0, 0, 0, 0, 9}));
  const Frame packet = ipv6_of_size(200, {.source = kFarHost6, .destination = ip6(1, 0x64)});
  const OracleSa sends = peer6(kInboundSpi, kInboundKey, kPeer6, kGateway6);
  wan_.send(ethernet(wan_mac_, kNextHopMac, 0x86dd, dataplane::testing::seal(sends, 1, packet)));
  EXPECT_EQ(receive6(lan_).size(), 200u);
}

// What no packet buffer holds lies in several on the way. In IPv4 the test's sockets would reassemble it.
TEST_F(Ipv6Test, GivesLargeIkeInFragmentsToTheMirrorWhole) {
  MirrorDevice tap("smwan6", TunnelDevice::kTap);
  auto mirror = ApiClient::make<api::SetMirror>(api::Type::kSetMirror);
  mirror.kind = api::MirrorKind::kPort;
  mirror.id = kWanPort;
  const int fd = tap.queue();
  expect_ok(client_.request(mirror, std::span(&fd, 1)));
  constexpr size_t kPieceBytes = 1400;
  Frame datagram(3 * kPieceBytes, 0x5a);
  dataplane::testing::put16(datagram, 0, 500);
  dataplane::testing::put16(datagram, 2, 500);
  dataplane::testing::put16(datagram, 4, static_cast<uint32_t>(datagram.size()));
  for (size_t at = 0; at < datagram.size(); at += kPieceBytes) {
    const auto begin = datagram.begin() + static_cast<long>(at);
    const Frame piece = fragment6(17, static_cast<uint32_t>(at), at + kPieceBytes < datagram.size(), 7,
                                  Frame(begin, begin + kPieceBytes));
    wan_.send(ethernet(wan_mac_, kNextHopMac, 0x86dd, ipv6(piece, {kPeer6, kGateway6, 44})));
  }
  const Frame whole = ethernet(wan_mac_, wan_mac_, 0x86dd, ipv6(datagram, {kPeer6, kGateway6, 17}));
  std::optional<Frame> punted = tap.receive(kWaitMs);
  while (punted && *punted != whole)  // what else the kernel says on the link
    punted = tap.receive(kWaitMs);
  EXPECT_TRUE(punted);
}

TEST_F(Ipv6Test, GivesBackWhatWasSet) {
  install_pair();
  const auto is_ipv6 = [](const api::Address& address) { return address.family == api::Family::kIpv6; };
  uint32_t addresses = 0, routes = 0;
  for (const auto& message : client_.dump<api::SetAddress>(api::Type::kSetAddress))
    addresses += is_ipv6(message.address);
  for (const auto& message : client_.dump<api::SetRoute>(api::Type::kSetRoute)) {
    routes += is_ipv6(message.prefix.address);
    auto remove = ApiClient::make<api::DeleteRoute>(api::Type::kDeleteRoute);
    remove.vrf_id = message.vrf_id;
    remove.prefix = message.prefix;
    expect_ok(client_.request(remove));
  }
  EXPECT_EQ(addresses, 2u);
  EXPECT_EQ(routes, 3u);
  EXPECT_TRUE(client_.dump<api::SetRoute>(api::Type::kSetRoute).empty());
  EXPECT_EQ(client_.dump<api::SetOutboundSa>(api::Type::kSetOutboundSa).at(0).remote.bytes, kPeer6);
}

TEST_F(Ipv6Test, RefusesAPortTooNarrowForIt) {
  auto port = client_.dump<api::SetPort>(api::Type::kSetPort).at(kLanPort);
  port.header = ApiClient::make<api::SetPort>(api::Type::kSetPort).header;
  port.mtu_bytes = 1279;
  port.link_up = port.has_mirror = 0;
  port.mac = {};
  const auto reply = client_.request(port);
  EXPECT_EQ(reply.error, api::Error::kInvalid);
  EXPECT_NE(std::string(reply.text.data()).find("IPv6 needs an MTU of 1280"), std::string::npos)
      << reply.text.data();
}

}  // namespace
}  // namespace sallyport::test
