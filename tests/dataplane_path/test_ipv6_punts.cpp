// SPDX-License-Identifier: BSD-3-Clause
// IPv6 that doesn't go straight through: for the gateway itself, from its mirrors, waiting for a neighbour,
// expired, hostile.
#include "dataplane/path/context.h"
#include "tests/dataplane_path/sites_ipv6.h"

namespace sallyport::dataplane::testing {

namespace {

using api::DropReason;

class Ipv6PuntTest : public PathTest {};

TEST_F(Ipv6PuntTest, KeepsTheLinksOwnTrafficOnTheLink) {
  struct Case {
    const char* description;
    Bytes packet;
    bool to_many;
    DropReason drop;  // kKeep: to the mirror
  };
  const Ip6 nd_target = multicast6(2, 5);
  const std::vector<Case> cases = {
      {"a solicitation",
       icmp6(135, 0, Bytes(20), {.source = kHostA6, .destination = nd_target, .hop_limit = 255}), true,
       kKeep},
      {"a router solicitation",
       icmp6(133, 0, Bytes(4), {.source = Ip6{}, .destination = multicast6(2, 2), .hop_limit = 255}), true,
       kKeep},
      {"an advertisement to the gateway",
       icmp6(136, 0, Bytes(20), {.source = kHostA6, .destination = ip6(1, 1), .hop_limit = 255}), false,
       kKeep},
      {"OSPF to its neighbours",
       ipv6(Bytes(40), {.source = link_local6(9), .destination = multicast6(2, 5), .next_header = 89}), true,
       kKeep},
      {"BGP to a link-local address",
       ipv6(Bytes(40), {.source = link_local6(9), .destination = link_local6(1), .next_header = 6}), false,
       kKeep},
      {"a solicitation to the far site",
       icmp6(135, 0, Bytes(20), {.source = kHostA6, .destination = kHostB6, .hop_limit = 255}), false,
       DropReason::kIpv6Scope},
      {"a redirect to the far site", icmp6(137, 0, Bytes(36), {.source = kHostA6, .destination = kHostB6}),
       false, DropReason::kIpv6Scope},
      {"from a link-local address to the far site", ipv6_of_size(60, {.source = link_local6(9)}), false,
       DropReason::kIpv6Scope},
      {"from nobody to the far site", ipv6_of_size(60, {.source = Ip6{}}), false, DropReason::kIpv6Scope},
      {"site-wide multicast", ipv6_of_size(60, {.destination = multicast6(5, 1)}), true,
       DropReason::kNoRoute},
      {"one host's packet in a frame to many", ipv6_of_size(60), true, DropReason::kNotForUs},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.description);
    DualA a;
    a.add_sas();
    const Ip6 destination = [&] {
      Ip6 bytes;
      std::memcpy(bytes.data(), &test.packet[24], 16);
      return bytes;
    }();
    const Bytes frame =
        ethernet6(test.packet, test.to_many ? multicast_mac(destination) : a.gateway.mac(kLanPort));
    a.gateway.receive(kLanPort, frame);
    a.gateway.poll();
    EXPECT_TRUE(a.gateway.sent(kPublicPort).empty());
    const PacketPtr punted = a.gateway.exception();
    if (test.drop == kKeep) {
      ASSERT_NE(punted, nullptr);
      EXPECT_EQ(meta_of(punted.get()).kind, MetaKind::kPuntPort);
      EXPECT_EQ(to_bytes(punted.get()), frame) << "as it came";
    } else {
      EXPECT_EQ(punted, nullptr);
      EXPECT_EQ(a.gateway.drops(test.drop), 1u);
    }
  }
}

TEST_F(Ipv6PuntTest, PuntsWhatIsForTheGatewayOnThePublicSide) {
  DualA a;
  const Bytes solicitation =
      icmp6(135, 0, Bytes(20), {.source = link_local6(9), .destination = kSolicited, .hop_limit = 255});
  const Bytes frame = ethernet6(solicitation, multicast_mac(kSolicited));
  a.gateway.receive(kPublicPort, frame);
  a.gateway.poll();
  const PacketPtr punted = a.gateway.exception();
  ASSERT_NE(punted, nullptr);
  EXPECT_EQ(to_bytes(punted.get()), frame);
  EXPECT_EQ(meta_of(punted.get()).punt_class, PuntClass::kArp);
  a.from_outside(ipv6(kUdp500, {.source = kPublicB6, .destination = kPublicA6}));
  a.gateway.poll();
  const PacketPtr ike = a.gateway.exception();
  ASSERT_NE(ike, nullptr);
  EXPECT_EQ(meta_of(ike.get()).punt_class, PuntClass::kIke);
}

TEST_F(Ipv6PuntTest, DropsHostilePacketsFromOutside) {
  struct Case {
    const char* description;
    DropReason reason;
    Bytes packet;
  };
  Bytes lies = ipv6_of_size(100, {.destination = kPublicA6});
  put16(lies, 4, 61);
  Bytes version = ipv6_of_size(100, {.destination = kPublicA6});
  version[0] = 0x50;
  const std::vector<Case> cases = {
      {"half a header", DropReason::kIpBadHeader, Bytes(39, 0x60)},
      {"longer than it is", DropReason::kIpBadHeader, lies},
      {"version 5", DropReason::kIpBadHeader, version},
      {"cleartext to the LAN", DropReason::kCleartextPublic, ipv6_of_size(100, {.destination = kHostA6})},
      {"cleartext to the far LAN", DropReason::kCleartextPublic, ipv6_of_size(100, {.destination = kHostB6})},
      {"to nobody we know", DropReason::kNotForUs, ipv6_of_size(100, {.destination = kStranger})},
      {"half an SPI", DropReason::kEspTooShort,
       ipv6(Bytes(2), {.destination = kPublicA6, .next_header = 50})},
      {"an unknown SPI", DropReason::kUnknownSpi,
       ipv6(Bytes(60, 7), {.destination = kPublicA6, .next_header = 50})},
      {"an empty fragment", DropReason::kFragmentTableFull,
       ipv6(fragment6(50, 0, true, 1, {}), {.destination = kPublicA6, .next_header = 44})},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.description);
    DualA a;
    a.add_sas();
    a.gateway.receive(kPublicPort, ethernet(test.packet, a.gateway.mac(kPublicPort), 0x86dd));
    a.gateway.poll();
    EXPECT_EQ(a.gateway.drops(test.reason), 1u);
    EXPECT_EQ(a.gateway.all_drops(), 1u);
    EXPECT_EQ(a.gateway.exception(), nullptr);
  }
}

TEST_F(Ipv6PuntTest, DropsDecryptedPacketsThatMustNotGoOn) {
  struct Case {
    const char* description;
    DropReason reason;
    Bytes inner;
  };
  Bytes routed =
      ipv6(extension6(17, Bytes(16), 24), {.source = kHostB6, .destination = kHostA6, .next_header = 43});
  routed[43] = 2;
  const std::vector<Case> cases = {
      {"a route elsewhere", DropReason::kIpv6Extension, routed},
      {"a solicitation", DropReason::kIpv6Scope,
       icmp6(135, 0, Bytes(20), {.source = kHostB6, .destination = kHostA6, .hop_limit = 255})},
      {"to a link-local address", DropReason::kIpv6Scope, ipv6_of_size(60, {.destination = link_local6(2)})},
      {"to many", DropReason::kNoRoute, ipv6_of_size(60, {.destination = multicast6(2, 1)})},
      {"no route", DropReason::kNoRoute, ipv6_of_size(60, {.source = kHostB6, .destination = kStranger})},
      {"expired", DropReason::kTtlExpired,
       ipv6_of_size(60, {.source = kHostB6, .destination = kHostA6, .hop_limit = 1})},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.description);
    DualA a;
    a.add_sas();
    a.from_outside(seal(a.inbound, 1, test.inner));
    a.gateway.poll();
    EXPECT_EQ(a.gateway.drops(test.reason), 1u);
    EXPECT_TRUE(a.gateway.sent(kLanPort).empty());
  }
}

TEST_F(Ipv6PuntTest, TellsSendersWhatWentWrong) {
  DualA a;
  a.add_sas();
  a.from_lan(ipv6_of_size(60, {.hop_limit = 1}));
  a.from_lan(ipv6_of_size(60, {.destination = kStranger}));
  a.gateway.poll();
  const auto sent = a.gateway.sent(kLanPort);
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(get16(without_ethernet(sent[0]), 40), 0x0300u);
  EXPECT_EQ(get16(without_ethernet(sent[1]), 40), 0x0100u);
  EXPECT_EQ(without_ethernet(sent[0])[7], 64) << "the gateway's own packets keep their hop limit";
}

TEST_F(Ipv6PuntTest, LetsPacketsWaitForTheirNeighbour) {
  DualA a;
  a.add_sas();
  const Bytes inner = ipv6_of_size(100, {.source = kHostB6, .destination = ip6(1, 77)});
  a.from_outside(seal(a.inbound, 1, inner));
  a.gateway.poll();
  PacketPtr waiting = a.gateway.exception();
  ASSERT_NE(waiting, nullptr);
  EXPECT_EQ(meta_of(waiting.get()).kind, MetaKind::kUnresolved);
  EXPECT_EQ(meta_of(waiting.get()).next_hop.family, api::Family::kIpv6);
  EXPECT_EQ(meta_of(waiting.get()).next_hop.bytes, ip6(1, 77));
  EXPECT_EQ(to_bytes(waiting.get()), forwarded_either(inner));
  a.gateway.add_neighbour(5, kLanPort, address_of(ip6(1, 77)));
  a.gateway.inject(MetaKind::kInjectNeighbour, 5, to_bytes(waiting.get()));
  a.gateway.poll();
  const auto sent = a.gateway.sent(kLanPort);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(ether_type_of(sent[0]), 0x86ddu);
  EXPECT_EQ(without_ethernet(sent[0]), forwarded_either(inner));
}

TEST_F(Ipv6PuntTest, SendsWhatTheKernelRoutesWithItsHopLimit) {
  DualA a;
  a.add_sas();
  const Bytes packet = ipv6_of_size(100, {.source = ip6(1, 1), .hop_limit = 1});
  a.gateway.inject(MetaKind::kInjectVrf, kVrf, packet);
  a.gateway.inject(MetaKind::kInjectVrf, kVrf, ipv6_of_size(1500, {.source = ip6(1, 1)}));
  a.gateway.poll();
  const auto sent = a.gateway.sent(kPublicPort);
  ASSERT_EQ(sent.size(), 1u);
  const auto opened = open(a.outbound, 0, without_ethernet(sent[0]));
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->inner, packet);
  const PacketPtr told = a.gateway.exception();
  ASSERT_NE(told, nullptr);
  EXPECT_EQ(meta_of(told.get()).kind, MetaKind::kPuntVrf);
  EXPECT_EQ(get32(to_bytes(told.get()), 44), 1426u);
}

TEST_F(Ipv6PuntTest, DeliversToTheGatewayItself) {
  DualA a;
  a.add_sas();
  const Bytes inner = ipv6_of_size(100, {.source = kHostB6, .destination = ip6(1, 1), .hop_limit = 255});
  a.from_outside(seal(a.inbound, 1, inner));
  a.gateway.poll();
  const PacketPtr punted = a.gateway.exception();
  ASSERT_NE(punted, nullptr);
  EXPECT_EQ(meta_of(punted.get()).kind, MetaKind::kPuntVrf);
  EXPECT_EQ(to_bytes(punted.get()), inner) << "BFD wants its 255";
}

TEST_F(Ipv6PuntTest, FitsPacketsToTheMtuWhereNoNeighbourIsKnown) {
  DualB b;
  b.add_sas();
  b.gateway.port(kLanPort).mtu_bytes = 1300;
  for (const size_t bytes : {1300, 1301})
    b.from_outside(
        seal(b.inbound, bytes, ipv6_of_size(bytes, {.source = kHostA6, .destination = ip6(2, 77)})));
  b.gateway.poll();
  PacketPtr waiting = b.gateway.exception();
  ASSERT_NE(waiting, nullptr);
  EXPECT_EQ(meta_of(waiting.get()).kind, MetaKind::kUnresolved);
  EXPECT_EQ(waiting->pkt_len, 1300u);
  EXPECT_EQ(b.gateway.exception(), nullptr);
  EXPECT_EQ(b.gateway.drops(DropReason::kTooBigDf), 1u);
  const auto told = b.gateway.sent(kPublicPort);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(get32(open(b.outbound, 0, without_ethernet(told[0]))->inner, 44), 1300u);
}

}  // namespace

}  // namespace sallyport::dataplane::testing
