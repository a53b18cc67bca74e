// SPDX-License-Identifier: BSD-3-Clause
// ESP in UDP through whole gateways (RFC 3948): what is sent, what is taken, and peers that share a NAT.
#include "tests/dataplane_path/sites.h"

namespace sallyport::dataplane::testing {

namespace {

constexpr uint16_t kNattPort = 4500;

class NatTest : public PathTest {};

Bytes udp(uint16_t source, uint16_t destination, const Bytes& payload) {
  Bytes datagram(8);
  put16(datagram, 0, source);
  put16(datagram, 2, destination);
  put16(datagram, 4, static_cast<uint32_t>(8 + payload.size()));
  datagram.insert(datagram.end(), payload.begin(), payload.end());
  return datagram;
}

Bytes from_peer(uint16_t port, const Bytes& payload) {
  return ipv4(udp(port, kNattPort, payload), {kPublicB, kPublicA, 17});
}

TEST_F(NatTest, SendsTheExactLengthAndNoChecksum) {
  SiteA a({.encap = true});
  a.outbound.destination_port = 61000;
  a.add_sas();
  for (size_t bytes = 60; bytes < 72; ++bytes) {
    a.from_lan(ipv4_of_size(bytes));
    a.gateway.poll();
    const auto sent = a.gateway.sent(kPublicPort);
    ASSERT_EQ(sent.size(), 1u);
    const Bytes packet = without_ethernet(sent[0]);
    EXPECT_EQ(packet[9], 17);
    EXPECT_EQ(get16(packet, 20), kNattPort);
    EXPECT_EQ(get16(packet, 22), 61000u);
    EXPECT_EQ(get16(packet, 24), packet.size() - 20);
    EXPECT_EQ(get16(packet, 26), 0u) << "RFC 3948 section 2.1";
    EXPECT_EQ(get32(packet, 28), a.outbound.spi) << "never zero, which is IKE's marker";
    EXPECT_TRUE(open(a.outbound, 0, packet));
  }
}

TEST_F(NatTest, TakesAnyUdpChecksum) {
  SiteA a({.encap = true});
  a.add_sas();
  uint64_t sequence = 0;
  const Bytes inner = ipv4_of_size(100, {kHostB, kHostA});
  for (const uint16_t checksum : {0x0000, 0x0001, 0x1234, 0xffff}) {
    Bytes packet = seal(a.inbound, ++sequence, inner);
    put16(packet, 26, checksum);
    a.from_outside(packet);
  }
  a.gateway.poll();
  EXPECT_EQ(a.gateway.sent(kLanPort).size(), sequence);
  EXPECT_EQ(a.gateway.all_drops(), 0u);
}

TEST_F(NatTest, TakesEspOnPort4500Alone) {
  const Bytes inner = ipv4_of_size(100, {kHostB, kHostA});
  for (const uint16_t port : {1, 501, 4499, 4501, 10000, 65535}) {
    SCOPED_TRACE(port);
    SiteA a({.encap = true});
    a.add_sas();
    OracleSa elsewhere = a.inbound;
    elsewhere.destination_port = port;
    a.from_outside(seal(elsewhere, 1, inner));
    a.gateway.poll();
    EXPECT_EQ(a.gateway.drops(api::DropReason::kNotForUs), 1u);
    EXPECT_EQ(a.gateway.all_drops(), 1u);
    EXPECT_TRUE(a.gateway.sent(kLanPort).empty());
    EXPECT_EQ(a.gateway.exception(), nullptr);
    EXPECT_EQ(a.gateway.inbound_row(4).right_edge, 0u);
  }
}

// IKE is no traffic of an SA: what selectors say of it, or that a tunnel goes to its sender, doesn't matter.
TEST_F(NatTest, GivesIkeOn4500ToCharonWhateverThePolicy) {
  api::Selector nothing{};
  nothing.family = api::Family::kIpv4;
  nothing.protocol = 255;
  nothing.port_to = 65535;
  SelectorSet selectors;
  ASSERT_EQ(selectors.assign({&nothing, 1}, {&nothing, 1}), api::Error::kNone);
  SiteA a({.encap = true});
  a.add_sas(&selectors);
  a.gateway.add_route(kVrf, kPublicB, 32, kGroupTunnel);
  Bytes ike(4 + 28);
  std::fill(ike.begin() + 4, ike.begin() + 20, 0x11);
  const Bytes packet = from_peer(61000, ike);
  a.from_outside(packet);
  a.gateway.poll();
  const PacketPtr punted = a.gateway.exception();
  ASSERT_NE(punted, nullptr);
  EXPECT_EQ(meta_of(punted.get()).punt_class, PuntClass::kIke);
  EXPECT_EQ(to_bytes(punted.get()), ethernet(packet, a.gateway.mac(kPublicPort))) << "the marker, too";
  EXPECT_EQ(a.gateway.all_drops(), 0u);
}

TEST_F(NatTest, SwallowsKeepalives) {
  SiteA a({.encap = true});
  a.add_sas();
  for (int i = 0; i < 5; ++i)
    a.from_outside(from_peer(static_cast<uint16_t>(61000 + i), {0xff}));
  a.gateway.poll();
  EXPECT_EQ(a.gateway.drops(api::DropReason::kNatKeepalive), 5u);
  EXPECT_EQ(a.gateway.all_drops(), 5u);
  EXPECT_EQ(a.gateway.exception(), nullptr);
  WorkerEvent event;
  EXPECT_FALSE(a.gateway.rings->pop_event(0, event)) << "a keepalive proves nothing about the peer";
}

// RFC 7296 section 2.23: without replay protection anybody could send a packet again, from elsewhere.
TEST_F(NatTest, FollowsNobodyWithTheReplayWindowOff) {
  for (const uint32_t replay_window : {0u, 64u}) {
    SiteA a({.encap = true});
    a.gateway.add_inbound(a.inbound, kTunnel, nullptr, {}, replay_window);
    OracleSa moved = a.inbound;
    moved.source_port = 61000;
    a.from_outside(seal(moved, 1, ipv4_of_size(100, {kHostB, kHostA})));
    a.gateway.poll();
    EXPECT_EQ(a.gateway.sent(kLanPort).size(), 1u);
    WorkerEvent event;
    EXPECT_EQ(a.gateway.rings->pop_event(0, event), replay_window != 0);
  }
}

// Two clients behind one NAT, with the same inner addresses, each in a VRF of its own.
class OneNatTest : public NatTest {
 protected:
  OneNatTest() : a_({.encap = true}) {
    a_.inbound.source_port = a_.outbound.destination_port = 61001;
    a_.add_sas();
    Gateway& gateway = a_.gateway;
    gateway.add_vrf(kOtherVrf);
    gateway.add_port(kOtherLanPort, kOtherVrf, kLanA | 1);
    gateway.add_neighbour(8, kOtherLanPort, kHostA);
    gateway.add_group(8, kOtherVrf, {{api::MemberKind::kNeighbour, 1, 1, 8}});
    gateway.add_group(9, kOtherVrf, {{api::MemberKind::kTunnel, 1, 1, 2}});
    gateway.add_route(kOtherVrf, kHostA, 32, 8);
    gateway.add_route(kOtherVrf, kLanB, 24, 9);
    gateway.add_tunnel(2, kOtherVrf, kPeerNeighbour);
    inbound_ = a_.inbound;
    inbound_.spi = 0x45600009;
    outbound_ = a_.outbound;
    outbound_.spi = 0x55500009;
    inbound_.key = outbound_.key = Bytes(20, 0x77);
    inbound_.source_port = outbound_.destination_port = 61002;
    gateway.add_inbound(inbound_, 2);
    gateway.add_outbound(outbound_, 9, 2);
  }

  SiteA a_;
  OracleSa inbound_, outbound_;  // of the second client
};

TEST_F(OneNatTest, KeepsClientsWithOverlappingAddressesApart) {
  const Bytes there = ipv4_of_size(100, {kHostB, kHostA}), back = ipv4_of_size(80, {kHostA, kHostB});
  a_.from_outside(seal(a_.inbound, 1, there));
  a_.from_outside(seal(inbound_, 1, there));
  a_.from_outside(seal(inbound_, 2, there));
  a_.from_lan(back);
  a_.gateway.receive(kOtherLanPort, ethernet(back, a_.gateway.mac(kOtherLanPort)));
  a_.gateway.poll();
  EXPECT_EQ(a_.gateway.sent(kLanPort).size(), 1u);
  EXPECT_EQ(a_.gateway.sent(kOtherLanPort).size(), 2u);
  const auto sent = a_.gateway.sent(kPublicPort);
  ASSERT_EQ(sent.size(), 2u);
  const auto first = open(a_.outbound, 0, without_ethernet(sent[0]));
  const auto second = open(outbound_, 0, without_ethernet(sent[1]));
  ASSERT_TRUE(first && second) << "each to its own port, under its own key";
  EXPECT_EQ(first->inner, forwarded(back));
  EXPECT_EQ(second->inner, forwarded(back));
  EXPECT_EQ(a_.gateway.all_drops(), 0u);
}

TEST_F(OneNatTest, TakesAClientsPacketFromTheOthersPort) {
  OracleSa swapped = inbound_;
  swapped.source_port = a_.inbound.source_port;
  a_.from_outside(seal(swapped, 1, ipv4_of_size(100, {kHostB, kHostA})));
  a_.gateway.poll();
  EXPECT_EQ(a_.gateway.sent(kOtherLanPort).size(), 1u) << "the SPI names the SA, nothing else does";
  EXPECT_TRUE(a_.gateway.sent(kLanPort).empty());
  WorkerEvent event;
  ASSERT_TRUE(a_.gateway.rings->pop_event(0, event));
  EXPECT_EQ(event.kind, EventKind::kPeerMoved);
  EXPECT_EQ(event.slot, 9u);
  EXPECT_EQ(event.remote_port, 61001);
}

}  // namespace

}  // namespace sallyport::dataplane::testing
