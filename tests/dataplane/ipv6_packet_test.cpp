// SPDX-License-Identifier: BSD-3-Clause
// IPv6 headers and extension headers, flows, MSS clamp, fragments, ICMPv6 errors.
#include <set>

#include "dataplane/packet/fragment.h"
#include "dataplane/packet/icmpv6_error.h"
#include "dataplane/packet/ipv6.h"
#include "dataplane/packet/tcp_mss.h"
#include "tests/dataplane/ipv6_packets.h"

namespace sallyport::dataplane::testing {
namespace {

using api::DropReason;

rte_ipv6_hdr& header_of(Bytes& packet) {
  return *reinterpret_cast<rte_ipv6_hdr*>(packet.data());
}
const rte_ipv6_hdr& header_of(const Bytes& packet) {
  return *reinterpret_cast<const rte_ipv6_hdr*>(packet.data());
}

TEST(Ipv6Header, Check) {
  Bytes packet = ipv6_of_size(100);
  EXPECT_EQ(check_ipv6(packet.data(), 100), kKeep);
  EXPECT_EQ(check_ipv6(packet.data(), 120), kKeep) << "link-layer padding";
  EXPECT_EQ(check_ipv6(packet.data(), 99), DropReason::kIpBadHeader);
  EXPECT_EQ(check_ipv6(packet.data(), 39), DropReason::kIpBadHeader);
  packet[0] = 0x40;
  EXPECT_EQ(check_ipv6(packet.data(), 100), DropReason::kIpBadHeader);
  EXPECT_EQ(check_ipv6(ipv6({}).data(), 40), kKeep) << "no payload";
}

TEST(Ipv6Header, TrafficClassAndHopLimit) {
  Bytes packet = ipv6_of_size(60, {.traffic_class = 0xb9, .flow_label = 0xabcde, .hop_limit = 2});
  EXPECT_EQ(traffic_class(header_of(packet)), 0xb9);
  set_traffic_class(header_of(packet), 0x47);
  EXPECT_EQ(get32(packet, 0), 0x647abcdeu);
  EXPECT_EQ(decrement_hop_limit(header_of(packet)), kKeep);
  EXPECT_EQ(packet[7], 1);
  EXPECT_EQ(decrement_hop_limit(header_of(packet)), DropReason::kTtlExpired);
  EXPECT_EQ(packet[7], 1);
}

struct ChainCase {
  const char* description;
  Bytes packet;
  DropReason verdict;
  uint8_t protocol;
  uint32_t offset_bytes;
};

TEST(Ipv6Header, ExtensionHeaders) {
  const Bytes data(16, 9);
  Bytes elsewhere = extension6(17, data);
  elsewhere[3] = 1;  // segments left
  Bytes arrived = extension6(17, data);
  arrived[3] = 0;
  Bytes jumbo = extension6(17, {}, 8);
  jumbo[2] = 0xc2;  // RFC 2675
  Bytes says_jumbo = ipv6(jumbo, {.next_header = 0});
  put16(says_jumbo, 4, 0);
  Bytes seven = data;
  for (int i = 0; i < 8; ++i)
    seven = extension6(i == 0 ? 17 : 60, seven);
  const Bytes nine = extension6(60, seven);
  Bytes overrun = extension6(17, data);
  overrun[1] = 3;
  const std::vector<ChainCase> cases = {
      {"none", ipv6(data), kKeep, 17, 40},
      {"hop-by-hop, destination, routing",
       ipv6(extension6(60, extension6(43, arrived, 16)), {.next_header = 0}), kKeep, 17, 72},
      {"a route that leads elsewhere", ipv6(elsewhere, {.next_header = 43}), DropReason::kIpv6Extension, 0,
       0},
      {"hop-by-hop, not first", ipv6(extension6(0, extension6(17, data)), {.next_header = 60}),
       DropReason::kIpv6Extension, 0, 0},
      {"a jumbogram", says_jumbo, DropReason::kIpv6Extension, 0, 0},
      {"eight headers", ipv6(seven, {.next_header = 60}), kKeep, 17, 40 + 64},
      {"nine headers", ipv6(nine, {.next_header = 60}), DropReason::kIpv6Extension, 0, 0},
      {"longer than the packet", ipv6(overrun, {.next_header = 60}), DropReason::kIpv6Extension, 0, 0},
      {"ends in a header", ipv6(Bytes(4, 17), {.next_header = 60}), DropReason::kIpv6Extension, 0, 0},
      {"no next header", ipv6({}, {.next_header = 59}), kKeep, 59, 40},
      {"a first fragment that ends in the chain",
       ipv6(fragment6(60, 0, true, 1, {17, 4, 0, 0, 0, 0, 0, 0}), {.next_header = 44}),
       DropReason::kIpv6Extension, 0, 0},
      {"a later fragment, whatever it holds", ipv6(fragment6(60, 8, true, 1, data), {.next_header = 44}),
       kKeep, 60, 48},
  };
  for (const ChainCase& test : cases) {
    SCOPED_TRACE(test.description);
    Ipv6Transport transport;
    const auto total = ipv6_total_bytes(header_of(test.packet));
    ASSERT_EQ(find_transport(std::span(test.packet).first(total), transport), test.verdict);
    if (test.verdict != kKeep) continue;
    EXPECT_EQ(transport.protocol, test.protocol);
    EXPECT_EQ(transport.offset_bytes, test.offset_bytes);
  }
}

TEST(Ipv6Header, Fragments) {
  const auto transport_of = [](uint32_t offset, bool more) {
    const Bytes packet = ipv6(fragment6(17, offset, more, 5, Bytes(8)), {.next_header = 44});
    Ipv6Transport transport;
    EXPECT_EQ(find_transport(packet, transport), kKeep);
    EXPECT_EQ(transport.fragment_bytes, 40u);
    return std::pair(transport.fragment, transport.later_fragment);
  };
  EXPECT_EQ(transport_of(0, true), (std::pair(true, false)));
  EXPECT_EQ(transport_of(8, true), (std::pair(true, true)));
  EXPECT_EQ(transport_of(8, false), (std::pair(true, true)));
  EXPECT_EQ(transport_of(0, false), (std::pair(false, false))) << "atomic: RFC 6946";
}

TEST(Ipv6Flow, SymmetricAndSpread) {
  std::set<uint32_t> hashes;
  for (uint8_t host = 1; host <= 100; ++host) {
    const Bytes there = ipv6({3, 0xe8, 7, 0xd0, 0, 8, 0, 0}, {ip6(1, host), ip6(2, 2)});
    const Bytes back = ipv6({7, 0xd0, 3, 0xe8, 0, 8, 0, 0}, {ip6(2, 2), ip6(1, host)});
    EXPECT_EQ(flow_hash(read_flow(header_of(there))), flow_hash(read_flow(header_of(back))));
    hashes.insert(flow_hash(read_flow(header_of(there))) % 64);
  }
  EXPECT_GT(hashes.size(), 40u);
  const Bytes other_port = ipv6({3, 0xe9, 7, 0xd0, 0, 8, 0, 0}),
              one_port = ipv6({3, 0xe8, 7, 0xd0, 0, 8, 0, 0});
  EXPECT_NE(flow_hash(read_flow(header_of(other_port))), flow_hash(read_flow(header_of(one_port))));
  const Bytes extended = ipv6(extension6(17, {3, 0xe8, 7, 0xd0, 0, 8, 0, 0}), {.next_header = 60});
  EXPECT_EQ(flow_hash(read_flow(header_of(extended))), flow_hash(read_flow(header_of(one_port))));
}

TEST(Ipv6Flow, FragmentsOfAPacketHashAlike) {
  const Bytes udp = {3, 0xe8, 7, 0xd0, 0, 8, 0, 0};
  const Bytes first = ipv6(fragment6(60, 0, true, 1, extension6(17, udp)), {.next_header = 44});
  const Bytes later = ipv6(fragment6(60, 16, false, 1, udp), {.next_header = 44});
  EXPECT_EQ(flow_hash(read_flow(header_of(first))), flow_hash(read_flow(header_of(later))));
  EXPECT_TRUE(read_flow(header_of(first)).ports_known);
  EXPECT_FALSE(read_flow(header_of(later)).ports_known);
}

// An MSS of 1460 behind a NOP, so that it straddles two words of the checksum.
Bytes syn6(const Bytes& in_front = {}) {
  Bytes tcp(28);
  put16(tcp, 0, 1000);
  put16(tcp, 2, 80);
  tcp[12] = 7 << 4;
  tcp[13] = 2;
  tcp[20] = 1;
  tcp[21] = 2;
  tcp[22] = 4;
  put16(tcp, 23, 1460);
  tcp[25] = tcp[26] = 1;
  if (!in_front.empty()) {
    Bytes payload = in_front;
    payload.insert(payload.end(), tcp.begin(), tcp.end());
    return ipv6(payload, {.next_header = 60});
  }
  Bytes packet = ipv6(tcp, {.next_header = 6});
  put16(packet, 56, checksum6(packet, 6));
  return packet;
}

TEST(TcpMss, ClampsIpv6) {
  Bytes packet = syn6();
  ASSERT_EQ(checksum6(packet, 6), 0u);
  EXPECT_FALSE(clamp_tcp_mss(header_of(packet), 1460));
  EXPECT_TRUE(clamp_tcp_mss(header_of(packet), 1386));
  EXPECT_EQ(get16(packet, 63), 1386u);
  EXPECT_EQ(checksum6(packet, 6), 0u);
  EXPECT_EQ(tcp_mss_for_ipv6(1446), 1386);
  EXPECT_EQ(tcp_mss_for_ipv6(50), 0);
  Bytes extended = syn6(extension6(6, {}));
  EXPECT_TRUE(clamp_tcp_mss(header_of(extended), 1386));
  EXPECT_EQ(get16(extended, 71), 1386u);
  Bytes no_syn = syn6();
  no_syn[53] = 16;
  EXPECT_FALSE(clamp_tcp_mss(header_of(no_syn), 1386));
  const Bytes segment(packet.begin() + 40, packet.end());
  Bytes fragment = ipv6(fragment6(6, 0, true, 1, segment), {.next_header = 44});
  EXPECT_FALSE(clamp_tcp_mss(header_of(fragment), 1000));
}

// Together they are the packet again; each fits, and all but the last are full.
TEST(Fragmentation, Ipv6) {
  const Bytes packet = ipv6_of_size(1421, {.traffic_class = 0x2e});
  const PacketPtr original(to_packet(packet));
  std::array<rte_mbuf*, 8> fragments;
  const uint32_t count = fragment_ipv6(original.get(), 605, 0x1234567, packet_pool(), fragments);
  ASSERT_EQ(count, 3u);  // 1381 bytes in pieces of 552
  Bytes data;
  for (uint32_t i = 0; i < count; ++i) {
    const PacketPtr owner(fragments.at(i));
    const Bytes bytes = to_bytes(owner.get());
    EXPECT_LE(bytes.size(), 605u);
    EXPECT_EQ(get16(bytes, 4), bytes.size() - 40);
    EXPECT_EQ(get32(bytes, 0), get32(packet, 0));
    EXPECT_EQ(bytes[6], 44);
    EXPECT_EQ(bytes[40], 17);
    EXPECT_EQ(get16(bytes, 42), data.size() | (i + 1 < count ? 1 : 0));
    EXPECT_EQ(get32(bytes, 44), 0x1234567u);
    EXPECT_TRUE(std::equal(packet.begin() + 8, packet.begin() + 40, bytes.begin() + 8));
    data.insert(data.end(), bytes.begin() + 48, bytes.end());
  }
  EXPECT_EQ(data, Bytes(packet.begin() + 40, packet.end()));
  std::array<rte_mbuf*, 2> few;
  const uint32_t before = rte_mempool_avail_count(packet_pool());
  EXPECT_EQ(fragment_ipv6(original.get(), 605, 1, packet_pool(), few), 0u);
  EXPECT_EQ(fragment_ipv6(original.get(), 55, 1, packet_pool(), fragments), 0u);
  EXPECT_EQ(rte_mempool_avail_count(packet_pool()), before);
}

Bytes error_about(const Bytes& offending, Icmpv6Error error, uint16_t mtu_bytes = 0) {
  const PacketPtr packet(
      build_icmpv6_error(packet_pool(), header_of(offending), error, ip6(1, 1), mtu_bytes));
  return packet == nullptr ? Bytes{} : to_bytes(packet.get());
}

TEST(Icmpv6, ErrorIsExact) {
  const Bytes offending = ipv6_of_size(1500);
  const Bytes error = error_about(offending, Icmpv6Error::kPacketTooBig, 1406);
  ASSERT_EQ(error.size(), 1280u);
  EXPECT_EQ(error[0] >> 4, 6);
  EXPECT_EQ(get16(error, 4), 1240u);
  EXPECT_EQ(error[6], 58);
  EXPECT_TRUE(std::equal(error.begin() + 24, error.begin() + 40, offending.begin() + 8)) << "to the sender";
  EXPECT_EQ(error[40], 2);
  EXPECT_EQ(error[41], 0);
  EXPECT_EQ(get32(error, 44), 1406u);
  EXPECT_EQ(checksum6(error, 58), 0u);
  EXPECT_TRUE(std::equal(error.begin() + 48, error.end(), offending.begin()));
  const Bytes expired = error_about(ipv6_of_size(61), Icmpv6Error::kTimeExceeded);
  ASSERT_EQ(expired.size(), 109u);
  EXPECT_EQ(expired[40], 3);
  EXPECT_EQ(get32(expired, 44), 0u);
  EXPECT_EQ(checksum6(expired, 58), 0u);
}

TEST(Icmpv6, NeverAboutWhatMustHaveNone) {
  const auto allowed = [](const Bytes& packet, Icmpv6Error error = Icmpv6Error::kNoRoute) {
    return icmpv6_error_allowed(header_of(packet), error) && !error_about(packet, error).empty();
  };
  EXPECT_TRUE(allowed(ipv6_of_size(60)));
  EXPECT_TRUE(allowed(icmp6(128, 0, Bytes(4), {})));
  EXPECT_FALSE(allowed(icmp6(1, 0, Bytes(60), {})));
  EXPECT_FALSE(allowed(icmp6(127, 0, Bytes(60), {})));
  EXPECT_FALSE(allowed(icmp6(137, 0, Bytes(60), {}))) << "a redirect";
  EXPECT_FALSE(allowed(ipv6(extension6(58, {1, 0, 0, 0}), {.next_header = 60})))
      << "behind an extension header";
  EXPECT_FALSE(allowed(ipv6({}, {.next_header = 58}))) << "without a type";
  EXPECT_FALSE(allowed(ipv6(fragment6(58, 8, false, 1, Bytes(8)), {.next_header = 44})));
  EXPECT_TRUE(allowed(ipv6(fragment6(17, 8, false, 1, Bytes(8)), {.next_header = 44})));
  EXPECT_FALSE(allowed(ipv6_of_size(60, {.source = Ip6{}})));
  EXPECT_FALSE(allowed(ipv6_of_size(60, {.source = multicast6(2, 1)})));
  EXPECT_FALSE(allowed(ipv6_of_size(60, {.destination = multicast6(5, 1)})));
  EXPECT_TRUE(allowed(ipv6_of_size(60, {.destination = multicast6(5, 1)}), Icmpv6Error::kPacketTooBig));
}

}  // namespace
}  // namespace sallyport::dataplane::testing
