// SPDX-License-Identifier: BSD-3-Clause
// Traffic selectors through whole gateways (RFC 4301 sections 4.4.1, 5.2, 6 and 7): each SA's own, in both
// directions.
#include "tests/dataplane_path/sites.h"

namespace sallyport::dataplane::testing {

namespace {

constexpr uint8_t kIcmp = 1, kTcp = 6, kUdp = 17;
// Of ipv4_of_size.
constexpr uint16_t kSourcePort = 1000, kDestinationPort = 2000;
// The hosts that the selectors cover, and others of the same prefixes.
constexpr uint32_t kOtherA = kLanA | 200, kOtherB = kLanB | 200;

SelectorSet set_of(const api::Selector& local, const api::Selector& remote) {
  SelectorSet set;
  EXPECT_EQ(set.assign({&local, 1}, {&remote, 1}), api::Error::kNone);
  return set;
}

// UDP from port 1000 of the local hosts to port 2000 of the remote ones.
SelectorSet narrow_set() {
  return set_of(range(kLanA, kLanA | 127, kUdp, kSourcePort, kSourcePort),
                range(kLanB, kLanB | 127, kUdp, kDestinationPort, kDestinationPort));
}

// The packet that answers one of ipv4_of_size: addresses and ports change places.
Bytes answer_to(const Bytes& packet) {
  Bytes answer = packet;
  put32(answer, 12, get32(packet, 16));
  put32(answer, 16, get32(packet, 12));
  if (answer.size() >= 24) {
    put16(answer, 20, get16(packet, 22));
    put16(answer, 22, get16(packet, 20));
  }
  return answer;
}

Bytes with_port(Bytes packet, size_t at, uint16_t port) {
  put16(packet, at, port);
  return packet;
}

class SelectorTest : public PathTest {
 protected:
  // Whether a packet passes outbound, and `inbound` inbound; where one doesn't, it is dropped for that alone.
  static void expect(const SelectorSet& set, const Bytes& outbound, const Bytes& inbound, bool passes) {
    SiteA a;
    a.add_sas(&set);
    a.from_lan(outbound);
    a.gateway.poll();
    const uint64_t drops = passes ? 0 : 1;
    EXPECT_EQ(a.gateway.sent(kPublicPort).size(), 1 - drops);
    EXPECT_EQ(a.gateway.drops(api::DropReason::kPolicyOutbound), drops);
    EXPECT_EQ(a.gateway.outbound_row(4).policy_dropped, drops);
    (void)a.gateway.sent(kLanPort);  // the sender was told, where it may be
    a.from_outside(seal(a.inbound, 1, inbound));
    a.gateway.poll();
    EXPECT_EQ(a.gateway.sent(kLanPort).size(), 1 - drops);
    EXPECT_EQ(a.gateway.drops(api::DropReason::kPolicyInbound), drops);
    EXPECT_EQ(a.gateway.inbound_row(4).policy_dropped, drops);
    EXPECT_EQ(a.gateway.all_drops(), 2 * drops);
  }
  static void expect(const SelectorSet& set, const Bytes& outbound, bool passes) {
    expect(set, outbound, answer_to(outbound), passes);
  }
};

struct PacketCase {
  const char* description;
  Bytes packet;
  bool passes;
};

TEST_F(SelectorTest, AddressProtocolAndPortOnBothSides) {
  const Bytes good = ipv4_of_size(100);
  const std::vector<PacketCase> cases = {
      {"inside", good, true},
      {"another remote address", ipv4_of_size(100, {kHostA, kOtherB}), false},
      {"another protocol", ipv4_of_size(100, {kHostA, kHostB, kTcp}), false},
      {"another local port", with_port(good, 20, kSourcePort + 1), false},
      {"another remote port", with_port(good, 22, kDestinationPort - 1), false},
      {"no ports in it", ipv4(Bytes(3)), false},
  };
  const SelectorSet set = narrow_set();
  for (const PacketCase& test : cases) {
    SCOPED_TRACE(test.description);
    expect(set, test.packet, test.passes);
  }
}

TEST_F(SelectorTest, AnAddressOfOursThatTheSelectorsLeaveOut) {
  const SelectorSet set = set_of(range(kOtherA, kOtherA), range(kLanB, kLanB | 255));
  expect(set, ipv4_of_size(100), false);
}

// RFC 4301 section 5.2 step 4: it is the selectors of the SA it came by that count.
TEST_F(SelectorTest, AnotherSasSelectorsDoNotHelp) {
  const SelectorSet first = set_of(range(kLanA, kLanA | 255), range(kHostB, kHostB));
  const SelectorSet second = set_of(range(kLanA, kLanA | 255), range(kOtherB, kOtherB));
  SiteA a;
  a.add_sas(&first);
  OracleSa other = a.inbound;
  other.spi = 0x45600009;
  other.key = Bytes(20, 0x77);
  a.gateway.add_tunnel(2, kVrf, kPeerNeighbour);
  a.gateway.add_inbound(other, 2, &second);
  const Bytes of_first = ipv4_of_size(100, {kHostB, kHostA}), of_second = ipv4_of_size(99, {kOtherB, kHostA});
  a.from_outside(seal(a.inbound, 1, of_second));
  a.from_outside(seal(other, 1, of_second));
  a.from_outside(seal(other, 2, of_first));
  a.from_outside(seal(a.inbound, 2, of_first));
  a.gateway.poll();
  const auto sent = a.gateway.sent(kLanPort);
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(without_ethernet(sent[0]), forwarded(of_second));
  EXPECT_EQ(without_ethernet(sent[1]), forwarded(of_first));
  EXPECT_EQ(a.gateway.inbound_row(4).policy_dropped, 1u);
  EXPECT_EQ(a.gateway.inbound_row(9).policy_dropped, 1u);
  EXPECT_EQ(a.gateway.drops(api::DropReason::kPolicyInbound), 2u);
  EXPECT_EQ(a.gateway.all_drops(), 2u);
}

// RFC 4301 section 7: ours is the first way of handling them; later fragments only where no port matters.
TEST_F(SelectorTest, LaterFragmentsFailClosedUnderPortSelectors) {
  const auto fragment = [](uint16_t flags_and_offset) {
    return ipv4_of_size(100, {kHostA, kHostB, kUdp, 0, 64, 7, flags_and_offset});
  };
  const SelectorSet ports = narrow_set();
  const SelectorSet no_ports = set_of(range(kLanA, kLanA | 127, kUdp), range(kLanB, kLanB | 127, kUdp));
  // From port 0 on, which a fragment without ports must not be taken for.
  const SelectorSet low_ports = set_of(range(kLanA, kLanA | 127, kUdp, 0, kSourcePort),
                                       range(kLanB, kLanB | 127, kUdp, 0, kDestinationPort));
  expect(ports, fragment(0x2000), true);
  expect(low_ports, fragment(0x2000), true);
  for (const uint16_t later : {0x2001, 0x0001, 0x1fff}) {
    SCOPED_TRACE(later);
    expect(ports, fragment(later), false);
    expect(low_ports, fragment(later), false);
    expect(no_ports, fragment(later), true);
  }
}

// A packet of a host that is too large for the tunnel, from there to the other host. `outer` packets carry
// it.
void expect_large_packet(const SelectorSet& set_a, const SelectorSet& set_b, const Bytes& packet,
                         size_t outer, const SiteOptions& options = {}) {
  SiteA a(options);
  SiteB b(options);
  a.add_sas(&set_a);
  b.add_sas(&set_b);
  a.from_lan(packet);
  a.gateway.poll();
  EXPECT_EQ(a.gateway.all_drops(), 0u);
  const auto sent = a.gateway.sent(kPublicPort);
  EXPECT_EQ(sent.size(), outer);
  for (const Bytes& frame : sent) {
    EXPECT_LE(without_ethernet(frame).size(), 1500u);
    b.from_outside(without_ethernet(frame));
  }
  b.gateway.poll();
  EXPECT_EQ(b.gateway.all_drops(), 0u);
  std::vector<Bytes> data;
  for (const Bytes& frame : b.gateway.sent(kLanPort))
    data.push_back(Bytes(frame.begin() + 14 + 20, frame.end()));
  std::ranges::sort(data, std::ranges::greater{}, &Bytes::size);
  Bytes all;
  for (const Bytes& part : data)
    all.insert(all.end(), part.begin(), part.end());
  EXPECT_EQ(all, Bytes(packet.begin() + 20, packet.end()));
}

// RFC 4301 section 5.1: what is fragmented before ESP is judged fragment by fragment, also by the peer.
TEST_F(SelectorTest, ALargePacketArrivesWhereItsFragmentsWouldNotMatch) {
  const api::Selector net_a = range(kLanA, kLanA | 255), net_b = range(kLanB, kLanB | 255);
  const api::Selector service_b = range(kLanB, kLanB | 255, kUdp, kDestinationPort, kDestinationPort);
  const api::Selector echo_b = range(kLanB, kLanB | 255, kIcmp, 8 << 8, 8 << 8 | 255);
  Bytes echo(1480);
  echo[0] = 8;
  struct {
    const char* description;
    api::Selector remote;
    Bytes packet;
    bool in_fragments;
  } const cases[] = {
      {"ports", service_b, ipv4_of_size(1500), false},
      {"ICMP types", echo_b, ipv4(echo, {kHostA, kHostB, kIcmp}), false},
      {"protocols", range(kLanB, kLanB | 255, kUdp), ipv4_of_size(1500), true},
      {"addresses", net_b, ipv4_of_size(1500), true},
  };
  for (const auto& one : cases) {
    for (const bool encap : {false, true}) {
      SCOPED_TRACE(one.description);
      expect_large_packet(set_of(net_a, one.remote), set_of(one.remote, net_a), one.packet, 2,
                          {.encap = encap});
    }
  }
}

struct ErrorCase {
  const char* description;
  uint8_t type;
  Bytes quoted;
  bool passes;
};

Bytes icmp_error(uint8_t type, const Bytes& quoted) {
  Bytes icmp(8 + quoted.size());
  icmp[0] = type;
  std::copy(quoted.begin(), quoted.end(), icmp.begin() + 8);
  put16(icmp, 2, internet_checksum(icmp, 0, icmp.size()));
  return icmp;
}

Bytes first_bytes(const Bytes& packet, long bytes) {
  return {packet.begin(), packet.begin() + bytes};
}

// `ours`: a packet that went out; the peer's routers quote it. What came in is quoted by ours.
std::vector<ErrorCase> errors_about(const Bytes& ours) {
  Bytes ipv6 = ours, long_header = ours;
  ipv6[0] = 0x65;
  long_header[0] = 0x4f;
  const Bytes later = ipv4_of_size(100, {kHostA, kHostB, kUdp, 0, 64, 7, 0x0001});
  return {
      {"destination unreachable", 3, ours, true},
      {"source quench", 4, ours, true},
      {"time exceeded", 11, ours, true},
      {"parameter problem", 12, ours, true},
      {"as little as RFC 792 quotes", 11, first_bytes(ours, 28), true},
      {"less than that", 11, first_bytes(ours, 27), false},
      {"a redirect is no error", 5, ours, false},
      {"nor is an echo", 8, ours, false},
      {"about a packet of the other direction", 3, answer_to(ours), false},
      {"about a packet outside the selectors", 3, ipv4_of_size(100, {kHostA, kOtherB}), false},
      {"about a later fragment", 3, later, false},
      {"about IPv6", 3, ipv6, false},
      {"about a header longer than the quote", 3, first_bytes(long_header, 28), false},
      {"about nothing", 3, {}, false},
  };
}

// RFC 4301 section 6.2, from a router that the selectors don't cover.
TEST_F(SelectorTest, IcmpErrorsPassWhereWhatTheyQuoteWouldReversed) {
  const SelectorSet set = narrow_set();
  const Bytes ours = ipv4_of_size(100);
  for (const ErrorCase& test : errors_about(ours)) {
    SCOPED_TRACE(test.description);
    const Bytes quoted_by_us = test.quoted.empty() ? Bytes{} : answer_to(test.quoted);
    expect(set, ipv4(icmp_error(test.type, quoted_by_us), {kOtherA, kHostB, kIcmp}),
           ipv4(icmp_error(test.type, test.quoted), {kOtherB, kHostA, kIcmp}), test.passes);
  }
}

TEST_F(SelectorTest, AFragmentOfAnIcmpErrorIsJudgedByItself) {
  const SelectorSet set = narrow_set();
  const Bytes ours = ipv4_of_size(100);
  expect(set, ipv4(icmp_error(3, answer_to(ours)), {kOtherA, kHostB, kIcmp, 0, 64, 7, 0x2000}),
         ipv4(icmp_error(3, ours), {kOtherB, kHostA, kIcmp, 0, 64, 7, 0x2000}), false);
}

// The order of a policy is the order of the routes: the longest prefix decides, also against a tunnel.
TEST_F(SelectorTest, ALongerPrefixToNowhereWinsOverTheTunnel) {
  SiteA a;
  a.add_sas();
  a.gateway.add_group(20, kVrf, {{api::MemberKind::kDrop, 1, 1, 0}});
  a.gateway.add_route(kVrf, kOtherB, 32, 20);
  a.from_lan(ipv4_of_size(100, {kHostA, kOtherB}));
  a.from_lan(ipv4_of_size(100, {kHostA, kHostB}));
  a.gateway.poll();
  EXPECT_EQ(a.gateway.sent(kPublicPort).size(), 1u);
  EXPECT_EQ(a.gateway.drops(api::DropReason::kNoRoute), 1u);
  EXPECT_EQ(a.gateway.all_drops(), 1u);
  (void)a.gateway.sent(kLanPort);
}

}  // namespace

}  // namespace sallyport::dataplane::testing
