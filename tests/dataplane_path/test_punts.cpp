// SPDX-License-Identifier: BSD-3-Clause
// Packets that go by the manager: they wait for a neighbour, are for the gateway itself, or come from its
// mirrors.
#include <poll.h>
#include <sys/eventfd.h>

#include "dataplane/path/context.h"
#include "tests/dataplane_path/sites.h"

namespace sallyport::dataplane::testing {

namespace {

class PuntTest : public PathTest {};

// The largest inner packet for ESP with AES-GCM in IPv4 of 1500 bytes.
constexpr size_t kInnerMtu = 1446;

TEST_F(PuntTest, LetsPacketsWaitForTheirNeighbour) {
  SiteA a;
  a.add_sas();
  const Bytes inner = ipv4_of_size(100, {kHostB, kLanA | 77});  // on the connected prefix, never seen
  a.from_outside(seal(a.inbound, 1, inner));
  a.gateway.poll();
  PacketPtr waiting = a.gateway.exception();
  ASSERT_NE(waiting, nullptr);
  EXPECT_EQ(meta_of(waiting.get()).kind, MetaKind::kUnresolved);
  EXPECT_EQ(meta_of(waiting.get()).port_id, kLanPort);
  EXPECT_EQ(ipv4_of(meta_of(waiting.get()).next_hop), kLanA | 77);
  EXPECT_EQ(meta_of(waiting.get()).neighbour_id, api::kNone);
  EXPECT_EQ(to_bytes(waiting.get()), forwarded(inner));

  a.gateway.add_neighbour(5, kLanPort, kLanA | 77);
  a.gateway.inject(MetaKind::kInjectNeighbour, 5, to_bytes(waiting.get()));
  a.gateway.poll();
  const auto sent = a.gateway.sent(kLanPort);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(without_ethernet(sent[0]), forwarded(inner));
  EXPECT_EQ(std::memcmp(sent[0].data(), mac_of(0x85).addr_bytes, 6), 0);
}

TEST_F(PuntTest, LetsEspWaitForTheNextHop) {
  SiteA a;
  a.add_sas();
  a.gateway.add_neighbour(kPeerNeighbour, kPublicPort, kPublicB, false);
  a.from_lan(ipv4_of_size(100));
  a.gateway.poll();
  PacketPtr waiting = a.gateway.exception();
  ASSERT_NE(waiting, nullptr);
  EXPECT_EQ(meta_of(waiting.get()).kind, MetaKind::kUnresolved);
  EXPECT_EQ(meta_of(waiting.get()).neighbour_id, kPeerNeighbour);
  EXPECT_TRUE(open(a.outbound, 0, to_bytes(waiting.get())));
}

// The port's MTU holds for packets that wait, too (RFC 1191; RFC 791 section 2.3).
TEST_F(PuntTest, FitsPacketsToTheMtuBeforeTheyWait) {
  SiteA a;
  a.gateway.add_port(kOtherLanPort, kVrf, 0x0a030001);
  a.gateway.add_neighbour(7, kOtherLanPort, 0x0a030002, false);
  a.gateway.add_group(7, kVrf, {{api::MemberKind::kNeighbour, 1, 1, 7}});
  a.gateway.add_route(kVrf, 0x0a030002, 32, 7);
  a.from_lan(ipv4_of_size(1501, {kHostA, 0x0a030002, 17, 0, 64, 7, kDf}));
  a.gateway.poll();
  EXPECT_EQ(a.gateway.drops(api::DropReason::kTooBigDf), 1u);
  EXPECT_EQ(a.gateway.exception(), nullptr);
  const auto told = a.gateway.sent(kLanPort);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(get16(without_ethernet(told[0]), 26), 1500u);

  a.from_lan(ipv4_of_size(1501, {kHostA, 0x0a030002}));
  a.gateway.poll();
  for (int i = 0; i < 2; ++i) {
    const PacketPtr waiting = a.gateway.exception();
    ASSERT_NE(waiting, nullptr);
    EXPECT_EQ(meta_of(waiting.get()).kind, MetaKind::kUnresolved);
    EXPECT_LE(to_bytes(waiting.get()).size(), 1500u);
  }
  EXPECT_EQ(a.gateway.exception(), nullptr);
}

TEST_F(PuntTest, FitsPacketsToTheMtuWhereNoNeighbourIsKnown) {
  constexpr uint32_t kUnseen = kLanB | 77;  // on the connected prefix
  SiteB b;
  b.add_sas();
  b.gateway.port(kLanPort).mtu_bytes = 1300;
  b.from_outside(seal(b.inbound, 1, ipv4_of_size(1301, {kHostA, kUnseen, 17, 0, 64, 7, kDf})));
  b.gateway.poll();
  EXPECT_EQ(b.gateway.drops(api::DropReason::kTooBigDf), 1u);
  EXPECT_EQ(b.gateway.exception(), nullptr);
  const auto told = b.gateway.sent(kPublicPort);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(get16(open(b.outbound, 0, without_ethernet(told[0]))->inner, 26), 1300u);

  for (const size_t bytes : {size_t{1300}, size_t{1301}}) {
    b.from_outside(seal(b.inbound, bytes, ipv4_of_size(bytes, {kHostA, kUnseen})));
    b.gateway.poll();
    for (size_t i = 0; i < (bytes > 1300 ? 2u : 1u); ++i) {
      const PacketPtr waiting = b.gateway.exception();
      ASSERT_NE(waiting, nullptr);
      EXPECT_EQ(meta_of(waiting.get()).kind, MetaKind::kUnresolved);
      EXPECT_EQ(ipv4_of(meta_of(waiting.get()).next_hop), kUnseen);
      EXPECT_LE(to_bytes(waiting.get()).size(), 1300u);
    }
    EXPECT_EQ(b.gateway.exception(), nullptr);
  }
  EXPECT_EQ(b.gateway.all_drops(), 1u);
}

// A burst of which nothing is left to be routed is not routed: forward_burst asserts that there is something.
TEST_F(PuntTest, RoutesNothingOfABurstWithoutPackets) {
  SiteA a;
  a.add_sas();
  a.gateway.receive(kLanPort, ethernet(Bytes(28), a.gateway.mac(kLanPort), 0x0806));
  a.gateway.poll();
  EXPECT_NE(a.gateway.exception(), nullptr);
  a.gateway.receive(kLanPort, ethernet(ipv4_of_size(60), mac_of(0x77)));
  a.gateway.poll();
  EXPECT_EQ(a.gateway.drops(api::DropReason::kNotForUs), 1u);
  EXPECT_EQ(a.gateway.all_drops(), 1u);
}

TEST_F(PuntTest, PuntsWhatIsForTheGatewayItself) {
  SiteA a;
  a.add_sas();
  // To the LAN port's own address: as it came, to the port's TAP.
  const Bytes to_lan_address = ipv4_of_size(100, {kHostA, kLanA | 1});
  a.from_lan(to_lan_address);
  a.gateway.poll();
  PacketPtr punted = a.gateway.exception();
  ASSERT_NE(punted, nullptr);
  EXPECT_EQ(meta_of(punted.get()).kind, MetaKind::kPuntPort);
  EXPECT_EQ(meta_of(punted.get()).port_id, kLanPort);
  EXPECT_EQ(to_bytes(punted.get()), ethernet(to_lan_address, a.gateway.mac(kLanPort)));
  // The same from the tunnel, with TTL 1 as eBGP has: to the VRF's TUN, TTL untouched.
  const Bytes from_tunnel = ipv4_of_size(100, {kHostB, kLanA | 1, 17, 0, 1});
  a.from_outside(seal(a.inbound, 1, from_tunnel));
  a.gateway.poll();
  punted = a.gateway.exception();
  ASSERT_NE(punted, nullptr);
  EXPECT_EQ(meta_of(punted.get()).kind, MetaKind::kPuntVrf);
  EXPECT_EQ(meta_of(punted.get()).vrf_id, kVrf);
  EXPECT_EQ(to_bytes(punted.get()), from_tunnel);
  // IKE from outside.
  Bytes ike(8 + 28);
  put16(ike, 0, 500);
  put16(ike, 2, 500);
  put16(ike, 4, static_cast<uint32_t>(ike.size()));
  a.from_outside(ipv4(ike, {kPublicB, kPublicA, 17}));
  a.gateway.poll();
  punted = a.gateway.exception();
  ASSERT_NE(punted, nullptr);
  EXPECT_EQ(meta_of(punted.get()).kind, MetaKind::kPuntPort);
  EXPECT_EQ(meta_of(punted.get()).punt_class, PuntClass::kIkeInit);
  EXPECT_EQ(meta_of(punted.get()).port_id, kPublicPort);
  EXPECT_EQ(a.gateway.all_drops(), 0u);
}

TEST_F(PuntTest, SendsFromTheMirrorTunWithoutTouchingTheTtl) {
  SiteA a;
  a.add_sas();
  const Bytes packet = ipv4_of_size(100, {kLanA | 1, kHostB, 17, 0, 1});
  a.gateway.inject(MetaKind::kInjectVrf, kVrf, packet);
  const Bytes frame = ethernet(Bytes(46), mac_of(9), 0x0806);
  a.gateway.inject(MetaKind::kInjectPort, kLanPort, frame);
  a.gateway.poll();
  const auto sent = a.gateway.sent(kPublicPort);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(open(a.outbound, 0, without_ethernet(sent[0]))->inner, packet);
  EXPECT_EQ(a.gateway.sent(kLanPort), std::vector<Bytes>{frame});
}

// RFC 1191 for BGP or ssh from the gateway's own address: the kernel hears of the tunnel's MTU by the VRF's
// TUN, from an address that isn't its own, and nothing leaves by a port.
TEST_F(PuntTest, TellsTheKernelTheExactMtuOfTheTunnel) {
  SiteA a;
  a.add_sas();
  const Bytes packet = ipv4_of_size(kInnerMtu + 1, {kLanA | 1, kHostB, 17, 0, 64, 7, kDf});
  a.gateway.inject(MetaKind::kInjectVrf, kVrf, packet);
  a.gateway.poll();
  const PacketPtr punted = a.gateway.exception();
  ASSERT_NE(punted, nullptr);
  EXPECT_EQ(meta_of(punted.get()).kind, MetaKind::kPuntVrf);
  EXPECT_EQ(meta_of(punted.get()).vrf_id, kVrf);
  const Bytes icmp = to_bytes(punted.get());
  EXPECT_EQ(get32(icmp, 12), kHostB);
  EXPECT_EQ(get32(icmp, 16), kLanA | 1);
  EXPECT_EQ(icmp[20], 3);
  EXPECT_EQ(icmp[21], 4);
  EXPECT_EQ(get16(icmp, 26), kInnerMtu);
  EXPECT_TRUE(std::equal(icmp.begin() + 28, icmp.end(), packet.begin()));
  EXPECT_EQ(a.gateway.drops(api::DropReason::kTooBigDf), 1u);
  // None about an ICMP error.
  Bytes unreachable(kInnerMtu - 19);
  unreachable[0] = 3;
  a.gateway.inject(MetaKind::kInjectVrf, kVrf, ipv4(unreachable, {kLanA | 1, kHostB, 1, 0, 64, 8, kDf}));
  a.gateway.poll();
  EXPECT_EQ(a.gateway.exception(), nullptr);
  EXPECT_EQ(a.gateway.drops(api::DropReason::kTooBigDf), 2u);
  EXPECT_TRUE(a.gateway.sent(kPublicPort).empty());
  EXPECT_TRUE(a.gateway.sent(kLanPort).empty());
}

TEST_F(PuntTest, AnIcmpFloodDoesNotStarveIke) {
  SiteA a;
  Bytes ping(16);
  ping[0] = 8;
  for (int i = 0; i < 900; ++i)
    a.from_outside(ipv4(ping, {kPublicB, kPublicA, 1}));
  a.gateway.poll(20);
  Bytes ike(8 + 28);
  put16(ike, 0, 500);
  put16(ike, 2, 500);
  put16(ike, 4, static_cast<uint32_t>(ike.size()));
  std::fill(ike.begin() + 8, ike.begin() + 24, 0x11);
  a.from_outside(ipv4(ike, {kPublicB, kPublicA, 17}));
  a.gateway.poll();
  EXPECT_GE(a.gateway.drops(api::DropReason::kPuntRateLimited), 500u);
  uint32_t icmp = 0, of_ike = 0;
  while (PacketPtr punted = a.gateway.exception()) {
    ++(meta_of(punted.get()).punt_class == PuntClass::kIke ? of_ike : icmp);
  }
  EXPECT_GE(icmp, 1u);
  EXPECT_EQ(of_ike, 1u);
}

bool readable(int fd) {
  pollfd wanted{fd, POLLIN, 0};
  return poll(&wanted, 1, 0) == 1;
}

TEST_F(PuntTest, WakesTheManagerOnce) {
  SiteA a;
  Rings& rings = *a.gateway.rings;
  const Bytes to_gateway = ipv4_of_size(100, {kHostA, kLanA | 1});
  a.gateway.poll();
  EXPECT_FALSE(readable(rings.wake_fd()));
  a.from_lan(to_gateway);
  a.gateway.poll();
  a.from_lan(to_gateway);
  a.gateway.poll();
  eventfd_t wakes = 0;
  EXPECT_EQ(eventfd_read(rings.wake_fd(), &wakes), 0);
  EXPECT_EQ(wakes, 1u);
  rings.take_wake();
  EXPECT_FALSE(readable(rings.wake_fd()));
  a.from_lan(to_gateway);
  a.gateway.poll();
  EXPECT_TRUE(readable(rings.wake_fd()));
}

}  // namespace

}  // namespace sallyport::dataplane::testing
