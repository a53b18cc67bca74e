// SPDX-License-Identifier: BSD-3-Clause
// Packets of both families through whole gateways, by tunnels of both families.
#include "dataplane/esp/overhead.h"
#include "tests/dataplane_path/sites_ipv6.h"

namespace sallyport::dataplane::testing {

namespace {

using api::DropReason;
using api::Family;

struct Combination {
  Family inner, outer;
  bool encap;
};

class FamiliesTest : public PathTest, public ::testing::WithParamInterface<Combination> {
 protected:
  Bytes packet_of(size_t bytes) const {
    return GetParam().inner == Family::kIpv6 ? ipv6_of_size(bytes) : ipv4_of_size(bytes);
  }
  static uint32_t type_of(Family family) { return family == Family::kIpv6 ? 0x86dd : 0x0800; }
  SiteOptions options(uint32_t workers = 1, uint32_t slot = 4) const {
    return {.workers = workers, .slot = slot, .encap = GetParam().encap};
  }
};

TEST_P(FamiliesTest, CarriesPacketsFromLanToLan) {
  DualA a(GetParam().outer, options());
  DualB b(GetParam().outer, options());
  a.add_sas();
  b.add_sas();
  for (const size_t bytes : {61u, 300u, 1280u, 1400u}) {
    const Bytes packet = packet_of(bytes);
    a.from_lan(packet);
    a.gateway.poll();
    const auto esp = a.gateway.sent(kPublicPort);
    ASSERT_EQ(esp.size(), 1u);
    EXPECT_EQ(ether_type_of(esp[0]), type_of(GetParam().outer));
    const auto opened = open(a.outbound, 0, without_ethernet(esp[0]));
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->inner, forwarded_either(packet));
    b.from_outside(without_ethernet(esp[0]));
    b.gateway.poll();
    const auto lan = b.gateway.sent(kLanPort);
    ASSERT_EQ(lan.size(), 1u);
    EXPECT_EQ(ether_type_of(lan[0]), type_of(GetParam().inner));
    EXPECT_EQ(without_ethernet(lan[0]), forwarded_either(packet, 2));
    EXPECT_EQ(std::memcmp(lan[0].data(), mac_of(0x80 + kHostNeighbour).addr_bytes, 6), 0);
  }
  EXPECT_EQ(a.gateway.all_drops() + b.gateway.all_drops(), 0u);
  EXPECT_EQ(b.gateway.inbound_row(4).packets, 4u);
}

TEST_P(FamiliesTest, HandsOverToTheHomeWorkerAndKeepsTheOrder) {
  DualA a(GetParam().outer, options(2, 5));
  DualB b(GetParam().outer, options(2, 5));
  a.add_sas();
  b.add_sas();
  std::vector<Bytes> packets;
  for (size_t i = 0; i < 150; ++i)
    packets.push_back(packet_of(80 + i));
  for (const Bytes& packet : packets)
    a.from_lan(packet, 0);
  a.gateway.poll(6);
  uint32_t sequence = 0;
  for (const Bytes& frame : a.gateway.sent(kPublicPort)) {
    const auto opened = open(a.outbound, 0, without_ethernet(frame));
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->sequence_low, ++sequence);
    b.from_outside(without_ethernet(frame), 0);
  }
  EXPECT_EQ(sequence, 150u);
  b.gateway.poll(6);
  const auto sent = b.gateway.sent(kLanPort);
  ASSERT_EQ(sent.size(), 150u);
  for (size_t i = 0; i < sent.size(); ++i)
    EXPECT_EQ(without_ethernet(sent[i]), forwarded_either(packets[i], 2));
}

// The exact MTU passes; one byte more is told, or cut.
TEST_P(FamiliesTest, ToldMtuIsExact) {
  DualA a(GetParam().outer, options());
  a.add_sas();
  const size_t ip = GetParam().outer == Family::kIpv6 ? 40 : 20, udp = GetParam().encap ? 8 : 0;
  const size_t mtu = ((1500 - ip - udp - 8 - 8 - 16) & ~size_t{3}) - 2;
  Bytes fits = packet_of(mtu), larger = packet_of(mtu + 1);
  if (GetParam().inner == Family::kIpv4) larger = ipv4_of_size(mtu + 1, {.fragment = kDf});
  a.from_lan(fits);
  a.from_lan(larger);
  a.gateway.poll();
  EXPECT_EQ(a.gateway.sent(kPublicPort).size(), 1u);
  EXPECT_EQ(a.gateway.drops(DropReason::kTooBigDf), 1u);
  const auto told = a.gateway.sent(kLanPort);
  ASSERT_EQ(told.size(), 1u);
  const Bytes error = without_ethernet(told[0]);
  if (GetParam().inner == Family::kIpv6) {
    EXPECT_EQ(error.size(), 1280u);
    EXPECT_EQ(error[40], 2);
    EXPECT_EQ(get32(error, 44), mtu);
    EXPECT_EQ(checksum6(error, 58), 0u);
    EXPECT_TRUE(std::equal(error.begin() + 8, error.begin() + 24, ip6(1, 1).begin())) << "not from fe80::";
  } else {
    EXPECT_EQ(get16(error, 26), mtu);
  }
}

TEST_P(FamiliesTest, DropsAReplayAndAWrongIcv) {
  DualA a(GetParam().outer, options());
  a.add_sas();
  Bytes inner = GetParam().inner == Family::kIpv6
                    ? ipv6_of_size(100, {.source = kHostB6, .destination = kHostA6})
                    : ipv4_of_size(100, {kHostB, kHostA});
  const Bytes packet = seal(a.inbound, 9, inner);
  Bytes broken = seal(a.inbound, 10, inner);
  broken.back() ^= 1;
  a.from_outside(packet);
  a.from_outside(packet);
  a.from_outside(broken);
  a.gateway.poll();
  EXPECT_EQ(a.gateway.sent(kLanPort).size(), 1u);
  EXPECT_EQ(a.gateway.drops(DropReason::kReplay), 1u);
  EXPECT_EQ(a.gateway.drops(DropReason::kIcvFailed), 1u);
  EXPECT_EQ(a.gateway.inbound_row(4).right_edge, 9u);
}

std::string name_of(const ::testing::TestParamInfo<Combination>& info) {
  const auto number = [](Family family) { return std::to_string(static_cast<int>(family)); };
  return "V" + number(info.param.inner) + "In" + (info.param.encap ? "Udp" : "V") + number(info.param.outer);
}

INSTANTIATE_TEST_SUITE_P(Families, FamiliesTest,
                         ::testing::Values(Combination{Family::kIpv4, Family::kIpv4, false},
                                           Combination{Family::kIpv6, Family::kIpv4, false},
                                           Combination{Family::kIpv6, Family::kIpv4, true},
                                           Combination{Family::kIpv4, Family::kIpv6, false},
                                           Combination{Family::kIpv4, Family::kIpv6, true},
                                           Combination{Family::kIpv6, Family::kIpv6, false},
                                           Combination{Family::kIpv6, Family::kIpv6, true}),
                         name_of);

class Ipv6TunnelTest : public PathTest {};

// A path MTU too small for 1280 bytes inside: the outer packet goes in pieces, which the peer puts together.
TEST_F(Ipv6TunnelTest, Carries1280BytesWhateverThePathMtu) {
  for (const auto& [outer, path_mtu] :
       {std::pair(Family::kIpv6, uint16_t{1280}), std::pair(Family::kIpv4, uint16_t{600})}) {
    DualA a(outer);
    DualB b(outer);
    a.add_sas();
    b.add_sas();
    a.tunnel->path_mtu_bytes = path_mtu;
    const Bytes packet = ipv6_of_size(1280);
    a.from_lan(packet);
    a.from_lan(ipv6_of_size(1281));
    a.gateway.poll();
    const auto pieces = a.gateway.sent(kPublicPort);
    EXPECT_EQ(pieces.size(), outer == Family::kIpv6 ? 2u : 3u);
    for (const Bytes& piece : pieces) {
      EXPECT_LE(piece.size(), path_mtu + 14u);
      b.from_outside(without_ethernet(piece));
    }
    b.gateway.poll();
    const auto lan = b.gateway.sent(kLanPort);
    ASSERT_EQ(lan.size(), 1u);
    EXPECT_EQ(without_ethernet(lan[0]), forwarded_either(packet, 2));
    const auto told = a.gateway.sent(kLanPort);
    ASSERT_EQ(told.size(), 1u);
    EXPECT_EQ(get32(without_ethernet(told[0]), 44), 1280u) << "never below";
  }
}

TEST_F(Ipv6TunnelTest, FragmentsThatOverlapMakeNoPacket) {
  DualA a;
  a.add_sas();
  const Bytes whole = seal(a.inbound, 1, ipv6_of_size(300, {.source = kHostB6, .destination = kHostA6}));
  const Bytes esp(whole.begin() + 40, whole.end());
  const auto piece = [&](size_t from, size_t to) {
    const bool more = to < esp.size();
    const Bytes data(esp.begin() + static_cast<long>(from), esp.begin() + static_cast<long>(to));
    return ipv6(fragment6(50, static_cast<uint32_t>(from), more, 77, data),
                {.source = kPublicB6, .destination = kPublicA6, .next_header = 44});
  };
  a.from_outside(piece(0, 160));
  a.from_outside(piece(152, esp.size()));
  a.gateway.poll();
  EXPECT_TRUE(a.gateway.sent(kLanPort).empty());
  a.from_outside(piece(160, esp.size()));
  a.gateway.poll();
  EXPECT_TRUE(a.gateway.sent(kLanPort).empty()) << "nor does what was left of them";
  a.from_outside(whole);
  a.gateway.poll();
  EXPECT_EQ(a.gateway.sent(kLanPort).size(), 1u);
}

// RFC 6935 lets a tunnel send none; whatever one says, the ICV is what protects the packet.
TEST_F(Ipv6TunnelTest, TakesAnyUdpChecksum) {
  DualA a(Family::kIpv6, {.encap = true});
  a.add_sas();
  uint64_t sequence = 0;
  const Bytes inner = ipv6_of_size(100, {.source = kHostB6, .destination = kHostA6});
  Bytes right = seal(a.inbound, ++sequence, inner);
  put16(right, 46, 0);
  const uint32_t computed = checksum6(right, 17);
  ASSERT_NE(computed, 0u);
  put16(right, 46, computed);
  ASSERT_EQ(checksum6(right, 17), 0u);
  a.from_outside(right);
  for (const uint16_t checksum : {0x0000, 0x0001, 0x1234, 0xffff}) {
    Bytes packet = seal(a.inbound, ++sequence, inner);
    put16(packet, 46, checksum);
    a.from_outside(packet);
  }
  a.gateway.poll();
  EXPECT_EQ(a.gateway.sent(kLanPort).size(), sequence);
  EXPECT_EQ(a.gateway.all_drops(), 0u);
}

TEST_F(Ipv6TunnelTest, TakesEspBehindExtensionHeaders) {
  DualA a;
  a.add_sas();
  const Bytes whole = seal(a.inbound, 1, ipv6_of_size(300, {.source = kHostB6, .destination = kHostA6}));
  const Bytes esp(whole.begin() + 40, whole.end());
  a.from_outside(ipv6(extension6(60, extension6(50, esp)),
                      {.source = kPublicB6, .destination = kPublicA6, .next_header = 0}));
  a.gateway.poll();
  EXPECT_EQ(a.gateway.sent(kLanPort).size(), 1u);
  EXPECT_EQ(a.gateway.all_drops(), 0u);
}

TEST_F(Ipv6TunnelTest, ClampsTheMssInBothDirections) {
  DualA a;
  a.add_sas();
  Bytes tcp(24);
  put16(tcp, 0, 1000);
  put16(tcp, 2, 80);
  tcp[12] = 6 << 4;
  tcp[13] = 2;
  tcp[20] = 2;
  tcp[21] = 4;
  put16(tcp, 22, 1440);
  Bytes out = ipv6(tcp, {.next_header = 6}),
        in = ipv6(tcp, {.source = kHostB6, .destination = kHostA6, .next_header = 6});
  put16(out, 56, checksum6(out, 6));
  put16(in, 56, checksum6(in, 6));
  a.from_lan(out);
  a.from_outside(seal(a.inbound, 1, in));
  a.gateway.poll();
  const auto opened = open(a.outbound, 0, without_ethernet(a.gateway.sent(kPublicPort).at(0)));
  ASSERT_TRUE(opened);
  const Bytes delivered = without_ethernet(a.gateway.sent(kLanPort).at(0));
  for (const Bytes& packet : {opened->inner, delivered}) {
    EXPECT_EQ(get16(packet, 62), 1426u - 60);  // 1426 fit into IPv6 of 1500 bytes
    EXPECT_EQ(checksum6(packet, 6), 0u);
  }
}

api::Selector range6(const Ip6& from, const Ip6& to) {
  return {api::Family::kIpv6, 0, 0, 65535, 0, from, to};
}

TEST_F(Ipv6TunnelTest, KeepsToTheSelectorsInBothDirections) {
  const api::Selector local = range6(ip6(1, 0), ip6(1, 127)), remote = range6(ip6(2, 0), ip6(2, 127));
  SelectorSet selectors;
  ASSERT_EQ(selectors.assign({&local, 1}, {&remote, 1}), api::Error::kNone);
  DualA a;
  a.add_sas(&selectors);
  const Ip6 outside = ip6(2, 200);
  a.from_lan(ipv6_of_size(100));
  a.from_lan(ipv6_of_size(100, {.destination = outside}));
  a.from_lan(ipv4_of_size(100));  // no selector of its family
  a.from_outside(seal(a.inbound, 1, ipv6_of_size(100, {.source = kHostB6, .destination = kHostA6})));
  a.from_outside(seal(a.inbound, 2, ipv6_of_size(100, {.source = outside, .destination = kHostA6})));
  a.gateway.poll();
  EXPECT_EQ(a.gateway.sent(kPublicPort).size(), 1u);
  EXPECT_EQ(a.gateway.drops(DropReason::kPolicyOutbound), 2u);
  EXPECT_EQ(a.gateway.drops(DropReason::kPolicyInbound), 1u);
  size_t prohibited = 0;
  const auto lan = a.gateway.sent(kLanPort);
  for (const Bytes& frame : lan)
    prohibited += ether_type_of(frame) == 0x86dd && frame[14 + 6] == 58 && get16(frame, 14 + 40) == 0x0101;
  EXPECT_EQ(prohibited, 1u);
  EXPECT_EQ(lan.size(), 3u) << "the decrypted packet, and one word to each sender";

  // An error from a router outside the selectors about a packet inside them, and about another.
  Bytes about(4), about_other(4);
  const Bytes quoted = ipv6_of_size(60), other = ipv6_of_size(60, {.source = ip6(1, 200)});
  about.insert(about.end(), quoted.begin(), quoted.end());
  about_other.insert(about_other.end(), other.begin(), other.end());
  a.from_outside(seal(a.inbound, 3, icmp6(3, 0, about, {.source = outside, .destination = kHostA6})));
  a.from_outside(seal(a.inbound, 4, icmp6(3, 0, about_other, {.source = outside, .destination = kHostA6})));
  a.gateway.poll();
  EXPECT_EQ(a.gateway.sent(kLanPort).size(), 1u);
  EXPECT_EQ(a.gateway.drops(DropReason::kPolicyInbound), 2u);
}

// The packet that answers one of ipv6_of_size: addresses and ports change places.
Bytes answer_to(const Bytes& packet) {
  Bytes answer = packet;
  if (answer.size() < 44) return answer;
  std::swap_ranges(answer.begin() + 8, answer.begin() + 24, answer.begin() + 24);
  std::swap_ranges(answer.begin() + 40, answer.begin() + 42, answer.begin() + 42);
  return answer;
}

struct ErrorCase {
  const char* description;
  uint8_t type;
  Bytes quoted;
  bool passes;
};

// `ours`: a packet that went out; the peer's routers quote it. What came in is quoted by ours.
std::vector<ErrorCase> errors_about(const Bytes& ours) {
  Bytes tcp = ours, ipv4 = ours;
  tcp[6] = 6;
  ipv4[0] = 0x45;
  const Bytes later =
      ipv6(fragment6(17, 8, false, 7, Bytes(ours.begin() + 40, ours.end())), {.next_header = 44});
  return {
      {"destination unreachable", 1, ours, true},
      {"packet too big", 2, ours, true},
      {"time exceeded", 3, ours, true},
      {"parameter problem", 4, ours, true},
      {"an echo is no error", 128, ours, false},
      {"nor is its reply", 129, ours, false},
      {"about a packet of the other direction", 1, answer_to(ours), false},
      {"about a packet outside the selectors", 1, ipv6_of_size(100, {.destination = ip6(2, 200)}), false},
      {"about another protocol", 1, tcp, false},
      {"about a later fragment", 1, later, false},
      {"about IPv4", 1, ipv4, false},
      {"about half a header", 1, Bytes(ours.begin(), ours.begin() + 39), false},
      {"about nothing", 1, {}, false},
  };
}

// RFC 4301 section 6.2, from a router that the selectors don't cover, in both directions.
TEST_F(Ipv6TunnelTest, Icmpv6ErrorsPassWhereWhatTheyQuoteWouldReversed) {
  api::Selector local = range6(ip6(1, 0), ip6(1, 127)), remote = range6(ip6(2, 0), ip6(2, 127));
  local.protocol = remote.protocol = 17;
  local.port_from = local.port_to = 1000;
  remote.port_from = remote.port_to = 2000;
  SelectorSet selectors;
  ASSERT_EQ(selectors.assign({&local, 1}, {&remote, 1}), api::Error::kNone);
  const auto error = [](uint8_t type, const Bytes& quoted, const Ip6& from, const Ip6& to) {
    Bytes body(4);
    body.insert(body.end(), quoted.begin(), quoted.end());
    return icmp6(type, 0, body, {.source = from, .destination = to});
  };
  for (const ErrorCase& test : errors_about(ipv6_of_size(100))) {
    SCOPED_TRACE(test.description);
    DualA a;
    a.add_sas(&selectors);
    const uint64_t drops = test.passes ? 0 : 1;
    a.from_lan(error(test.type, answer_to(test.quoted), ip6(1, 200), kHostB6));
    a.gateway.poll();
    EXPECT_EQ(a.gateway.sent(kPublicPort).size(), 1 - drops);
    EXPECT_EQ(a.gateway.drops(DropReason::kPolicyOutbound), drops);
    (void)a.gateway.sent(kLanPort);  // the sender was told, where it may be
    a.from_outside(seal(a.inbound, 1, error(test.type, test.quoted, ip6(2, 200), kHostA6)));
    a.gateway.poll();
    EXPECT_EQ(a.gateway.sent(kLanPort).size(), 1 - drops);
    EXPECT_EQ(a.gateway.drops(DropReason::kPolicyInbound), drops);
  }
}

TEST_F(Ipv6TunnelTest, LimitsTheRateOfWhatItTellsOfTooLargePackets) {
  DualA a;
  a.add_sas();
  for (int i = 0; i < 300; ++i)
    a.from_lan(ipv6_of_size(1500));
  a.gateway.poll(6);
  EXPECT_EQ(a.gateway.drops(DropReason::kTooBigDf), 300u);
  const size_t told = a.gateway.sent(kLanPort).size();
  EXPECT_GE(told, 50u);
  EXPECT_LE(told, 100u);
}

TEST_F(Ipv6TunnelTest, AnSaOfIpv4AloneCarriesNoIpv6) {
  DualA a;
  a.add_sas();
  a.inbound_sa->ipv4_only = a.outbound_sa->ipv4_only = true;
  a.from_lan(ipv6_of_size(100));
  a.from_lan(ipv4_of_size(100));
  a.from_outside(seal(a.inbound, 1, ipv6_of_size(100, {.source = kHostB6, .destination = kHostA6})));
  a.gateway.poll();
  EXPECT_EQ(a.gateway.sent(kPublicPort).size(), 1u);
  EXPECT_EQ(a.gateway.drops(DropReason::kPolicyOutbound), 1u);
  EXPECT_EQ(a.gateway.drops(DropReason::kPolicyInbound), 1u);
}

TEST_F(Ipv6TunnelTest, TellsOnceOfAPeerThatMoved) {
  DualA a(Family::kIpv6, {.encap = true});
  a.add_sas();
  const Bytes inner = ipv6_of_size(100, {.source = kHostB6, .destination = kHostA6});
  WorkerEvent event;
  a.from_outside(seal(a.inbound, 5, inner));
  a.gateway.poll();
  EXPECT_FALSE(a.gateway.rings->pop_event(0, event));
  OracleSa moved = a.inbound;
  moved.source6 = ip6(0xc, 9);
  moved.source_port = 61000;
  a.from_outside(seal(moved, 6, inner));
  a.from_outside(seal(moved, 7, inner));
  a.gateway.poll();
  ASSERT_TRUE(a.gateway.rings->pop_event(0, event));
  EXPECT_EQ(event.kind, EventKind::kPeerMoved);
  EXPECT_EQ(event.remote.family, Family::kIpv6);
  EXPECT_EQ(event.remote.bytes, ip6(0xc, 9));
  EXPECT_EQ(event.remote_port, 61000);
  EXPECT_FALSE(a.gateway.rings->pop_event(0, event));
}

}  // namespace

}  // namespace sallyport::dataplane::testing
