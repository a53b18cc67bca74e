// SPDX-License-Identifier: BSD-3-Clause
// IPv6 that doesn't go straight through: for the gateway itself, from its mirrors, waiting for a neighbour,
// expired, hostile.
#include "dataplane/path/classify_ipv6.h"
#include "dataplane/path/context.h"
#include "dataplane/path/mirror_filter.h"
#include "dataplane/path/path_mtu.h"
#include "tests/dataplane_path/sites_ipv6.h"

namespace sallyport::dataplane::testing {

namespace {

using api::DropReason;

constexpr Ip6 kSolicited = multicast6(2, 1), kStranger = ip6(0x77, 7);
const Bytes kUdp500 = [] {
  Bytes datagram(8 + 28);
  put16(datagram, 0, 500);
  put16(datagram, 2, 500);
  put16(datagram, 4, 36);
  datagram[16] = 1;  // a responder SPI
  return datagram;
}();

Bytes with_ports(uint16_t source, uint16_t destination, const Bytes& payload) {
  Bytes datagram(8);
  put16(datagram, 0, source);
  put16(datagram, 2, destination);
  put16(datagram, 4, static_cast<uint32_t>(8 + payload.size()));
  datagram.insert(datagram.end(), payload.begin(), payload.end());
  return datagram;
}

struct PublicPort : Port {
  PublicPort() : Port{} {
    mac = mac_of(1);
    ipv6_addresses[ipv6_count++] = kPublicA6;
  }
};

struct ClassifyCase {
  const char* description;
  Bytes packet;
  PublicClass what;
  DropReason drop = kKeep;
};

TEST(ClassifyIpv6, TellsPacketsApart) {
  const Ipv6Fields to_us{.source = kPublicB6, .destination = kPublicA6};
  const auto with = [&](uint8_t next_header, const Bytes& payload) {
    return ipv6(payload, {.source = kPublicB6, .destination = kPublicA6, .next_header = next_header});
  };
  const auto solicitation = [](const Ip6& destination, uint8_t hop_limit) {
    return icmp6(135, 0, Bytes(20),
                 {.source = link_local6(9), .destination = destination, .hop_limit = hop_limit});
  };
  Bytes too_big_about(4);
  put32(too_big_about, 0, 1400);
  OracleSa ours;
  ours.source6 = kPublicA6;
  ours.destination6 = kPublicB6;
  const Bytes quoted = seal(ours, 1, ipv6_of_size(100));
  too_big_about.insert(too_big_about.end(), quoted.begin(), quoted.end());
  using enum PublicClass;
  const std::vector<ClassifyCase> cases = {
      {"ESP", with(50, Bytes(40)), kEsp},
      {"ESP in UDP", with(17, with_ports(61000, 4500, Bytes(40, 1))), kEsp},
      {"IKE", with(17, kUdp500), kIke},
      {"IKE behind the non-ESP marker", with(17, with_ports(4500, 4500, Bytes(40))), kIkeInit},
      {"a keepalive", with(17, with_ports(4500, 4500, {0xff})), kDrop, DropReason::kNatKeepalive},
      {"UDP that lies about its length",
       with(17,
            [] {
              Bytes d = kUdp500;
              d[5] = 37;
              return d;
            }()),
       kDrop, DropReason::kUdpBadLength},
      {"DNS", with(17, with_ports(53, 53, Bytes(20))), kDrop, DropReason::kNotForUs},
      {"TCP", with(6, Bytes(40)), kDrop, DropReason::kNotForUs},
      {"an echo request", icmp6(128, 0, Bytes(8), to_us), kIcmp},
      {"packet too big about our ESP", icmp6(2, 0, too_big_about, to_us), kPathMtu},
      {"a solicitation to many", solicitation(kSolicited, 255), kNeighbourDiscovery},
      {"a solicitation to our link-local address", solicitation(link_local6(1), 255), kNeighbourDiscovery},
      {"a solicitation to us", solicitation(kPublicA6, 255), kNeighbourDiscovery},
      {"a solicitation from beyond the link", solicitation(kPublicA6, 254), kDrop, DropReason::kIpv6Scope},
      {"a listener query",
       ipv6(extension6(58, {130, 0, 0, 0}),
            {.source = link_local6(9), .destination = multicast6(2, 1), .next_header = 0, .hop_limit = 1}),
       kNeighbourDiscovery},
      {"an echo request to many", icmp6(128, 0, Bytes(8), {.source = kPublicB6, .destination = kSolicited}),
       kDrop, DropReason::kNotForUs},
      {"routed multicast", ipv6_of_size(60, {.destination = multicast6(14, 1)}), kDrop,
       DropReason::kNotForUs},
      {"ESP to a link-local address",
       ipv6(Bytes(40), {.source = link_local6(9), .destination = link_local6(1), .next_header = 50}), kDrop,
       DropReason::kNotForUs},
      {"to another", ipv6_of_size(60, {.destination = kStranger}), kForeign},
      {"a fragment of ESP", with(44, fragment6(50, 0, true, 1, Bytes(16))), kFragment},
      {"an atomic fragment", with(44, fragment6(50, 0, false, 1, Bytes(40))), kEsp},
      {"a fragment behind options", with(60, extension6(44, fragment6(50, 0, true, 1, Bytes(16)))), kDrop,
       DropReason::kIpv6Extension},
      {"a fragment of TCP", with(44, fragment6(6, 0, true, 1, Bytes(16))), kDrop, DropReason::kNotForUs},
      {"headers that run off the end", with(60, Bytes{50, 9, 1, 0, 0, 0, 0, 0}), kDrop,
       DropReason::kIpv6Extension},
  };
  const PublicPort port;
  for (const ClassifyCase& test : cases) {
    SCOPED_TRACE(test.description);
    const Classified result = classify_public_ipv6(test.packet, port);
    EXPECT_EQ(result.what, test.what);
    if (test.what == kDrop) {
      EXPECT_EQ(result.drop, test.drop);
    }
  }
  EXPECT_EQ(classify_public_ipv6(with(60, extension6(50, Bytes(40))), port).esp_offset_bytes, 48);
  EXPECT_EQ(classify_public_ipv6(with(17, with_ports(1, 4500, Bytes(40, 1))), port).esp_offset_bytes, 48);
}

TEST(PathMtuIpv6, BelievesOnlyWhatIsWholeAndAboutEsp) {
  const Ipv6Fields from_router{.source = ip6(0x99, 1), .destination = kPublicA6};
  const auto about = [](uint32_t mtu, const Bytes& quoted) {
    Bytes body(4);
    put32(body, 0, mtu);
    body.insert(body.end(), quoted.begin(), quoted.end());
    return body;
  };
  OracleSa sa;
  sa.source6 = kPublicA6;
  sa.destination6 = kPublicB6;
  const Bytes quoted = seal(sa, 1, ipv6_of_size(100));
  const auto plain = read_packet_too_big(icmp6(2, 0, about(1400, quoted), from_router));
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->spi, sa.spi);
  EXPECT_EQ(plain->mtu_bytes, 1400);
  EXPECT_EQ(plain->local.bytes, kPublicA6);
  EXPECT_EQ(plain->remote.bytes, kPublicB6);
  EXPECT_EQ(plain->remote_port, 0);
  EXPECT_EQ(read_packet_too_big(icmp6(2, 0, about(700, quoted), from_router))->mtu_bytes, 1280);
  EXPECT_EQ(read_packet_too_big(icmp6(2, 0, about(1u << 31, quoted), from_router))->mtu_bytes, 65535);
  sa.encap = true;
  sa.destination_port = 61000;
  const auto in_udp =
      read_packet_too_big(icmp6(2, 0, about(1400, seal(sa, 1, ipv6_of_size(100))), from_router));
  ASSERT_TRUE(in_udp);
  EXPECT_EQ(in_udp->remote_port, 61000);
  const Bytes esp(quoted.begin() + 40, quoted.end());
  const Bytes first = ipv6(fragment6(50, 0, true, 9, esp),
                           {.source = kPublicA6, .destination = kPublicB6, .next_header = 44});
  EXPECT_TRUE(read_packet_too_big(icmp6(2, 0, about(1400, first), from_router)));
  const Bytes later = ipv6(fragment6(50, 64, false, 9, esp),
                           {.source = kPublicA6, .destination = kPublicB6, .next_header = 44});
  EXPECT_FALSE(read_packet_too_big(icmp6(2, 0, about(1400, later), from_router)));
  Bytes wrong_sum = icmp6(2, 0, about(1400, quoted), from_router);
  wrong_sum[50] ^= 1;
  EXPECT_FALSE(read_packet_too_big(wrong_sum));
  EXPECT_FALSE(read_packet_too_big(icmp6(1, 0, about(1400, quoted), from_router)));
  EXPECT_FALSE(
      read_packet_too_big(icmp6(2, 0, about(1400, Bytes(quoted.begin(), quoted.begin() + 46)), from_router)));
  EXPECT_FALSE(read_packet_too_big(icmp6(2, 0, about(1400, ipv4_of_size(100)), from_router)));
}

struct MirrorCase {
  const char* description;
  bool allowed;
  Bytes packet;
};

TEST(MirrorFilterIpv6, LetsOutNothingOfAVirtualNetwork) {
  const PublicPort port;
  const auto own = [](uint8_t next_header, const Bytes& payload) {
    return ipv6(payload, {.source = kPublicA6, .destination = kPublicB6, .next_header = next_header});
  };
  const auto nd = [](uint8_t type, const Ip6& source, uint8_t hop_limit) {
    return icmp6(type, 0, Bytes(20), {.source = source, .destination = kSolicited, .hop_limit = hop_limit});
  };
  const std::vector<MirrorCase> cases = {
      {"an echo request", true, icmp6(128, 0, Bytes(8), {.source = kPublicA6, .destination = kPublicB6})},
      {"an echo request from another", false, icmp6(128, 0, Bytes(8), {.source = kHostA6})},
      {"an echo request from a link-local address", false,
       icmp6(128, 0, Bytes(8), {.source = link_local6(1)})},
      {"IKE", true, own(17, kUdp500)},
      {"IKE on 4500", true, own(17, with_ports(4500, 4500, Bytes(40)))},
      {"ESP in UDP", false, own(17, with_ports(4500, 4500, Bytes(40, 1)))},
      {"a keepalive", true, own(17, with_ports(4500, 4500, {0xff}))},
      {"ESP", false, own(50, Bytes(40))},
      {"ESP behind options", false, own(60, extension6(50, Bytes(40)))},
      {"TCP", false, own(6, Bytes(40))},
      {"a fragment", false, own(44, fragment6(58, 0, true, 1, Bytes(16)))},
      {"a solicitation", true, nd(135, kPublicA6, 255)},
      {"a probe", true, nd(135, Ip6{}, 255)},
      {"an advertisement", true, nd(136, link_local6(1), 255)},
      {"an advertisement for another", false, nd(136, kHostA6, 255)},
      {"an advertisement that routers would forward", false, nd(136, kPublicA6, 64)},
      {"a router advertisement", false, nd(134, link_local6(1), 255)},
      {"a redirect", false, nd(137, link_local6(1), 255)},
      {"a listener report", true,
       ipv6(
           extension6(58, {143, 0, 0, 0, 0, 0, 0, 0}),
           {.source = link_local6(1), .destination = multicast6(2, 0x16), .next_header = 0, .hop_limit = 1})},
      {"a listener report to far away", false,
       ipv6({143, 0, 0, 0},
            {.source = link_local6(1), .destination = kPublicB6, .next_header = 58, .hop_limit = 1})},
      {"longer than its frame", false,
       [&] {
         Bytes p = own(17, kUdp500);
         put16(p, 4, 2000);
         return p;
       }()},
  };
  for (const MirrorCase& test : cases) {
    SCOPED_TRACE(test.description);
    Bytes frame = ethernet6(test.packet, mac_of(0x50));
    std::memcpy(&frame[6], port.mac.addr_bytes, 6);
    EXPECT_EQ(mirror_may_send(frame, port), test.allowed ? kKeep : DropReason::kMirrorForbidden);
  }
}

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

}  // namespace

}  // namespace sallyport::dataplane::testing
