// SPDX-License-Identifier: BSD-3-Clause
// What inbound ESP refuses, each with its reason and nothing else changed; replay and epochs through whole
// packets.
#include "tests/dataplane/esp_fixture.h"

namespace sallyport::dataplane::testing {
namespace {

using api::DropReason;

class EspInboundTest : public EspTest {
 protected:
  // Everything of an SA that a packet could change.
  struct State {
    uint64_t right_edge, packets, bytes, last_use_ns, icv_failed, replayed;
    bool operator==(const State&) const = default;
  };
  State state() const {
    const api::InboundRow& row = inbound_row_;
    return {row.right_edge, row.packets, row.bytes, row.last_use_ns, row.icv_failed, row.replayed};
  }
  const OracleSa sa_{};
  const Bytes inner_ = ipv4_of_size(100);
};

TEST_F(EspInboundTest, LengthsAndAlignment) {
  make_inbound(sa_);
  const State before = state();
  const Bytes whole = seal(sa_, 1, inner_);
  for (size_t bytes = 20; bytes < whole.size(); ++bytes) {
    Bytes cut(whole.begin(), whole.begin() + static_cast<long>(bytes));
    const bool could_be = bytes >= 20 + 8 + 8 + 4 + 16 && (bytes - 20) % 4 == 0;
    EXPECT_EQ(receive(cut).drop, could_be ? DropReason::kIcvFailed : DropReason::kEspTooShort) << bytes;
  }
  State expected = before;
  expected.icv_failed = inbound_row_.icv_failed;
  EXPECT_EQ(state(), expected);
  EXPECT_EQ(receive(whole).drop, kKeep) << "the number was not used up";
}

TEST_F(EspInboundTest, EveryByteIsAuthenticated) {
  make_inbound(sa_);
  const Bytes whole = seal(sa_, 1, inner_);
  State expected = state();
  for (size_t at = 24; at < whole.size(); ++at) {  // beyond the SPI, by which the caller found the SA
    Bytes changed = whole;
    changed[at] ^= 0x10;
    EXPECT_EQ(receive(changed).drop, DropReason::kIcvFailed) << at;
    ++expected.icv_failed;
  }
  EXPECT_EQ(state(), expected);
  EXPECT_EQ(receive(whole).drop, kKeep);
}

TEST_F(EspInboundTest, WrongKeyOrSaltFails) {
  make_inbound(sa_);
  for (const size_t at : {size_t{0}, sa_.key.size() - 1}) {
    OracleSa other = sa_;
    other.key[at] ^= 1;
    EXPECT_EQ(receive(seal(other, 1, inner_)).drop, DropReason::kIcvFailed);
  }
}

TEST_F(EspInboundTest, TrailerAndInnerHeader) {
  make_inbound(sa_);
  Bytes ipv6_inner = inner_, bad_ihl = inner_, too_long = inner_, zero_length = inner_;
  ipv6_inner[0] = 0x60;
  bad_ihl[0] = 0x44;
  put16(too_long, 2, 101);
  put16(zero_length, 2, 0);
  struct Case {
    const char* what;
    Bytes inner;
    SealOptions options;
    DropReason drop;
  };
  const std::vector<Case> cases = {
      {"pad length beyond the payload", inner_, {.pad_length_says = 103}, DropReason::kPadLength},
      {"pad length 255", inner_, {.pad_length_says = 255}, DropReason::kPadLength},
      {"pad length is the whole payload", inner_, {.pad_length_says = 102}, DropReason::kInnerBadHeader},
      {"dummy", Bytes(60, 0xaa), {.next_header = 59}, DropReason::kDummy},
      {"empty dummy", {}, {.next_header = 59}, DropReason::kDummy},
      {"next header IPv6", inner_, {.next_header = 41}, DropReason::kNextHeader},
      {"IPv6 under next header 4", ipv6_inner, {.next_header = 4}, DropReason::kNextHeader},
      {"transport mode", inner_, {.next_header = 17}, DropReason::kNextHeader},
      {"nothing inside", {}, {}, DropReason::kInnerBadHeader},
      {"19 bytes inside", Bytes(inner_.begin(), inner_.begin() + 19), {}, DropReason::kInnerBadHeader},
      {"header length 16", bad_ihl, {}, DropReason::kInnerBadHeader},
      {"longer than its bytes", too_long, {}, DropReason::kInnerBadHeader},
      {"total length 0", zero_length, {}, DropReason::kInnerBadHeader},
      {"Not-ECT with CE outside", inner_, {.outer_tos = 3}, DropReason::kEcn},
  };
  uint64_t sequence = 1;
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    if (c.inner.size() == inner_.size() && c.options.pad_length_says.has_value()) {
      ASSERT_EQ((c.inner.size() + 2) % 4, 2u);
    }
    EXPECT_EQ(receive(seal(sa_, sequence, c.inner, c.options)).drop, c.drop);
    EXPECT_EQ(inbound_row_.right_edge, sequence) << "it was verified";
    ++sequence;
  }
  EXPECT_EQ(inbound_row_.icv_failed, 0u);
  EXPECT_EQ(inbound_row_.replayed, 0u);
}

TEST_F(EspInboundTest, PaddingOfAnyLengthIsAccepted) {
  make_inbound(sa_);
  uint64_t sequence = 1;
  for (size_t bytes = 100; bytes < 104; ++bytes) {
    for (size_t pad = 4 - (bytes + 2) % 4; pad <= 255; pad += 4) {
      const Bytes inner = ipv4_of_size(bytes);
      SealOptions options;
      options.pad_bytes = static_cast<uint8_t>(pad);
      const Outcome outcome = receive(seal(sa_, sequence++, inner, options));
      EXPECT_EQ(outcome.drop, kKeep);
      EXPECT_EQ(outcome.bytes, inner);
    }
  }
}

TEST_F(EspInboundTest, TfcPaddingIsTrimmedByTheInnerLength) {
  make_inbound(sa_);
  for (size_t tfc = 1; tfc <= 300; ++tfc) {
    Bytes padded = inner_;
    padded.resize(inner_.size() + tfc, 0xee);
    const Outcome outcome = receive(seal(sa_, tfc, padded));
    EXPECT_EQ(outcome.drop, kKeep);
    EXPECT_EQ(outcome.bytes, inner_);
  }
}

TEST_F(EspInboundTest, IvIsThePeersChoice) {
  make_inbound(sa_);
  const Outcome outcome = receive(seal(sa_, 1, inner_, {.iv = 0xdeadbeef12345678}));
  EXPECT_EQ(outcome.drop, kKeep);
  EXPECT_EQ(outcome.bytes, inner_);
}

TEST_F(EspInboundTest, BothEncapsulationsAreTakenWhicheverWasNegotiated) {
  uint64_t sequence = 0;
  for (const bool negotiated : {false, true}) {
    OracleSa plain = sa_, in_udp = sa_;
    plain.encap = false;
    in_udp.encap = true;
    make_inbound(negotiated ? in_udp : plain);
    for (const bool arrives_in_udp : {true, false, true}) {
      const OracleSa& peer = arrives_in_udp ? in_udp : plain;
      const uint16_t esp_offset = arrives_in_udp ? 28 : 20;
      std::vector<DecapPacket> items = {
          decap_item(to_packet(seal(peer, ++sequence, inner_)), *inbound_, esp_offset)};
      decapsulate(items);
      EXPECT_EQ(items[0].drop, kKeep);
      EXPECT_EQ(to_bytes(items[0].packet), inner_);
      rte_pktmbuf_free(items[0].packet);
    }
  }
}

TEST_F(EspInboundTest, DuplicatesInOneBurst) {
  make_inbound(sa_);
  std::vector<DecapPacket> items;
  for (const uint64_t sequence : {3, 3, 1, 3, 1, 2})
    items.push_back(decap_item(to_packet(seal(sa_, sequence, inner_))));
  decapsulate(items);
  std::vector<DropReason> drops;
  for (const DecapPacket& item : items) {
    drops.push_back(item.drop);
    rte_pktmbuf_free(item.packet);
  }
  const DropReason replay = DropReason::kReplay;
  EXPECT_EQ(drops, (std::vector<DropReason>{kKeep, replay, kKeep, replay, replay, kKeep}));
  EXPECT_EQ(inbound_row_.replayed, 3u);
  EXPECT_EQ(inbound_row_.packets, 3u);
}

TEST_F(EspInboundTest, WindowEdgesThroughPackets) {
  for (const uint32_t window : {32u, 64u, 1024u, 4096u}) {
    inbound_row_.spi = 0;
    make_inbound(sa_, window);
    EXPECT_EQ(receive(seal(sa_, 10000, inner_)).drop, kKeep);
    EXPECT_EQ(receive(seal(sa_, 10000 - window + 1, inner_)).drop, kKeep);
    EXPECT_EQ(receive(seal(sa_, 10000 - window + 1, inner_)).drop, DropReason::kReplay);
    EXPECT_EQ(receive(seal(sa_, 10000 - window, inner_)).drop, DropReason::kReplay);
    EXPECT_EQ(receive(seal(sa_, 10000, inner_)).drop, DropReason::kReplay);
    EXPECT_EQ(receive(seal(sa_, 0, inner_)).drop, DropReason::kReplay);
    EXPECT_EQ(receive(seal(sa_, 10001, inner_)).drop, kKeep);
  }
}

TEST_F(EspInboundTest, ForgedNumberDoesNotMoveTheWindow) {
  make_inbound(sa_);
  EXPECT_EQ(receive(seal(sa_, 5, inner_)).drop, kKeep);
  Bytes forged = seal(sa_, 6, inner_);
  put32(forged, 24, 1000000);
  EXPECT_EQ(receive(forged).drop, DropReason::kIcvFailed);
  EXPECT_EQ(inbound_row_.right_edge, 5u);
  EXPECT_EQ(receive(seal(sa_, 4, inner_)).drop, kKeep);
}

TEST_F(EspInboundTest, RestartIsClosedAtTheRightEdge) {
  make_inbound(sa_);
  for (const uint64_t sequence : {10, 12})
    EXPECT_EQ(receive(seal(sa_, sequence, inner_)).drop, kKeep);
  make_inbound(sa_);  // the row is this SA's
  for (const uint64_t sequence : {9, 10, 11, 12}) {
    EXPECT_EQ(receive(seal(sa_, sequence, inner_)).drop, DropReason::kReplay) << sequence;
  }
  EXPECT_EQ(receive(seal(sa_, 13, inner_)).drop, kKeep);
  EXPECT_EQ(inbound_row_.packets, 3u);
}

TEST_F(EspInboundTest, EpochsBothWays) {
  OracleSa sa = sa_;
  sa.esn = true;
  for (const uint32_t window : {0u, 64u}) {
    inbound_row_.spi = sa.spi;
    inbound_row_.right_edge = 0x2fffffff0;
    make_inbound(sa, window);
    EXPECT_EQ(receive(seal(sa, 0x2fffffffe, inner_)).drop, kKeep);
    EXPECT_EQ(receive(seal(sa, 0x300000003, inner_)).drop, kKeep) << "into the next epoch";
    EXPECT_EQ(receive(seal(sa, 0x2ffffffff, inner_)).drop, kKeep) << "late, of the epoch before";
    EXPECT_EQ(receive(seal(sa, 0x300000000, inner_)).drop, kKeep);
    EXPECT_EQ(receive(seal(sa, 0x200000005, inner_)).drop, DropReason::kIcvFailed) << "an old epoch's number";
    EXPECT_EQ(inbound_row_.right_edge, 0x300000003u);
    if (window != 0) {
      EXPECT_EQ(receive(seal(sa, 0x2ffffffff, inner_)).drop, DropReason::kReplay);
    }
  }
}

TEST_F(EspInboundTest, EcnTableOfRfc6040) {
  make_inbound(sa_);
  constexpr uint8_t kDrop = 0xff;
  // [inner][outer] by the bits: Not-ECT, ECT(1), ECT(0), CE.
  constexpr uint8_t kTable[4][4] = {{0, 0, 0, kDrop}, {1, 1, 1, 3}, {2, 1, 2, 3}, {3, 3, 3, 3}};
  uint64_t sequence = 1;
  for (uint8_t inner = 0; inner < 4; ++inner) {
    for (uint8_t outer = 0; outer < 4; ++outer) {
      const Bytes packet = ipv4_of_size(60, {.tos = static_cast<uint8_t>(0xb8 | inner)});
      const Outcome outcome =
          receive(seal(sa_, sequence++, packet, {.outer_tos = static_cast<uint8_t>(0x28 | outer)}));
      SCOPED_TRACE(::testing::Message() << "inner " << int{inner} << " outer " << int{outer});
      if (kTable[inner][outer] == kDrop) {
        EXPECT_EQ(outcome.drop, DropReason::kEcn);
        continue;
      }
      ASSERT_EQ(outcome.drop, kKeep);
      EXPECT_EQ(outcome.bytes[1], 0xb8 | kTable[inner][outer]) << "the DSCP stays, ECN by the table";
      EXPECT_EQ(internet_checksum(outcome.bytes, 0, 20), 0u);
    }
  }
}

TEST_F(EspInboundTest, HardLifetimeStops) {
  auto message = inbound_message(sa_);
  message.lifetimes.hard_packets = 2;
  make_inbound(message);
  EXPECT_EQ(receive(seal(sa_, 1, inner_)).drop, kKeep);
  EXPECT_EQ(receive(seal(sa_, 2, inner_)).drop, kKeep);
  EXPECT_EQ(receive(seal(sa_, 3, inner_)).drop, DropReason::kHardLifetime);
  EXPECT_EQ(inbound_->due, kHardPackets);
  EXPECT_EQ(inbound_row_.packets, 2u);
}

TEST_F(EspInboundTest, SharedAndSegmentedBuffersAreCopied) {
  make_inbound(sa_);
  uint64_t sequence = 1;
  {  // another reference: its bytes must stay encrypted
    const Bytes whole = seal(sa_, sequence++, inner_);
    const PacketPtr other(to_packet(whole));
    rte_mbuf_refcnt_update(other.get(), 1);
    const Outcome outcome = receive(other.get());
    EXPECT_EQ(outcome.drop, kKeep);
    EXPECT_EQ(outcome.bytes, inner_);
    EXPECT_EQ(to_bytes(other.get()), whole);
  }
  {  // an indirect one
    const Bytes whole = seal(sa_, sequence++, inner_);
    const PacketPtr direct(to_packet(whole));
    rte_mbuf* clone = rte_pktmbuf_clone(direct.get(), packet_pool());
    ASSERT_NE(clone, nullptr);
    EXPECT_EQ(receive(clone).bytes, inner_);
    EXPECT_EQ(to_bytes(direct.get()), whole);
  }
  const Bytes probe = seal(sa_, sequence, inner_);
  for (size_t cut = 1; cut < probe.size(); ++cut) {  // two segments, also inside the ICV
    const Bytes whole = seal(sa_, sequence++, inner_);
    rte_mbuf* head = to_packet(Bytes(whole.begin(), whole.begin() + static_cast<long>(cut)));
    ASSERT_EQ(rte_pktmbuf_chain(head, to_packet(Bytes(whole.begin() + static_cast<long>(cut), whole.end()))),
              0);
    const Outcome outcome = receive(head);
    EXPECT_EQ(outcome.drop, kKeep) << cut;
    EXPECT_EQ(outcome.bytes, inner_);
  }
}

TEST_F(EspInboundTest, NoBufferToCopyInto) {
  make_inbound(sa_);
  const PacketPtr packet(to_packet(seal(sa_, 1, inner_)));
  rte_mbuf_refcnt_update(packet.get(), 1);
  std::vector<rte_mbuf*> rest(rte_mempool_avail_count(packet_pool()));
  ASSERT_EQ(rte_pktmbuf_alloc_bulk(packet_pool(), rest.data(), static_cast<unsigned>(rest.size())), 0);
  const State before = state();
  EXPECT_EQ(receive(packet.get()).drop, DropReason::kNoRoom);
  EXPECT_EQ(state(), before);
  rte_pktmbuf_free_bulk(rest.data(), static_cast<unsigned>(rest.size()));
}

}  // namespace
}  // namespace sallyport::dataplane::testing
