// SPDX-License-Identifier: BSD-3-Clause
// Mirrors: what is for the gateway itself comes out at the TAP, and only what may leave does; neighbours are
// asked for.
#include <fcntl.h>

#include "tests/dataplane_manager/site.h"

namespace sallyport::test {
namespace {

constexpr int kWaitMs = 3000, kSilenceMs = 300;

class MirrorTest : public SiteTest {
 protected:
  api::Reply set_mirror(api::MirrorKind kind, uint32_t id, int fd) {
    auto message = ApiClient::make<api::SetMirror>(api::Type::kSetMirror);
    message.kind = kind;
    message.id = id;
    return client_.request(message, std::span(&fd, 1));
  }
  static Frame udp(uint16_t from, uint16_t to, uint32_t source, uint32_t destination) {
    Frame payload(8 + 28);
    dataplane::testing::put16(payload, 0, from);
    dataplane::testing::put16(payload, 2, to);
    dataplane::testing::put16(payload, 4, static_cast<uint32_t>(payload.size()));
    payload[8] = 1;  // IKE SPI of the initiator
    Ipv4Fields fields;
    fields.source = source;
    fields.destination = destination;
    return ipv4(payload, fields);
  }
};

TEST_F(MirrorTest, GiveArpAndIkeToTheTap) {
  MirrorDevice tap("smwan", TunnelDevice::kTap);
  expect_ok(set_mirror(api::MirrorKind::kPort, kWanPort, tap.queue()));
  const api::Mac everyone = {255, 255, 255, 255, 255, 255};
  const auto request =
      ethernet(everyone, kNextHopMac, 0x0806, arp(1, kNextHopMac, kNextHopAddress, kGatewayAddress));
  wan_.send(request);
  const auto punted = tap.receive(kWaitMs);
  ASSERT_TRUE(punted);
  EXPECT_TRUE(std::equal(request.begin(), request.end(), punted->begin()));

  const auto ike = ethernet(wan_mac_, kNextHopMac, 0x0800, udp(500, 500, kPeerAddress, kGatewayAddress));
  wan_.send(ike);
  const auto second = tap.receive(kWaitMs);
  ASSERT_TRUE(second);
  EXPECT_TRUE(std::equal(ike.begin(), ike.end(), second->begin()));
}

TEST_F(MirrorTest, LetOnlyIkeArpAndIcmpOutOfAPublicPort) {
  MirrorDevice tap("smwan", TunnelDevice::kTap);
  expect_ok(set_mirror(api::MirrorKind::kPort, kWanPort, tap.queue()));
  tap.send(ethernet(kNextHopMac, wan_mac_, 0x0800, udp(5000, 53, kGatewayAddress, kPeerAddress)));
  tap.send(ethernet(kNextHopMac, wan_mac_, 0x0800, udp(500, 500, kHostAddress, kPeerAddress)));
  EXPECT_FALSE(wan_.receive_kind(0x0800, 17, kSilenceMs)) << "cleartext left by the public port";
  tap.send(ethernet(kNextHopMac, wan_mac_, 0x0800, udp(500, 500, kGatewayAddress, kPeerAddress)));
  EXPECT_TRUE(wan_.receive_kind(0x0800, 17, kWaitMs));
  tap.send(ethernet(kNextHopMac, wan_mac_, 0x0806, arp(2, wan_mac_, kGatewayAddress, kNextHopAddress)));
  EXPECT_TRUE(wan_.receive_kind(0x0806, 0, kWaitMs));
}

TEST_F(MirrorTest, CarryBothWaysOnALanPort) {
  MirrorDevice tap("smlan", TunnelDevice::kTap);
  expect_ok(set_mirror(api::MirrorKind::kPort, kLanPort, tap.queue()));
  lan_.send(ethernet(lan_mac_, kHostMac, 0x0800, udp(4000, 179, kHostAddress, kLanAddress)));
  EXPECT_TRUE(tap.receive(kWaitMs));
  tap.send(ethernet(kHostMac, lan_mac_, 0x0800, udp(179, 4000, kLanAddress, kHostAddress)));
  EXPECT_TRUE(lan_.receive_kind(0x0800, 17, kWaitMs));
}

TEST_F(MirrorTest, RouteWhatComesFromTheTun) {
  MirrorDevice tun("smvpn", TunnelDevice::kTun);
  expect_ok(set_mirror(api::MirrorKind::kVrf, kVrf, tun.queue()));
  tun.send(udp(4000, 179, kLanAddress, kHostAddress));
  const auto frame = lan_.receive_kind(0x0800, 17, kWaitMs);
  ASSERT_TRUE(frame);
  EXPECT_EQ(ip_of(*frame), udp(4000, 179, kLanAddress, kHostAddress)) << "TTL and all";
}

TEST_F(MirrorTest, RefuseWhatIsNoMirror) {
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  EXPECT_EQ(set_mirror(api::MirrorKind::kPort, kWanPort, null).error, api::Error::kInvalid);
  close(null);
  MirrorDevice tun("smvpn", TunnelDevice::kTun);
  EXPECT_EQ(set_mirror(api::MirrorKind::kPort, kWanPort, tun.queue()).error, api::Error::kInvalid);
  EXPECT_EQ(set_mirror(api::MirrorKind::kVrf, 9, tun.queue()).error, api::Error::kNotFound);
  auto without = ApiClient::make<api::SetMirror>(api::Type::kSetMirror);
  without.id = kWanPort;
  EXPECT_EQ(client_.request(without).error, api::Error::kInvalid);
  const int fd = tun.queue();
  EXPECT_EQ(
      client_.request(ApiClient::make<api::FlushPunts>(api::Type::kFlushPunts), std::span(&fd, 1)).error,
      api::Error::kMalformed);
}

TEST_F(MirrorTest, AskForANeighbourAndKeepThePacket) {
  constexpr uint32_t kStranger = 0x0a010063;
  Ipv4Fields fields;
  fields.source = kHostAddress;
  fields.destination = kStranger;
  for (int i = 0; i < 3; ++i)
    lan_.send(ethernet(lan_mac_, kHostMac, 0x0800, ipv4_of_size(100, fields)));
  const auto wanted = client_.wait_event<api::NeighbourWanted>(api::Type::kNeighbourWanted, kWaitMs);
  ASSERT_TRUE(wanted);
  EXPECT_EQ(wanted->port_id, kLanPort);
  EXPECT_EQ(wanted->address.bytes, address(kStranger).bytes);
  EXPECT_FALSE(client_.wait_event<api::NeighbourWanted>(api::Type::kNeighbourWanted, kSilenceMs))
      << "asked more than once a second";
  const api::Mac mac = {2, 0, 0, 0, 0, 9};
  expect_ok(set_neighbour(9, kLanPort, kStranger, mac));
  for (int i = 0; i < 3; ++i) {
    const auto frame = lan_.receive_kind(0x0800, 17, kWaitMs);
    ASSERT_TRUE(frame) << "held packet " << i << " did not come";
    EXPECT_TRUE(std::equal(mac.begin(), mac.end(), frame->begin()));
  }
}

// Between SetNeighbour and the host's own route packets still take the connected one.
TEST_F(MirrorTest, SendToAKnownNeighbourThatHasNoRouteYet) {
  constexpr uint32_t kKnown = 0x0a010064;
  const auto send = [this] {
    Ipv4Fields fields;
    fields.source = kHostAddress;
    fields.destination = kKnown;
    lan_.send(ethernet(lan_mac_, kHostMac, 0x0800, ipv4_of_size(100, fields)));
  };
  for (uint8_t last = 9; last < 11; ++last) {  // and where it changed its MAC
    const api::Mac mac = {2, 0, 0, 0, 0, last};
    expect_ok(set_neighbour(9, kLanPort, kKnown, mac));
    send();
    const auto frame = lan_.receive_kind(0x0800, 17, kWaitMs);
    ASSERT_TRUE(frame);
    EXPECT_TRUE(std::equal(mac.begin(), mac.end(), frame->begin()));
  }
  EXPECT_FALSE(client_.wait_event<api::NeighbourWanted>(api::Type::kNeighbourWanted, kSilenceMs));
  expect_ok(set_neighbour(9, kLanPort, kKnown + 1, {2, 0, 0, 0, 0, 9}));
  send();
  const auto wanted = client_.wait_event<api::NeighbourWanted>(api::Type::kNeighbourWanted, kWaitMs);
  ASSERT_TRUE(wanted) << "its address is another's now";
  EXPECT_EQ(wanted->address.bytes, address(kKnown).bytes);
}

}  // namespace
}  // namespace sallyport::test
