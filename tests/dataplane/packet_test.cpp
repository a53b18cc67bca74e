// SPDX-License-Identifier: BSD-3-Clause
// IPv4 headers, flows, MSS clamp, fragments, ICMP errors.
#include <random>

#include "dataplane/packet/ethernet.h"
#include "dataplane/packet/fragment.h"
#include "dataplane/packet/icmp_error.h"
#include "dataplane/packet/ipv4.h"
#include "dataplane/packet/tcp_mss.h"
#include "tests/dataplane/packets.h"

namespace sallyport::dataplane::testing {
namespace {

using api::DropReason;

rte_ipv4_hdr& header_of(Bytes& packet) {
  return *reinterpret_cast<rte_ipv4_hdr*>(packet.data());
}

TEST(Ipv4, CheckRefusesWhatIsWrong) {
  struct Case {
    const char* what;
    size_t at;
    uint8_t value;
    DropReason drop;
  };
  for (const Case& c :
       {Case{"right", 0, 0x45, kKeep}, Case{"version 6", 0, 0x65, DropReason::kIpBadHeader},
        Case{"version 0", 0, 0x05, DropReason::kIpBadHeader},
        Case{"header of 16", 0, 0x44, DropReason::kIpBadHeader}, Case{"options", 0, 0x46, kKeep},
        Case{"header longer than the packet", 0, 0x4f, DropReason::kIpBadHeader},
        Case{"total below the header", 3, 19, DropReason::kIpBadHeader},
        Case{"total 0", 3, 0, DropReason::kIpBadHeader}, Case{"only a header", 3, 20, kKeep},
        Case{"total beyond the bytes", 3, 41, DropReason::kIpBadHeader}}) {
    Bytes packet = ipv4_of_size(40);
    packet[c.at] = c.value;
    EXPECT_EQ(check_ipv4(packet.data(), 40), c.drop) << c.what;
  }
  const Bytes packet = ipv4_of_size(40);
  for (uint32_t bytes = 0; bytes < 40; ++bytes) {
    EXPECT_EQ(check_ipv4(packet.data(), bytes), DropReason::kIpBadHeader) << bytes;
  }
}

TEST(Ipv4, TtlAndTosKeepTheChecksumRight) {
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    Bytes packet = ipv4({}, {.source = static_cast<uint32_t>(random()),
                             .destination = static_cast<uint32_t>(random()),
                             .protocol = static_cast<uint8_t>(random()),
                             .tos = static_cast<uint8_t>(random()),
                             .ttl = static_cast<uint8_t>(random()),
                             .id = static_cast<uint16_t>(random())});
    const Bytes before = packet;
    const bool expires = packet[8] <= 1;
    ASSERT_EQ(decrement_ttl(header_of(packet)), expires ? DropReason::kTtlExpired : kKeep);
    if (expires) {
      ASSERT_EQ(packet, before);
      continue;
    }
    ASSERT_EQ(packet[8], before[8] - 1);
    ASSERT_EQ(internet_checksum(packet, 0, 20), 0u);
    set_tos(header_of(packet), static_cast<uint8_t>(random()));
    ASSERT_EQ(internet_checksum(packet, 0, 20), 0u);
    ASSERT_TRUE(ipv4_checksum_valid(header_of(packet)));
  }
}

TEST(Ipv4, ThePlainChecksumIsValidWhereItIsByTheBook) {
  std::mt19937 random(2);
  for (const int id : {0, 1, 0x1234, 0xffff}) {
    Bytes packet = ipv4({}, {.source = static_cast<uint32_t>(random()),
                             .destination = static_cast<uint32_t>(random()),
                             .id = static_cast<uint16_t>(id)});
    for (uint32_t checksum = 0; checksum <= 0xffff; ++checksum) {
      put16(packet, 10, static_cast<uint16_t>(checksum));
      ASSERT_EQ(plain_ipv4_checksum_valid(header_of(packet)), internet_checksum(packet, 0, 20) == 0)
          << checksum;
    }
  }
}

TEST(Ipv4, TheTtlsCarryComesRoundInTheChecksum) {
  uint32_t all_ones = 0;
  for (uint32_t id = 0; id <= 0xffff; ++id) {  // every checksum there is
    Bytes packet = ipv4({}, {.ttl = 64, .id = static_cast<uint16_t>(id)});
    if (packet[10] == 0 && packet[11] == 0) {  // the other way to write zero, as good as this one
      put16(packet, 10, 0xffff);
      ++all_ones;
    }
    ASSERT_EQ(decrement_ttl(header_of(packet)), kKeep);
    ASSERT_EQ(internet_checksum(packet, 0, 20), 0u) << id;
  }
  EXPECT_GT(all_ones, 0u);
}

TEST(Flow, ReadsPortsWhereTheyAre) {
  Bytes udp = ipv4_of_size(60);
  Flow flow = read_flow(header_of(udp));
  EXPECT_TRUE(flow.ports_known);
  EXPECT_EQ(flow.source_port, 1000);
  EXPECT_EQ(flow.destination_port, 2000);

  Bytes options = ipv4_of_size(60);
  options[0] = 0x46;
  put16(options, 24, 77);
  put16(options, 26, 88);
  flow = read_flow(header_of(options));
  EXPECT_EQ(flow.source_port, 77);
  EXPECT_EQ(flow.destination_port, 88);

  Bytes icmp = ipv4({8, 0, 0, 0}, {.protocol = 1});
  flow = read_flow(header_of(icmp));
  EXPECT_TRUE(flow.ports_known);
  EXPECT_EQ(flow.source_port, 0x0800);
  EXPECT_EQ(flow.destination_port, 0x0800);

  Bytes first = ipv4_of_size(60, {.fragment = 0x2000});
  EXPECT_TRUE(read_flow(header_of(first)).ports_known);
  EXPECT_TRUE(read_flow(header_of(first)).fragment);
  Bytes later = ipv4_of_size(60, {.fragment = 0x0005});
  EXPECT_FALSE(read_flow(header_of(later)).ports_known);
  Bytes gre = ipv4_of_size(60, {.protocol = 47});
  EXPECT_FALSE(read_flow(header_of(gre)).ports_known);
  for (size_t payload = 0; payload < 4; ++payload) {
    Bytes brief = ipv4(Bytes(payload, 9));
    EXPECT_FALSE(read_flow(header_of(brief)).ports_known) << payload;
  }
}

uint32_t hash_of(Bytes packet) {
  return flow_hash(read_flow(header_of(packet)));
}

TEST(Flow, HashIsSymmetricAndSpreads) {
  std::mt19937 random(2);
  std::array<uint32_t, 16> buckets{};
  for (uint32_t i = 0; i < 16000; ++i) {
    const uint32_t source = 0x0a010000 + (random() & 0xff), destination = 0x0a020000 + (random() & 0xff);
    const uint32_t source_port = 1024 + (random() & 0xfff), destination_port = 443;
    Bytes payload(20);
    put16(payload, 0, source_port);
    put16(payload, 2, destination_port);
    const Bytes there = ipv4(payload, {.source = source, .destination = destination, .protocol = 6});
    put16(payload, 0, destination_port);
    put16(payload, 2, source_port);
    const Bytes back = ipv4(payload, {.source = destination, .destination = source, .protocol = 6});
    const uint32_t hash = hash_of(there);
    ASSERT_EQ(hash, hash_of(back));
    ++buckets[hash % 16];
  }
  for (const uint32_t count : buckets)
    EXPECT_NEAR(count, 1000, 200);
}

TEST(Flow, HashKeepsFragmentsAndPingsTogether) {
  const Bytes first = ipv4_of_size(60, {.fragment = 0x2000}), later = ipv4_of_size(90, {.fragment = 0x0003});
  EXPECT_EQ(hash_of(first), hash_of(later));
  const Bytes request = ipv4({8, 0, 1, 2, 3, 4}, {.protocol = 1});
  const Bytes reply =
      ipv4({0, 0, 1, 2, 3, 4}, {.source = 0x0a020002, .destination = 0x0a010002, .protocol = 1});
  EXPECT_EQ(hash_of(request), hash_of(reply));
  EXPECT_NE(hash_of(ipv4_of_size(60)), hash_of(ipv4_of_size(60, {.protocol = 6})));
}

// A TCP segment with these options and a right checksum.
Bytes tcp(const Bytes& options, uint8_t flags, uint8_t data_offset_words, const Bytes& payload = {1, 2, 3}) {
  Bytes segment(20);
  put16(segment, 0, 1000);
  put16(segment, 2, 80);
  segment[12] = static_cast<uint8_t>(data_offset_words << 4);
  segment[13] = flags;
  segment.insert(segment.end(), options.begin(), options.end());
  segment.insert(segment.end(), payload.begin(), payload.end());
  Bytes packet = ipv4(segment, {.protocol = 6});
  put16(packet, 36,
        internet_checksum(packet, 20, packet.size(),
                          0x0a01 + 0x0002 + 0x0a02 + 0x0002 + 6 + static_cast<uint32_t>(segment.size())));
  return packet;
}

bool tcp_checksum_right(const Bytes& packet) {
  return internet_checksum(
             packet, 20, packet.size(),
             0x0a01 + 0x0002 + 0x0a02 + 0x0002 + 6 + static_cast<uint32_t>(packet.size() - 20)) == 0;
}

TEST(TcpMss, Clamps) {
  constexpr uint8_t kSyn = 0x02, kSynAck = 0x12, kAck = 0x10;
  struct Case {
    const char* what;
    Bytes options;
    uint8_t flags, words;
    size_t mss_at;  // in the packet, where it must be 1360 afterwards; 0: nothing changes
  };
  const std::vector<Case> cases = {
      {"plain SYN", {2, 4, 5, 0xb4}, kSyn, 6, 42},
      {"SYN and ACK", {2, 4, 5, 0xb4}, kSynAck, 6, 42},
      {"after a NOP, at an odd place", {1, 2, 4, 5, 0xb4, 1, 1, 0}, kSyn, 7, 43},
      {"after other options", {4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 2, 4, 0xff, 0xff}, kSyn, 9, 54},
      {"no SYN", {2, 4, 5, 0xb4}, kAck, 6, 0},
      {"smaller already", {2, 4, 5, 0x50}, kSyn, 6, 0},
      {"no options", {}, kSyn, 5, 0},
      {"after the end", {0, 2, 4, 5, 0xb4, 0, 0, 0}, kSyn, 7, 0},
      {"wrong length", {2, 3, 5, 0xb4}, kSyn, 6, 0},
      {"length 0", {3, 0, 2, 4, 5, 0xb4, 0, 0}, kSyn, 7, 0},
      {"beyond the header", {1, 1, 1, 2}, kSyn, 6, 0},
      {"header beyond the packet", {2, 4, 5, 0xb4}, kSyn, 15, 0},
      {"header of 16", {2, 4, 5, 0xb4}, kSyn, 4, 0},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    Bytes packet = tcp(c.options, c.flags, c.words);
    const Bytes before = packet;
    ASSERT_TRUE(tcp_checksum_right(packet));
    EXPECT_EQ(clamp_tcp_mss(header_of(packet), 1360), c.mss_at != 0);
    if (c.mss_at == 0) {
      EXPECT_EQ(packet, before);
      continue;
    }
    EXPECT_EQ(get16(packet, c.mss_at), 1360u);
    EXPECT_TRUE(tcp_checksum_right(packet));
  }
  Bytes udp = tcp({2, 4, 5, 0xb4}, kSyn, 6);
  udp[9] = 17;
  EXPECT_FALSE(clamp_tcp_mss(header_of(udp), 1360));
  Bytes fragment = tcp({2, 4, 5, 0xb4}, kSyn, 6);
  put16(fragment, 6, 0x2000);
  EXPECT_FALSE(clamp_tcp_mss(header_of(fragment), 1360));
  EXPECT_EQ(tcp_mss_for_ipv4(1400), 1360);
}

TEST(Fragment, PiecesFitAndJoinAgain) {
  for (const size_t bytes : {size_t{1400}, size_t{1401}, size_t{3000}, size_t{9000}}) {
    for (const uint16_t mtu : {uint16_t{576}, uint16_t{1280}, uint16_t{1281}, uint16_t{1399}}) {
      const Bytes whole = ipv4_of_size(bytes, {.tos = 0x10, .id = 0x1234});
      const PacketPtr packet(to_packet(whole));
      std::array<rte_mbuf*, 32> fragments{};
      const uint32_t count = fragment_ipv4(packet.get(), mtu, packet_pool(), fragments);
      ASSERT_GT(count, 1u);
      Bytes joined(bytes - 20);
      size_t covered = 0;
      for (uint32_t i = 0; i < count; ++i) {
        const PacketPtr fragment(fragments[i]);
        EXPECT_EQ(fragment->nb_segs, 1);
        EXPECT_EQ(rte_pktmbuf_headroom(fragment.get()), RTE_PKTMBUF_HEADROOM);
        const Bytes piece = to_bytes(fragment.get());
        ASSERT_LE(piece.size(), mtu);
        EXPECT_EQ(get16(piece, 2), piece.size());
        EXPECT_EQ(get16(piece, 4), 0x1234u);
        EXPECT_EQ(piece[1], 0x10);
        EXPECT_EQ(internet_checksum(piece, 0, 20), 0u);
        const uint32_t flags = get16(piece, 6);
        EXPECT_EQ((flags & 0x2000) != 0, i + 1 < count) << "more fragments";
        const size_t offset = (flags & 0x1fff) * 8;
        ASSERT_LE(offset + piece.size() - 20, joined.size());
        std::copy(piece.begin() + 20, piece.end(), joined.begin() + static_cast<long>(offset));
        covered += piece.size() - 20;
      }
      EXPECT_EQ(covered, joined.size());
      EXPECT_TRUE(std::equal(joined.begin(), joined.end(), whole.begin() + 20));
    }
  }
}

TEST(Fragment, OfAFragmentKeepsItsPlace) {
  const PacketPtr packet(to_packet(ipv4_of_size(1420, {.fragment = 0x2000 | 100})));
  std::array<rte_mbuf*, 4> fragments{};
  ASSERT_EQ(fragment_ipv4(packet.get(), 1300, packet_pool(), fragments), 2u);
  const PacketPtr first(fragments[0]), second(fragments[1]);
  EXPECT_EQ(get16(to_bytes(first.get()), 6), 0x2000u | 100u);
  EXPECT_EQ(get16(to_bytes(second.get()), 6), 0x2000u | (100u + 1280 / 8))
      << "its last piece isn't the datagram's";
}

TEST(Fragment, CutsOffWhatIsBehindThePacket) {
  Bytes padded = ipv4_of_size(1000);
  padded.resize(1100, 0xee);
  const PacketPtr packet(to_packet(padded));
  std::array<rte_mbuf*, 8> fragments{};
  const uint32_t count = fragment_ipv4(packet.get(), 600, packet_pool(), fragments);
  ASSERT_EQ(count, 2u);
  EXPECT_EQ(fragments[0]->pkt_len + fragments[1]->pkt_len, 1020u);
  rte_pktmbuf_free_bulk(fragments.data(), count);
}

TEST(Fragment, GivesUpWithoutRoom) {
  const uint32_t before = rte_mempool_avail_count(packet_pool());
  {
    const PacketPtr packet(to_packet(ipv4_of_size(9000)));
    std::array<rte_mbuf*, 3> fragments{};
    EXPECT_EQ(fragment_ipv4(packet.get(), 1400, packet_pool(), fragments), 0u);
    EXPECT_EQ(fragment_ipv4(packet.get(), 20, packet_pool(), fragments), 0u);
  }
  EXPECT_EQ(rte_mempool_avail_count(packet_pool()), before) << "packets leaked";
}

TEST(IcmpErrors, SayWhatHappened) {
  struct Case {
    IcmpError error;
    uint8_t type, code;
    uint16_t mtu;
  };
  for (const Case& c : {Case{IcmpError::kFragmentationNeeded, 3, 4, 1446},
                        Case{IcmpError::kTimeExceeded, 11, 0, 0}, Case{IcmpError::kNetUnreachable, 3, 0, 0},
                        Case{IcmpError::kHostUnreachable, 3, 1, 0}, Case{IcmpError::kProhibited, 3, 13, 0}}) {
    for (const size_t bytes : {size_t{28}, size_t{41}, size_t{548}, size_t{1500}}) {
      Bytes offending = ipv4_of_size(bytes);
      const PacketPtr error(
          build_icmp_error(packet_pool(), header_of(offending), c.error, RTE_BE32(0x0a010001), 1446));
      ASSERT_NE(error, nullptr);
      const Bytes packet = to_bytes(error.get());
      const size_t quoted = std::min<size_t>(bytes, 576 - 28);
      ASSERT_EQ(packet.size(), 28 + quoted);
      EXPECT_EQ(packet[0], 0x45);
      EXPECT_EQ(get16(packet, 2), packet.size());
      EXPECT_EQ(packet[9], 1);
      EXPECT_EQ(get32(packet, 12), 0x0a010001u);
      EXPECT_EQ(get32(packet, 16), 0x0a010002u);
      EXPECT_EQ(internet_checksum(packet, 0, 20), 0u);
      EXPECT_EQ(packet[20], c.type);
      EXPECT_EQ(packet[21], c.code);
      EXPECT_EQ(get16(packet, 24), 0u);
      EXPECT_EQ(get16(packet, 26), c.mtu);
      EXPECT_EQ(internet_checksum(packet, 20, packet.size()), 0u);
      EXPECT_TRUE(std::equal(packet.begin() + 28, packet.end(), offending.begin()));
    }
  }
}

TEST(IcmpErrors, NeverAboutThese) {
  struct Case {
    const char* what;
    Bytes packet;
    bool allowed;
  };
  std::vector<Case> cases = {
      {"UDP", ipv4_of_size(60), true},
      {"first fragment", ipv4_of_size(60, {.fragment = 0x2000}), true},
      {"later fragment", ipv4_of_size(60, {.fragment = 1}), false},
      {"ping", ipv4({8, 0, 0, 0, 0, 0, 0, 0}, {.protocol = 1}), true},
      {"unreachable", ipv4({3, 1, 0, 0, 0, 0, 0, 0}, {.protocol = 1}), false},
      {"time exceeded", ipv4({11, 0, 0, 0, 0, 0, 0, 0}, {.protocol = 1}), false},
      {"redirect", ipv4({5, 0, 0, 0, 0, 0, 0, 0}, {.protocol = 1}), false},
      {"ICMP without type", ipv4({}, {.protocol = 1}), false},
      {"to multicast", ipv4_of_size(60, {.destination = 0xe0000005}), false},
      {"to broadcast", ipv4_of_size(60, {.destination = 0xffffffff}), false},
      {"from nowhere", ipv4_of_size(60, {.source = 0}), false},
      {"from loopback", ipv4_of_size(60, {.source = 0x7f000001}), false},
      {"from multicast", ipv4_of_size(60, {.source = 0xe0000001}), false},
  };
  for (Case& c : cases) {
    EXPECT_EQ(icmp_error_allowed(header_of(c.packet)), c.allowed) << c.what;
    const PacketPtr error(
        build_icmp_error(packet_pool(), header_of(c.packet), IcmpError::kTimeExceeded, 1, 0));
    EXPECT_EQ(error != nullptr, c.allowed) << c.what;
  }
}

TEST(Ethernet, PrependsARewrite) {
  const PacketPtr packet(to_packet(ipv4_of_size(40)));
  const EthernetRewrite rewrite =
      make_ethernet_rewrite({{2, 0, 0, 0, 0, 1}}, {{2, 0, 0, 0, 0, 2}}, RTE_ETHER_TYPE_IPV4);
  ASSERT_TRUE(prepend_ethernet(packet.get(), rewrite));
  const Bytes bytes = to_bytes(packet.get());
  EXPECT_EQ(Bytes(bytes.begin(), bytes.begin() + 14), (Bytes{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0}));
  EXPECT_EQ(Bytes(bytes.begin() + 14, bytes.end()), ipv4_of_size(40));
  rte_pktmbuf_prepend(packet.get(), rte_pktmbuf_headroom(packet.get()) - 13);
  EXPECT_FALSE(prepend_ethernet(packet.get(), rewrite));
}

}  // namespace
}  // namespace sallyport::dataplane::testing
