// SPDX-License-Identifier: BSD-3-Clause
// Outer headers, room in buffers, and the exact overhead.
#include "dataplane/esp/overhead.h"
#include "tests/dataplane/esp_fixture.h"

namespace sallyport::dataplane::testing {
namespace {

using api::DropReason;

class EspOutboundTest : public EspTest {
 protected:
  const OracleSa sa_{};
};

TEST_F(EspOutboundTest, DfAndDscpPolicies) {
  constexpr uint16_t kDf = 0x4000;
  struct Case {
    OuterPolicy policy;
    uint8_t inner_tos, outer_tos;
    uint16_t inner_fragment, outer_fragment;
  };
  using enum api::DfPolicy;
  using Dscp = api::DscpPolicy;
  const std::vector<Case> cases = {
      {{kCopy, Dscp::kCopy, 0}, 0xb8, 0xb8, kDf, kDf},  {{kCopy, Dscp::kCopy, 0}, 0xb9, 0xb9, 0, 0},
      {{kCopy, Dscp::kCopy, 0}, 0x02, 0x02, 0x2005, 0},  // a fragment inside leaves no trace outside
      {{kSet, Dscp::kCopy, 0}, 0x03, 0x03, 0, kDf},     {{kClear, Dscp::kCopy, 0}, 0x00, 0x00, kDf, 0},
      {{kClear, Dscp::kSet, 46}, 0x23, 0xbb, kDf, 0},  // the DSCP is ours, ECN the packet's
      {{kSet, Dscp::kSet, 0}, 0xfc, 0x00, kDf, kDf},
  };
  uint32_t expected_sequence = 1;
  for (const Case& c : cases) {
    make_outbound(sa_, c.policy);
    expected_sequence = static_cast<uint32_t>(outbound_->next_sequence);
    const Bytes inner = ipv4_of_size(77, {.tos = c.inner_tos, .fragment = c.inner_fragment});
    const Outcome outcome = send(inner);
    ASSERT_EQ(outcome.drop, kKeep);
    const auto opened = open(sa_, 0, outcome.bytes);
    ASSERT_TRUE(opened.has_value());
    EXPECT_EQ(opened->inner, inner) << "the inner header is not touched";
    EXPECT_EQ(opened->outer[1], c.outer_tos);
    EXPECT_EQ(get16(opened->outer, 6), c.outer_fragment);
    EXPECT_EQ(get16(opened->outer, 4), expected_sequence & 0xffff) << "identification";
  }
}

TEST_F(EspOutboundTest, OuterChecksumIsRightForEverySum) {
  OuterPolicy policy{api::DfPolicy::kClear, api::DscpPolicy::kCopy, 0};
  outbound_row_.spi = sa_.spi;
  for (const uint32_t destination : {0x01000001u, 0xffffff7eu, 0xcb007101u, 0x80808080u}) {
    OracleSa sa = sa_;
    sa.destination = destination;
    for (uint64_t first = 1; first < 70000; first += 997) {
      outbound_row_.reserved_sequence = first;
      make_outbound(sa, policy);
      const Outcome outcome = send(ipv4_of_size(40 + first % 100, {.tos = static_cast<uint8_t>(first)}));
      ASSERT_EQ(outcome.drop, kKeep);
      ASSERT_EQ(internet_checksum(outcome.bytes, 0, 20), 0u);
      ASSERT_TRUE(open(sa, 0, outcome.bytes).has_value());
    }
  }
}

TEST_F(EspOutboundTest, AddressesMoveWhileNumbersGoOn) {
  make_outbound(sa_);
  EXPECT_TRUE(open(sa_, 0, send(ipv4_of_size(60)).bytes).has_value());
  OracleSa moved = sa_;
  moved.destination = 0xcb007163;
  moved.destination_port = 61000;
  moved.encap = true;
  OuterHeader header;
  ASSERT_EQ(make_outer_header({address_of(moved.source), address_of(moved.destination), 4500, 61000, true},
                              {}, header),
            api::Error::kNone);
  outbound_->set_outer(header);
  const auto opened = open(moved, 0, send(ipv4_of_size(60)).bytes);
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(opened->sequence_low, 2u);
  OracleSa without_nat = sa_;
  without_nat.destination = 0xcb007164;
  OuterHeader plain;
  ASSERT_EQ(make_outer_header({address_of(sa_.source), address_of(without_nat.destination), 0, 0, false}, {},
                              plain),
            api::Error::kNone);
  outbound_->set_outer(plain);
  const auto last = open(without_nat, 0, send(ipv4_of_size(60)).bytes);
  ASSERT_TRUE(last.has_value());
  EXPECT_EQ(last->sequence_low, 3u);
}

TEST_F(EspOutboundTest, PacketThatFillsItsBuffer) {
  make_outbound(sa_);
  const uint16_t room = kBufferBytes - RTE_PKTMBUF_HEADROOM;
  const uint32_t limit =
      room - 2 - 16;  // trailer and ICV; this size needs no padding or less than 4 bytes of it
  for (uint32_t bytes = limit - 8; bytes <= room; ++bytes) {
    const bool fits = bytes + (4 - (bytes + 2) % 4) % 4 + 2 + 16 <= room;
    const Bytes inner = ipv4_of_size(bytes);
    std::vector<EncapPacket> items = {{to_packet(inner), outbound_.get(), 0, kKeep}};
    encapsulate(items);
    EXPECT_EQ(items[0].drop, fits ? kKeep : DropReason::kNoRoom) << bytes;
    if (!fits) {
      EXPECT_EQ(to_bytes(items[0].packet), inner) << "touched though dropped";
    }
    rte_pktmbuf_free(items[0].packet);
  }
}

TEST_F(EspOutboundTest, WithoutHeadroomThePacketIsCopied) {
  make_outbound(sa_);
  for (const uint16_t headroom : {0, 10, 49, 50, 57, 58}) {
    const Bytes inner = ipv4_of_size(500);
    rte_mbuf* packet = rte_pktmbuf_alloc(packet_pool());
    packet->data_off = headroom;
    std::memcpy(rte_pktmbuf_append(packet, 500), inner.data(), 500);
    std::vector<EncapPacket> items = {{packet, outbound_.get(), 0, kKeep}};
    encapsulate(items);
    const PacketPtr sent(items[0].packet);
    ASSERT_EQ(items[0].drop, kKeep);
    EXPECT_GE(rte_pktmbuf_headroom(sent.get()), 14) << "room for the link's header";
    const auto opened = open(sa_, 0, to_bytes(sent.get()));
    ASSERT_TRUE(opened.has_value());
    EXPECT_EQ(opened->inner, inner);
  }
}

TEST_F(EspOutboundTest, SharedAndSegmentedBuffersAreCopied) {
  make_outbound(sa_);
  const Bytes inner = ipv4_of_size(300);
  const PacketPtr other(to_packet(inner));
  rte_mbuf_refcnt_update(other.get(), 1);
  EXPECT_EQ(open(sa_, 0, send(other.get()).bytes)->inner, inner);
  EXPECT_EQ(to_bytes(other.get()), inner) << "the other holder's bytes changed";

  rte_mbuf* clone = rte_pktmbuf_clone(other.get(), packet_pool());
  ASSERT_NE(clone, nullptr);
  EXPECT_EQ(open(sa_, 0, send(clone).bytes)->inner, inner);
  EXPECT_EQ(to_bytes(other.get()), inner);

  rte_mbuf* head = to_packet(Bytes(inner.begin(), inner.begin() + 33));
  ASSERT_EQ(rte_pktmbuf_chain(head, to_packet(Bytes(inner.begin() + 33, inner.end()))), 0);
  EXPECT_EQ(open(sa_, 0, send(head).bytes)->inner, inner);
}

TEST_F(EspOutboundTest, NoBufferToCopyInto) {
  make_outbound(sa_);
  const Bytes inner = ipv4_of_size(300);
  const PacketPtr packet(to_packet(inner));
  rte_mbuf_refcnt_update(packet.get(), 1);
  std::vector<rte_mbuf*> rest(rte_mempool_avail_count(packet_pool()));
  ASSERT_EQ(rte_pktmbuf_alloc_bulk(packet_pool(), rest.data(), static_cast<unsigned>(rest.size())), 0);
  EXPECT_EQ(send(packet.get()).drop, DropReason::kNoRoom);
  EXPECT_EQ(to_bytes(packet.get()), inner);
  rte_pktmbuf_free_bulk(rest.data(), static_cast<unsigned>(rest.size()));
}

// The MTU is exact: that size fits, one more doesn't.
TEST(Overhead, InnerMtuIsExact) {
  for (const AlgorithmRow& row : all_algorithms()) {
    const EspShape shape = esp_shape(row.algorithm, row.integrity);
    for (const bool encap : {false, true}) {
      for (const api::Family family : {api::Family::kIpv4, api::Family::kIpv6}) {
        for (uint32_t mtu = 150; mtu <= 9000; ++mtu) {
          const uint32_t inner = inner_mtu(mtu, shape, encap, family);
          ASSERT_LE(outer_bytes(inner, shape, encap, family), mtu);
          ASSERT_GT(outer_bytes(inner + 1, shape, encap, family), mtu);
        }
      }
    }
  }
  const EspShape shape = esp_shape(api::Algorithm::kAes256Gcm16, api::Integrity::kNone);
  // 1500 - 20 - 8 - 8 - 16 = 1448, a multiple of 4, less 2; with UDP 8 less.
  EXPECT_EQ(inner_mtu(1500, shape, false, api::Family::kIpv4), 1446u);
  EXPECT_EQ(inner_mtu(1500, shape, true, api::Family::kIpv4), 1438u);
  EXPECT_EQ(inner_mtu(1500, shape, false, api::Family::kIpv6), 1426u);
  EXPECT_EQ(inner_mtu(55, shape, false, api::Family::kIpv4), 0u);
  EXPECT_EQ(inner_mtu(0, shape, false, api::Family::kIpv4), 0u);
  // 1500 - 20 - 8 - 16 - 16 = 1440, a multiple of 16, less 2; with UDP the 16 below 1432.
  const EspShape cbc = esp_shape(api::Algorithm::kAes256Cbc, api::Integrity::kHmacSha256_128);
  EXPECT_EQ(inner_mtu(1500, cbc, false, api::Family::kIpv4), 1438u);
  EXPECT_EQ(inner_mtu(1500, cbc, true, api::Family::kIpv4), 1422u);
  const EspShape null = esp_shape(api::Algorithm::kNull, api::Integrity::kHmacSha512_256);
  EXPECT_EQ(inner_mtu(1500, null, false, api::Family::kIpv4), 1500u - 20 - 8 - 32 - 2);
}

}  // namespace
}  // namespace sallyport::dataplane::testing
