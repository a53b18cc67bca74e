// SPDX-License-Identifier: BSD-3-Clause
// Packets that leave the fast path: too big, expired, fragmented, malformed.
#include "dataplane/path/context.h"
#include "tests/dataplane_path/sites.h"

namespace sallyport::dataplane::testing {

namespace {

class ExceptionTest : public PathTest {};

Bytes syn(uint32_t source, uint32_t destination, uint16_t mss) {
  return tcp_with_mss({source, destination}, 0x02, mss);
}

// ESP with AES-GCM in IPv4 of 1500 bytes: 20 + 8 + 8 in front, 16 behind, 2 of trailer, all in units of 4.
constexpr size_t kInnerMtu = 1446, kInnerMtuEncap = 1438;

TEST_F(ExceptionTest, TellsTheExactMtuOfTheTunnel) {
  for (const bool encap : {false, true}) {
    SiteA a({.encap = encap});
    a.add_sas();
    const size_t mtu = encap ? kInnerMtuEncap : kInnerMtu;
    a.from_lan(ipv4_of_size(mtu, {kHostA, kHostB, 17, 0, 64, 7, kDf}));
    a.from_lan(ipv4_of_size(mtu + 1, {kHostA, kHostB, 17, 0, 64, 7, kDf}));
    a.gateway.poll();
    const auto sent = a.gateway.sent(kPublicPort);
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_LE(without_ethernet(sent[0]).size(), 1500u);
    EXPECT_GT(without_ethernet(sent[0]).size(), 1500u - 4u);
    const auto told = a.gateway.sent(kLanPort);
    ASSERT_EQ(told.size(), 1u);
    const Bytes icmp = without_ethernet(told[0]);
    EXPECT_EQ(get32(icmp, 12), kLanA | 1);
    EXPECT_EQ(get32(icmp, 16), kHostA);
    EXPECT_EQ(icmp[20], 3);
    EXPECT_EQ(icmp[21], 4);
    EXPECT_EQ(get16(icmp, 26), mtu);
    EXPECT_EQ(a.gateway.drops(api::DropReason::kTooBigDf), 1u);
    EXPECT_EQ(a.gateway.outbound_row(4).too_big, 1u);
  }
}

TEST_F(ExceptionTest, FollowsALearntPathMtu) {
  SiteA a;
  a.add_sas();
  a.tunnel->path_mtu_bytes = 1400;
  a.from_lan(ipv4_of_size(kInnerMtu - 100, {kHostA, kHostB, 17, 0, 64, 7, kDf}));
  a.from_lan(ipv4_of_size(kInnerMtu - 99, {kHostA, kHostB, 17, 0, 64, 7, kDf}));
  a.gateway.poll();
  EXPECT_EQ(a.gateway.sent(kPublicPort).size(), 1u);
  const auto told = a.gateway.sent(kLanPort);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(get16(told[0], 14 + 26), kInnerMtu - 100);
}

TEST_F(ExceptionTest, FragmentsBeforeEspWhereDfIsClear) {
  SiteA a;
  a.add_sas();
  const Bytes packet = ipv4_of_size(1500);
  a.from_lan(packet);
  a.gateway.poll();
  const auto sent = a.gateway.sent(kPublicPort);
  ASSERT_EQ(sent.size(), 2u);
  Bytes payload;
  for (const Bytes& frame : sent) {
    EXPECT_LE(frame.size(), 1514u);
    const auto opened = open(a.outbound, 0, without_ethernet(frame));
    ASSERT_TRUE(opened);
    EXPECT_EQ((get16(opened->inner, 6) & 0x1fff) * 8, payload.size());
    EXPECT_EQ(internet_checksum(opened->inner, 0, 20), 0u);
    payload.insert(payload.end(), opened->inner.begin() + 20, opened->inner.end());
  }
  EXPECT_EQ(payload, Bytes(packet.begin() + 20, packet.end()));
}

TEST_F(ExceptionTest, ClampsTheMssOfSynsInBothDirections) {
  SiteA a;
  a.add_sas();
  a.from_lan(syn(kHostA, kHostB, 1460));
  a.from_lan(syn(kHostA, kHostB, 1000));
  a.from_outside(seal(a.inbound, 1, syn(kHostB, kHostA, 1460)));
  a.gateway.poll();
  const auto out = a.gateway.sent(kPublicPort);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(open(a.outbound, 0, without_ethernet(out[0]))->inner,
            forwarded(syn(kHostA, kHostB, kInnerMtu - 40)));
  EXPECT_EQ(open(a.outbound, 0, without_ethernet(out[1]))->inner, forwarded(syn(kHostA, kHostB, 1000)));
  const auto in = a.gateway.sent(kLanPort);
  ASSERT_EQ(in.size(), 1u);
  EXPECT_EQ(without_ethernet(in[0]), forwarded(syn(kHostB, kHostA, kInnerMtu - 40)));
}

TEST_F(ExceptionTest, TellsTheSenderThatTheTtlExpired) {
  SiteA a;
  a.add_sas();
  a.from_lan(ipv4_of_size(100, {kHostA, kHostB, 17, 0, 1}));
  a.from_outside(seal(a.inbound, 1, ipv4_of_size(100, {kHostB, kHostA, 17, 0, 1})));
  a.gateway.poll();
  EXPECT_EQ(a.gateway.drops(api::DropReason::kTtlExpired), 2u);
  const auto to_lan = a.gateway.sent(kLanPort);
  ASSERT_EQ(to_lan.size(), 1u);
  EXPECT_EQ(to_lan[0].at(14 + 20), 11);
  const auto to_peer = a.gateway.sent(kPublicPort);  // inside the tunnel, not in clear
  ASSERT_EQ(to_peer.size(), 1u);
  const auto opened = open(a.outbound, 0, without_ethernet(to_peer[0]));
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->inner.at(20), 11);
  EXPECT_EQ(get32(opened->inner, 16), kHostB);
}

TEST_F(ExceptionTest, LimitsTheRateOfItsIcmpErrors) {
  SiteA a;
  a.add_sas();
  for (int i = 0; i < 300; ++i)
    a.from_lan(ipv4_of_size(100, {kHostA, kHostB, 17, 0, 1}));
  a.gateway.poll(6);
  EXPECT_EQ(a.gateway.drops(api::DropReason::kTtlExpired), 300u);
  const size_t told = a.gateway.sent(kLanPort).size();
  EXPECT_GE(told, 1u);
  EXPECT_LE(told, 100u);
}

// The bucket is 50 deep and fills with 200 a second; the packets take far less than a quarter of one.
TEST_F(ExceptionTest, LimitsTheRateOfWhatItTellsOfTooLargePackets) {
  SiteA a;
  a.add_sas();
  for (int i = 0; i < 300; ++i)
    a.from_lan(ipv4_of_size(kInnerMtu + 1, {kHostA, kHostB, 17, 0, 64, 7, kDf}));
  a.gateway.poll(6);
  EXPECT_EQ(a.gateway.drops(api::DropReason::kTooBigDf), 300u);
  const size_t told = a.gateway.sent(kLanPort).size();
  EXPECT_GE(told, 50u);
  EXPECT_LE(told, 100u);
}

TEST_F(ExceptionTest, ReassemblesOuterFragments) {
  for (const bool encap : {false, true}) {
    SiteA a({.encap = encap});
    a.add_sas();
    const Bytes inner = ipv4_of_size(1400, {kHostB, kHostA});
    const Bytes outer = seal(a.inbound, 1, inner);
    constexpr long kCut = 20 + 800;
    Bytes first(outer.begin(), outer.begin() + kCut), second(outer.begin(), outer.begin() + 20);
    second.insert(second.end(), outer.begin() + kCut, outer.end());
    put16(first, 2, static_cast<uint32_t>(first.size()));
    put16(first, 6, 0x2000);
    put16(second, 2, static_cast<uint32_t>(second.size()));
    put16(second, 6, 800 / 8);
    a.from_outside(with_checksum(second));
    a.gateway.poll();
    EXPECT_TRUE(a.gateway.sent(kLanPort).empty());
    a.from_outside(with_checksum(first));
    a.gateway.poll();
    const auto sent = a.gateway.sent(kLanPort);
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(without_ethernet(sent[0]), forwarded(inner));
    EXPECT_EQ(a.gateway.all_drops(), 0u);
  }
}

struct LanDrop {
  const char* description;
  api::DropReason reason;
  Bytes packet;
};

TEST_F(ExceptionTest, DropsWhatIsNotRightFromTheLan) {
  Bytes bad_checksum = ipv4_of_size(100), bad_length = ipv4_of_size(100);
  bad_checksum[10] ^= 1;
  put16(bad_length, 2, 101);
  const std::vector<LanDrop> cases = {
      {"a wrong header checksum", api::DropReason::kIpBadHeader, bad_checksum},
      {"a total length beyond the frame", api::DropReason::kIpBadHeader, bad_length},
      {"nothing but a link header", api::DropReason::kIpBadHeader, {}},
      {"a total length of zero", api::DropReason::kIpBadHeader, Bytes(46)},
      {"no route", api::DropReason::kNoRoute, ipv4_of_size(100, {kHostA, 0x08080808})},
      {"a tunnel without SA", api::DropReason::kNoOutboundSa, ipv4_of_size(100)},
      {"routed multicast", api::DropReason::kNoRoute, ipv4_of_size(100, {kHostA, 0xe1010101})},
  };
  for (const LanDrop& test : cases) {
    SCOPED_TRACE(test.description);
    SiteA a;
    a.from_lan(test.packet);
    a.gateway.poll();
    EXPECT_EQ(a.gateway.drops(test.reason), 1u);
    EXPECT_EQ(a.gateway.all_drops(), 1u);
    EXPECT_TRUE(a.gateway.sent(kPublicPort).empty());
  }
}

TEST_F(ExceptionTest, DropsFramesOfOtherStationsAndLinkLayers) {
  SiteA a;
  a.gateway.receive(kLanPort, ethernet(ipv4_of_size(100), mac_of(0x55)));
  a.gateway.receive(kLanPort, ethernet(Bytes(60), a.gateway.mac(kLanPort), 0x86dd));
  a.gateway.receive(kLanPort, ethernet(Bytes(60), a.gateway.mac(kLanPort), 0x8847));
  a.gateway.receive(kLanPort, Bytes(13));
  a.gateway.poll();
  EXPECT_EQ(a.gateway.drops(api::DropReason::kNotForUs), 1u);
  EXPECT_EQ(a.gateway.drops(api::DropReason::kIpBadHeader), 1u);
  EXPECT_EQ(a.gateway.drops(api::DropReason::kUnknownEthertype), 1u);
  EXPECT_EQ(a.gateway.drops(api::DropReason::kRxMalformed), 1u);
}

TEST_F(ExceptionTest, CutsLinkLayerPaddingOff) {
  SiteA a;
  a.add_sas();
  const Bytes packet = ipv4_of_size(30);
  Bytes padded = packet;
  padded.resize(46);
  a.from_lan(padded);
  Bytes esp = seal(a.inbound, 1, ipv4_of_size(30, {kHostB, kHostA}));
  esp.resize(esp.size() + 6);
  a.from_outside(esp);
  a.gateway.poll();
  const auto out = a.gateway.sent(kPublicPort);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(open(a.outbound, 0, without_ethernet(out[0]))->inner, forwarded(packet));
  EXPECT_EQ(a.gateway.sent(kLanPort).size(), 1u);
}

TEST_F(ExceptionTest, CountsWhatAFullTransmitQueueLoses) {
  SiteA a;
  a.add_sas();
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 600; ++i)
      a.from_lan(ipv4_of_size(60));
    a.gateway.poll(12);
  }
  EXPECT_EQ(a.gateway.sent(kPublicPort).size() + a.gateway.drops(api::DropReason::kTxFull), 1200u);
  EXPECT_EQ(a.gateway.drops(api::DropReason::kTxFull), 1200u - 1023u);
}

}  // namespace

}  // namespace sallyport::dataplane::testing
