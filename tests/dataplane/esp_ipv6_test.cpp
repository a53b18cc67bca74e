// SPDX-License-Identifier: BSD-3-Clause
// ESP with IPv6 inside, outside or both, with and without UDP, against the oracle.
#include "dataplane/esp/overhead.h"
#include "tests/dataplane/esp_fixture.h"
#include "tests/dataplane/ipv6_packets.h"

namespace sallyport::dataplane::testing {
namespace {

using api::DropReason;
using api::Family;

struct Combination {
  Family inner, outer;
  bool encap;
};

class EspIpv6Test : public EspTest, public ::testing::WithParamInterface<Combination> {
 protected:
  bool inner6() const { return GetParam().inner == Family::kIpv6; }
  bool outer6() const { return GetParam().outer == Family::kIpv6; }
  OracleSa sa() const {
    OracleSa sa;
    sa.encap = GetParam().encap;
    if (outer6()) {
      sa.source6 = ip6(0xa, 1);
      sa.destination6 = ip6(0xb, 1);
    }
    return sa;
  }
  Bytes inner_packet(size_t bytes, uint8_t tos = 0) const {
    return inner6() ? ipv6_of_size(bytes, {.traffic_class = tos, .flow_label = 0x54321})
                    : ipv4_of_size(bytes, {.tos = tos});
  }
  api::DropReason kept_inside() const { return inner6() ? kKeepIpv6 : kKeep; }
  static uint8_t class_of(const Bytes& packet) {
    return packet[0] >> 4 == 6 ? static_cast<uint8_t>(get16(packet, 0) >> 4) : packet[1];
  }
};

TEST_P(EspIpv6Test, SealsEverySize) {
  make_outbound(sa());
  for (size_t bytes = 60; bytes < 1400; bytes += bytes < 80 ? 1 : 97) {
    const Bytes inner = inner_packet(bytes);
    const Outcome outcome = send(inner);
    ASSERT_EQ(outcome.drop, outer6() ? kKeepIpv6 : kKeep);
    const auto opened = open(sa(), 0, outcome.bytes);
    ASSERT_TRUE(opened.has_value()) << bytes;
    EXPECT_EQ(opened->inner, inner);
    EXPECT_EQ(opened->next_header, inner6() ? 41 : 4);
    for (size_t i = 0; i < opened->padding.size(); ++i)
      EXPECT_EQ(opened->padding[i], i + 1);
    EXPECT_EQ(outcome.bytes.size(), outer_bytes(static_cast<uint32_t>(bytes), outbound_->shape,
                                                GetParam().encap, GetParam().outer));
  }
}

TEST_P(EspIpv6Test, OpensEverySize) {
  make_inbound(sa());
  uint64_t sequence = 0;
  for (size_t bytes = 60; bytes < 1400; bytes += bytes < 80 ? 1 : 97) {
    const Bytes inner = inner_packet(bytes);
    const Outcome outcome = receive(seal(sa(), ++sequence, inner));
    ASSERT_EQ(outcome.drop, kept_inside());
    EXPECT_EQ(outcome.bytes, inner);
  }
  EXPECT_EQ(inbound_row_.packets, sequence);
}

// The largest inner packet fits the path MTU, and one byte more doesn't.
TEST_P(EspIpv6Test, InnerMtuIsExact) {
  make_outbound(sa());
  for (const uint32_t outer_mtu : {1280u, 1399u, 1400u, 1401u, 1402u, 1500u, 9000u}) {
    const uint32_t mtu = inner_mtu(outer_mtu, outbound_->shape, GetParam().encap, GetParam().outer);
    EXPECT_LE(outer_bytes(mtu, outbound_->shape, GetParam().encap, GetParam().outer), outer_mtu);
    EXPECT_GT(outer_bytes(mtu + 1, outbound_->shape, GetParam().encap, GetParam().outer), outer_mtu);
  }
}

TEST_P(EspIpv6Test, EcnTableOfRfc6040) {
  make_inbound(sa());
  constexpr uint8_t kDrop = 0xff;
  // [inner][outer] by the bits: Not-ECT, ECT(1), ECT(0), CE.
  constexpr uint8_t kTable[4][4] = {{0, 0, 0, kDrop}, {1, 1, 1, 3}, {2, 1, 2, 3}, {3, 3, 3, 3}};
  uint64_t sequence = 0;
  for (uint8_t inner = 0; inner < 4; ++inner) {
    for (uint8_t outer = 0; outer < 4; ++outer) {
      SCOPED_TRACE(::testing::Message() << "inner " << int{inner} << " outer " << int{outer});
      const Bytes packet = inner_packet(80, static_cast<uint8_t>(0xb8 | inner));
      const Outcome outcome =
          receive(seal(sa(), ++sequence, packet, {.outer_tos = static_cast<uint8_t>(0x28 | outer)}));
      if (kTable[inner][outer] == kDrop) {
        EXPECT_EQ(outcome.drop, DropReason::kEcn);
        continue;
      }
      ASSERT_EQ(outcome.drop, kept_inside());
      EXPECT_EQ(class_of(outcome.bytes), 0xb8 | kTable[inner][outer]) << "the DSCP stays";
      if (inner6()) {
        EXPECT_EQ(get32(outcome.bytes, 0) & 0xfffff, 0x54321u) << "the flow label stays";
      }
    }
  }
}

TEST_P(EspIpv6Test, OuterClassFollowsThePolicy) {
  using Dscp = api::DscpPolicy;
  struct Case {
    OuterPolicy policy;
    uint8_t inner, outer;
  };
  for (const Case& c : std::vector<Case>{{{api::DfPolicy::kCopy, Dscp::kCopy, 0}, 0xb9, 0xb9},
                                         {{api::DfPolicy::kCopy, Dscp::kCopy, 0}, 0x46, 0x46},
                                         {{api::DfPolicy::kSet, Dscp::kSet, 46}, 0x23, 0xbb},
                                         {{api::DfPolicy::kClear, Dscp::kSet, 0}, 0xfe, 0x02}}) {
    make_outbound(sa(), c.policy);
    const Outcome outcome = send(inner_packet(100, c.inner));
    ASSERT_TRUE(is_kept(outcome.drop));
    const auto opened = open(sa(), 0, outcome.bytes);
    ASSERT_TRUE(opened.has_value());
    EXPECT_EQ(class_of(opened->outer), c.outer);
    EXPECT_EQ(class_of(opened->inner), c.inner);
    if (outer6() || !inner6()) continue;
    EXPECT_EQ(get16(opened->outer, 6), c.policy.df == api::DfPolicy::kClear ? 0 : 0x4000)
        << "IPv6 says what DF says";
  }
}

TEST_P(EspIpv6Test, NextHeaderMustAgreeWithTheInnerVersion) {
  make_inbound(sa());
  const Bytes inner = inner_packet(80);
  const uint8_t right = inner6() ? 41 : 4, wrong = inner6() ? 4 : 41;
  uint64_t sequence = 0;
  EXPECT_EQ(receive(seal(sa(), ++sequence, inner, {.next_header = wrong})).drop, DropReason::kNextHeader);
  EXPECT_EQ(receive(seal(sa(), ++sequence, inner, {.next_header = 17})).drop, DropReason::kNextHeader);
  EXPECT_EQ(receive(seal(sa(), ++sequence, inner, {.next_header = 59})).drop, DropReason::kDummy);
  EXPECT_EQ(receive(seal(sa(), ++sequence, {}, {.next_header = right})).drop, DropReason::kInnerBadHeader);
  EXPECT_EQ(receive(seal(sa(), ++sequence, {}, {.next_header = wrong})).drop, DropReason::kInnerBadHeader);
}

TEST_P(EspIpv6Test, InnerHeaderMustFitItsBytes) {
  make_inbound(sa());
  Bytes longer = inner_packet(80);
  put16(longer, inner6() ? 4 : 2, inner6() ? 41 : 81);
  EXPECT_EQ(receive(seal(sa(), 1, longer)).drop, DropReason::kInnerBadHeader);
  const Bytes cut(longer.begin(), longer.begin() + (inner6() ? 39 : 19));
  EXPECT_EQ(receive(seal(sa(), 2, cut)).drop, DropReason::kInnerBadHeader);
  Bytes padded = inner_packet(80);
  const Bytes whole = padded;
  padded.resize(200, 0xee);
  const Outcome outcome = receive(seal(sa(), 3, padded));
  EXPECT_EQ(outcome.drop, kept_inside());
  EXPECT_EQ(outcome.bytes, whole) << "TFC padding is trimmed";
}

TEST_P(EspIpv6Test, NothingLeavesWithAWrongIcv) {
  make_inbound(sa());
  Bytes packet = seal(sa(), 1, inner_packet(80));
  packet.back() ^= 1;
  EXPECT_EQ(receive(packet).drop, DropReason::kIcvFailed);
  EXPECT_EQ(inbound_row_.packets, 0u);
  EXPECT_EQ(inbound_row_.right_edge, 0u);
}

TEST_P(EspIpv6Test, WithoutRoomIsDropped) {
  make_outbound(sa());
  rte_mbuf* packet = to_packet(inner_packet(100));
  packet->data_off = 4;
  std::memset(rte_pktmbuf_mtod(packet, void*), inner6() ? 0x60 : 0x45, 1);
  const Outcome copied = send(packet);
  EXPECT_TRUE(copied.drop == DropReason::kNoRoom || is_kept(copied.drop));
  rte_mbuf* full = rte_pktmbuf_alloc(packet_pool());
  std::memset(rte_pktmbuf_append(full, rte_pktmbuf_tailroom(full)), inner6() ? 0x60 : 0x45, 1);
  EXPECT_EQ(send(full).drop, DropReason::kNoRoom);
}

std::string name_of(const ::testing::TestParamInfo<Combination>& info) {
  const auto number = [](Family family) { return std::to_string(static_cast<int>(family)); };
  return "V" + number(info.param.inner) + "In" + (info.param.encap ? "Udp" : "V") + number(info.param.outer);
}

INSTANTIATE_TEST_SUITE_P(Families, EspIpv6Test,
                         ::testing::Values(Combination{Family::kIpv4, Family::kIpv4, false},
                                           Combination{Family::kIpv4, Family::kIpv4, true},
                                           Combination{Family::kIpv6, Family::kIpv4, false},
                                           Combination{Family::kIpv6, Family::kIpv4, true},
                                           Combination{Family::kIpv4, Family::kIpv6, false},
                                           Combination{Family::kIpv4, Family::kIpv6, true},
                                           Combination{Family::kIpv6, Family::kIpv6, false},
                                           Combination{Family::kIpv6, Family::kIpv6, true}),
                         name_of);

}  // namespace
}  // namespace sallyport::dataplane::testing
