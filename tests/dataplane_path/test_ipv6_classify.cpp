// SPDX-License-Identifier: BSD-3-Clause
// What IPv6 packets on a public port are taken for, and what a public mirror may send.
#include "dataplane/path/classify_ipv6.h"
#include "dataplane/path/mirror_filter.h"
#include "dataplane/path/path_mtu.h"
#include "tests/dataplane_path/sites_ipv6.h"

namespace sallyport::dataplane::testing {

namespace {

using api::DropReason;

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
      {"a fragment that calls itself whole, too",
       with(44, fragment6(44, 0, true, 1, fragment6(50, 0, false, 2, Bytes(40)))), kDrop,
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
  EXPECT_FALSE(read_packet_too_big(icmp6(2, 0, about(1279, quoted), from_router)));
  EXPECT_TRUE(read_packet_too_big(icmp6(2, 0, about(1280, quoted), from_router)));
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

}  // namespace

}  // namespace sallyport::dataplane::testing
