// SPDX-License-Identifier: BSD-3-Clause
// Traffic selectors: a table of packets against pairs of selectors.
#include "dataplane/policy/selector_set.h"

#include "tests/dataplane/ipv6_packets.h"

namespace sallyport::dataplane::testing {
namespace {

// From and to in host order.
api::Selector selector(uint32_t from, uint32_t to, uint8_t protocol = 0, uint16_t port_from = 0,
                       uint16_t port_to = 65535) {
  api::Selector result{api::Family::kIpv4, protocol, port_from, port_to, 0, {}, {}};
  for (size_t i = 0; i < 4; ++i) {
    result.from.at(i) = static_cast<uint8_t>(from >> (24 - 8 * i));
    result.to.at(i) = static_cast<uint8_t>(to >> (24 - 8 * i));
  }
  return result;
}

api::Selector ipv6_any() {
  api::Selector result{api::Family::kIpv6, 0, 0, 65535, 0, {}, {}};
  result.to.fill(0xff);
  return result;
}

const api::Selector kAny = selector(0, 0xffffffff);
constexpr uint8_t kTcp = 6, kUdp = 17, kIcmp = 1;

bool inbound(const SelectorSet& set, const Bytes& packet) {
  return set.matches_inbound(*reinterpret_cast<const rte_ipv4_hdr*>(packet.data()));
}
bool outbound(const SelectorSet& set, const Bytes& packet) {
  return set.matches_outbound(*reinterpret_cast<const rte_ipv4_hdr*>(packet.data()));
}

SelectorSet set_of(const std::vector<api::Selector>& local, const std::vector<api::Selector>& remote) {
  SelectorSet set;
  EXPECT_EQ(set.assign(local, remote), api::Error::kNone);
  return set;
}

// Packets go from 10.1.0.2 to 10.2.0.2, ports 1000 and 2000: outbound where 10.1/16 is local.
TEST(SelectorSet, Addresses) {
  const SelectorSet set = set_of({selector(0x0a010000, 0x0a01ffff)}, {selector(0x0a020000, 0x0a02ffff)});
  EXPECT_FALSE(set.any_ipv4());
  EXPECT_TRUE(outbound(set, ipv4_of_size(60)));
  EXPECT_FALSE(inbound(set, ipv4_of_size(60))) << "source and destination are not interchangeable";
  EXPECT_TRUE(inbound(set, ipv4_of_size(60, {.source = 0x0a020002, .destination = 0x0a010002})));
  EXPECT_FALSE(outbound(set, ipv4_of_size(60, {.source = 0x0a000fff})));
  EXPECT_FALSE(outbound(set, ipv4_of_size(60, {.source = 0x0a020000})));
  EXPECT_TRUE(outbound(set, ipv4_of_size(60, {.source = 0x0a010000})));
  EXPECT_TRUE(outbound(set, ipv4_of_size(60, {.source = 0x0a01ffff})));
  EXPECT_FALSE(outbound(set, ipv4_of_size(60, {.destination = 0x0a030000})));
  EXPECT_TRUE(outbound(set, ipv4_of_size(60, {.fragment = 5}))) << "a later fragment, no ports asked for";
}

TEST(SelectorSet, SeveralPairs) {
  const SelectorSet set = set_of({selector(0x0a630000, 0x0a63ffff), selector(0x0a010002, 0x0a010002)},
                                 {selector(0x0a630000, 0x0a63ffff), selector(0x0a020000, 0x0a02ffff)});
  EXPECT_TRUE(outbound(set, ipv4_of_size(60)));
  EXPECT_FALSE(outbound(set, ipv4_of_size(60, {.source = 0x0a010003})));
}

TEST(SelectorSet, Any) {
  const SelectorSet set = set_of({ipv6_any(), kAny}, {kAny});
  EXPECT_TRUE(set.any_ipv4());
  EXPECT_TRUE(inbound(set, ipv4_of_size(60, {.fragment = 5})));
  EXPECT_FALSE(set_of({kAny}, {selector(0, 0xfffffffe)}).any_ipv4());
  EXPECT_FALSE(set_of({selector(0, 0xffffffff, kTcp)}, {kAny}).any_ipv4());
  EXPECT_FALSE(set_of({selector(0, 0xffffffff, 0, 1, 65535)}, {kAny}).any_ipv4());
}

TEST(SelectorSet, ProtocolAndPorts) {
  const SelectorSet set = set_of({kAny}, {selector(0, 0xffffffff, kUdp, 1999, 2000)});
  EXPECT_TRUE(outbound(set, ipv4_of_size(60)));
  EXPECT_FALSE(outbound(set, ipv4_of_size(60, {.protocol = kTcp})));
  EXPECT_FALSE(inbound(set, ipv4_of_size(60))) << "the remote port is the source's, 1000";
  Bytes other = ipv4_of_size(60);
  put16(other, 22, 2001);
  EXPECT_FALSE(outbound(set, other));
  EXPECT_TRUE(outbound(set, ipv4_of_size(60, {.fragment = 0x2000}))) << "first fragment: its ports are there";
  EXPECT_FALSE(outbound(set, ipv4_of_size(60, {.fragment = 0x2001}))) << "later fragment: fails closed";
  EXPECT_FALSE(outbound(set, ipv4(Bytes(3, 0)))) << "too short for ports";
}

TEST(SelectorSet, ProtocolWithoutPorts) {
  const SelectorSet set = set_of({selector(0, 0xffffffff, 47)}, {selector(0, 0xffffffff, 47)});
  EXPECT_TRUE(outbound(set, ipv4_of_size(60, {.protocol = 47})));
  EXPECT_TRUE(outbound(set, ipv4_of_size(60, {.protocol = 47, .fragment = 7})));
  EXPECT_FALSE(outbound(set, ipv4_of_size(60)));
  const SelectorSet ports = set_of({selector(0, 0xffffffff, 47, 1, 2)}, {kAny});
  EXPECT_FALSE(outbound(ports, ipv4_of_size(60, {.protocol = 47}))) << "ports asked for, none there";
}

TEST(SelectorSet, IcmpTypeAndCode) {
  // Echo request only, any code.
  const SelectorSet set = set_of({selector(0, 0xffffffff, kIcmp, 0x0800, 0x08ff)},
                                 {selector(0, 0xffffffff, kIcmp, 0x0800, 0x08ff)});
  EXPECT_TRUE(outbound(set, ipv4({8, 0, 0, 0}, {.protocol = kIcmp})));
  EXPECT_TRUE(outbound(set, ipv4({8, 7, 0, 0}, {.protocol = kIcmp})));
  EXPECT_FALSE(outbound(set, ipv4({0, 0, 0, 0}, {.protocol = kIcmp})));
  EXPECT_FALSE(outbound(set, ipv4({9, 0, 0, 0}, {.protocol = kIcmp})));
  EXPECT_FALSE(outbound(set, ipv4({8}, {.protocol = kIcmp})));
}

api::Selector selector6(const Ip6& from, const Ip6& to, uint8_t protocol = 0, uint16_t port_from = 0,
                        uint16_t port_to = 65535) {
  return {api::Family::kIpv6, protocol, port_from, port_to, 0, from, to};
}
bool inbound6(const SelectorSet& set, const Bytes& packet) {
  return set.matches_inbound(*reinterpret_cast<const rte_ipv6_hdr*>(packet.data()));
}
bool outbound6(const SelectorSet& set, const Bytes& packet) {
  return set.matches_outbound(*reinterpret_cast<const rte_ipv6_hdr*>(packet.data()));
}

// Packets go from 2001:db8:1::2 to 2001:db8:2::2, ports 1000 and 2000.
TEST(SelectorSet, Ipv6Addresses) {
  const SelectorSet set = set_of({selector6(ip6(1, 2), ip6(1, 9))},
                                 {selector6(ip6(2, 0), ip6(2, 0xff)), selector6(ip6(7, 7), ip6(7, 7))});
  EXPECT_TRUE(outbound6(set, ipv6_of_size(60)));
  EXPECT_FALSE(inbound6(set, ipv6_of_size(60)));
  EXPECT_TRUE(inbound6(set, ipv6_of_size(60, {.source = ip6(2, 2), .destination = ip6(1, 9)})));
  EXPECT_TRUE(outbound6(set, ipv6_of_size(60, {.destination = ip6(7, 7)})));
  EXPECT_FALSE(outbound6(set, ipv6_of_size(60, {.source = ip6(1, 1)})));
  EXPECT_FALSE(outbound6(set, ipv6_of_size(60, {.source = ip6(1, 10)})));
  EXPECT_FALSE(outbound6(set, ipv6_of_size(60, {.destination = ip6(3, 0)})));
}

TEST(SelectorSet, EachFamilyHasItsOwn) {
  const SelectorSet both = set_of({kAny, ipv6_any()}, {ipv6_any(), kAny});
  EXPECT_TRUE(both.any_ipv4() && both.any_ipv6() && !both.no_ipv6());
  EXPECT_TRUE(outbound6(both, ipv6_of_size(60)));
  const SelectorSet ipv4_alone = set_of({kAny}, {kAny, ipv6_any()});
  EXPECT_TRUE(ipv4_alone.any_ipv4() && ipv4_alone.no_ipv6());
  EXPECT_FALSE(outbound6(ipv4_alone, ipv6_of_size(60)));
  EXPECT_FALSE(inbound6(ipv4_alone, ipv6_of_size(60)));
  const SelectorSet ipv6_alone = set_of({ipv6_any()}, {ipv6_any()});
  EXPECT_FALSE(ipv6_alone.any_ipv4());
  EXPECT_FALSE(outbound(ipv6_alone, ipv4_of_size(60)));
  EXPECT_FALSE(inbound(ipv6_alone, ipv4_of_size(60)));
}

TEST(SelectorSet, Ipv6PortsBehindExtensionHeaders) {
  const Ip6 first{}, last = ipv6_any().to;
  const SelectorSet set = set_of({ipv6_any()}, {selector6(first, last, kUdp, 2000, 2000)});
  const Bytes udp = {0x03, 0xe8, 0x07, 0xd0, 0, 8, 0, 0};
  EXPECT_TRUE(outbound6(set, ipv6(udp)));
  EXPECT_TRUE(outbound6(set, ipv6(extension6(60, extension6(17, udp, 24)), {.next_header = 0})));
  EXPECT_FALSE(outbound6(set, ipv6(udp, {.next_header = kTcp})));
  EXPECT_FALSE(outbound6(set, ipv6(Bytes{0x03, 0xe8, 0x07})));
  EXPECT_TRUE(outbound6(set, ipv6(fragment6(17, 0, true, 1, udp), {.next_header = 44})));
  EXPECT_FALSE(outbound6(set, ipv6(fragment6(17, 8, false, 1, udp), {.next_header = 44}))) << "fails closed";
  Bytes overrun = ipv6(extension6(17, {}, 8), {.next_header = 60});
  overrun[41] = 9;
  EXPECT_FALSE(outbound6(set, overrun));
  EXPECT_FALSE(outbound6(set, ipv6(extension6(17, {}, 8), {.next_header = 60}))) << "nothing behind it";
}

TEST(SelectorSet, Icmpv6TypeAndCode) {
  const SelectorSet set = set_of({selector6({}, ipv6_any().to, 58, 0x8000, 0x80ff)},
                                 {selector6({}, ipv6_any().to, 58, 0x8000, 0x80ff)});
  EXPECT_TRUE(outbound6(set, icmp6(128, 0, Bytes(4), {})));
  EXPECT_FALSE(outbound6(set, icmp6(129, 0, Bytes(4), {})));
  EXPECT_FALSE(outbound6(set, ipv6_of_size(60)));
}

TEST(SelectorSet, RefusesWhatIsWrong) {
  SelectorSet set;
  const std::vector<api::Selector> any = {kAny}, none, many(api::kMaxSelectors + 1, kAny),
                                   ipv6 = {ipv6_any()};
  EXPECT_EQ(set.assign(none, any), api::Error::kInvalid);
  EXPECT_EQ(set.assign(any, none), api::Error::kInvalid);
  EXPECT_EQ(set.assign(many, any), api::Error::kInvalid);
  EXPECT_EQ(set.assign(any, ipv6), api::Error::kInvalid);
  EXPECT_EQ(set.assign(std::vector{selector(2, 1)}, any), api::Error::kInvalid);
  EXPECT_EQ(set.assign(std::vector{selector(1, 2, kTcp, 9, 8)}, any), api::Error::kInvalid);
  EXPECT_EQ(set.assign(std::vector{selector6(ip6(2, 1), ip6(1, 1))}, ipv6), api::Error::kInvalid);
  api::Selector no_family = kAny;
  no_family.family = api::Family::kNone;
  EXPECT_EQ(set.assign(std::vector{no_family}, any), api::Error::kInvalid);
  EXPECT_FALSE(outbound(set, ipv4_of_size(60))) << "an unassigned set matches nothing";
}

}  // namespace
}  // namespace sallyport::dataplane::testing
