// SPDX-License-Identifier: BSD-3-Clause
// Installing SAs, sequence numbers and their reservation, lifetimes, the SA table, outer headers.
#include "dataplane/sa/sa.h"

#include <rte_cpuflags.h>

#include "dataplane/sa/sa_table.h"
#include "tests/dataplane/esp_fixture.h"
#include "tests/dataplane/ipv6_packets.h"

namespace sallyport::dataplane::testing {
namespace {

class SaTest : public EspTest {
 protected:
  Sequence assign() { return assign_sequence(*outbound_, 100, kNow); }
};

TEST_F(SaTest, FirstSequenceNumberIsOneAndReservedBeforeUse) {
  make_outbound(OracleSa{});
  EXPECT_EQ(outbound_row_.spi, OracleSa{}.spi);
  for (uint64_t expected = 1; expected <= 2 * api::kSequenceReservation + 10; ++expected) {
    const Sequence sequence = assign();
    ASSERT_EQ(sequence.drop, kKeep);
    ASSERT_EQ(sequence.number, expected);
    ASSERT_GT(outbound_row_.reserved_sequence, expected) << "used beyond the reservation";
    ASSERT_LE(outbound_row_.reserved_sequence, expected + api::kSequenceReservation);
  }
}

TEST_F(SaTest, RestartGoesOnAtTheReservation) {
  make_outbound(OracleSa{});
  for (int i = 0; i < 3; ++i)
    assign();
  const uint64_t reserved = outbound_row_.reserved_sequence;
  auto message = outbound_message(OracleSa{});
  message.may_have_sent = 1;
  make_outbound(message);
  EXPECT_EQ(assign().number, reserved);
  EXPECT_EQ(outbound_row_.packets, 4u) << "counters go on";
  EXPECT_GT(outbound_row_.reserved_sequence, reserved);
}

TEST_F(SaTest, AnotherSaClearsTheRow) {
  make_outbound(OracleSa{});
  assign();
  OracleSa other;
  other.spi = 0x45600005;
  make_outbound(other);
  EXPECT_EQ(outbound_row_.spi, other.spi);
  EXPECT_EQ(outbound_row_.packets, 0u);
  EXPECT_EQ(assign().number, 1u);
}

TEST_F(SaTest, RefusesToGuessSequenceNumbers) {
  auto message = outbound_message(OracleSa{});
  message.may_have_sent = 1;
  outbound_row_.spi = 0x777;
  outbound_row_.reserved_sequence = 9;
  EXPECT_EQ(create_outbound_sa(message, outbound_row_, outer_, *engine_, SOCKET_ID_ANY, outbound_).error,
            api::Error::kUnsafe);
  EXPECT_EQ(outbound_, nullptr);
  EXPECT_EQ(outbound_row_.spi, 0x777u);
  EXPECT_EQ(outbound_row_.reserved_sequence, 9u);
}

TEST_F(SaTest, WithoutEsnStopsBeforeTheWrap) {
  outbound_row_.spi = OracleSa{}.spi;
  outbound_row_.reserved_sequence = 0xfffffffe;
  make_outbound(OracleSa{});
  EXPECT_EQ(assign().number, 0xfffffffeu);
  EXPECT_EQ(outbound_->due, kSoftSequence);
  outbound_->due = 0;
  EXPECT_EQ(assign().number, 0xffffffffu);
  EXPECT_EQ(outbound_->due, 0) << "told once";
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(assign().drop, api::DropReason::kSequenceExhausted);
  EXPECT_EQ(outbound_->due, kHardSequence);
  EXPECT_EQ(outbound_row_.packets, 2u);
  // A restart stays stopped.
  make_outbound(OracleSa{});
  EXPECT_EQ(assign().drop, api::DropReason::kSequenceExhausted);
}

TEST_F(SaTest, SoftSequenceExpireComesEarly) {
  constexpr uint64_t kSoft = 0xffffffff - (1u << 28);
  outbound_row_.spi = OracleSa{}.spi;
  outbound_row_.reserved_sequence = kSoft - 1;
  make_outbound(OracleSa{});
  EXPECT_EQ(assign().number, kSoft - 1);
  EXPECT_EQ(outbound_->due, 0);
  EXPECT_EQ(assign().number, kSoft);
  EXPECT_EQ(outbound_->due, kSoftSequence);
}

TEST_F(SaTest, WithEsnGoesOnBeyondTheLowWord) {
  OracleSa sa;
  sa.esn = true;
  outbound_row_.spi = sa.spi;
  outbound_row_.reserved_sequence = 0xffffffff;
  make_outbound(sa);
  EXPECT_EQ(assign().number, 0xffffffffu);
  EXPECT_EQ(assign().number, 0x100000000u);
  EXPECT_EQ(outbound_->due, 0);
}

TEST_F(SaTest, PacketLifetimes) {
  auto message = outbound_message(OracleSa{});
  message.lifetimes = {0, 0, 3, 5};
  make_outbound(message);
  std::vector<uint8_t> due;
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(assign().drop, kKeep);
    due.push_back(std::exchange(outbound_->due, 0));
  }
  EXPECT_EQ(due, (std::vector<uint8_t>{0, 0, kSoftPackets, 0, 0}));
  EXPECT_EQ(assign().drop, api::DropReason::kHardLifetime);
  EXPECT_EQ(assign().drop, api::DropReason::kHardLifetime);
  EXPECT_EQ(outbound_->due, kHardPackets);
  EXPECT_EQ(outbound_->next_sequence, 6u) << "no number is spent on a dropped packet";
}

// sallyportd may have been away when it was told.
TEST_F(SaTest, TellsAgainWhilePacketsCome) {
  constexpr uint64_t kSecondNs = 1'000'000'000;
  auto message = outbound_message(OracleSa{});
  message.lifetimes = {0, 0, 1, 100};
  make_outbound(message);
  uint32_t soft = 0, hard = 0;
  for (uint32_t second = 0; second < 200; ++second) {
    assign_sequence(*outbound_, 100, kNow + second * kSecondNs);
    const uint8_t due = std::exchange(outbound_->due, 0);
    soft += due == kSoftPackets;
    hard += due == kHardPackets;
  }
  EXPECT_GE(soft, 100u / 9);
  EXPECT_LE(soft, 100u / 8 + 1);
  EXPECT_GE(hard, 100u / 9);
  EXPECT_LE(hard, 100u / 8 + 1);
}

TEST_F(SaTest, ByteLifetimesInbound) {
  auto message = inbound_message(OracleSa{});
  message.lifetimes = {250, 400, 0, 0};
  make_inbound(message);
  InboundTally tally(kNow);
  tally.enter(*inbound_);
  EXPECT_EQ(tally.count(200), kKeep);
  EXPECT_EQ(inbound_->due, 0);
  EXPECT_EQ(tally.count(50), kKeep);
  EXPECT_EQ(std::exchange(inbound_->due, 0), kSoftBytes);
  EXPECT_EQ(tally.count(150), kKeep);
  EXPECT_EQ(tally.count(1), api::DropReason::kHardLifetime);
  EXPECT_EQ(inbound_->due, kHardBytes);
  EXPECT_EQ(inbound_row_.bytes, 400u);
}

TEST_F(SaTest, NumbersARunOfPacketsAtOnceUpToItsReservation) {
  make_outbound(outbound_message(OracleSa{}));
  EXPECT_EQ(assign_sequences(*outbound_, 3, 300, kNow), 0u) << "nothing is reserved yet";
  EXPECT_EQ(outbound_row_.packets, 0u);
  EXPECT_EQ(assign().number, 1u);
  EXPECT_EQ(assign_sequences(*outbound_, 3, 300, kNow), 2u);
  EXPECT_EQ(outbound_->next_sequence, 5u);
  EXPECT_EQ(outbound_row_.packets, 4u);
  const uint32_t left = api::kSequenceReservation - 4;  // 1 .. kSequenceReservation are reserved
  EXPECT_EQ(assign_sequences(*outbound_, left + 1, 0, kNow), 0u);
  EXPECT_EQ(outbound_->next_sequence, 5u);
  EXPECT_EQ(assign_sequences(*outbound_, left, 0, kNow), 5u);
  EXPECT_EQ(outbound_row_.packets, api::kSequenceReservation);
}

TEST_F(SaTest, WritesARunOfVerifiedPacketsIntoTheRowOnce) {
  make_inbound(inbound_message(OracleSa{}));
  {
    InboundTally tally(kNow);
    for (const uint64_t sequence : {1, 2, 7}) {
      ASSERT_TRUE(inbound_->window.advance_replay(sequence));
      tally.enter(*inbound_);
      if (sequence == 7) break;  // dropped after its verification
      EXPECT_EQ(tally.count(50), kKeep);
    }
    EXPECT_EQ(inbound_row_.packets, 0u);
  }
  EXPECT_EQ(inbound_row_.packets, 2u);
  EXPECT_EQ(inbound_row_.bytes, 100u);
  EXPECT_EQ(inbound_row_.right_edge, 7u);
  EXPECT_EQ(inbound_row_.last_use_ns, kNow);
}

TEST_F(SaTest, RefusesWhatIsWrong) {
  using Change = void (*)(api::SetInboundSa&);
  struct Case {
    const char* what;
    Change change;
    api::Error error;
  };
  const std::vector<Case> cases = {
      {"SPI 0", [](api::SetInboundSa& m) { m.spi = 0; }, api::Error::kInvalid},
      {"SPI 255", [](api::SetInboundSa& m) { m.spi = 255; }, api::Error::kInvalid},
      {"absurd window", [](api::SetInboundSa& m) { m.replay_window = 1 << 30; }, api::Error::kInvalid},
      {"window 31", [](api::SetInboundSa& m) { m.replay_window = 31; }, api::Error::kInvalid},
      {"short key", [](api::SetInboundSa& m) { m.keys.key_bytes = 16; }, api::Error::kInvalid},
      {"long key", [](api::SetInboundSa& m) { m.keys.key_bytes = 65535; }, api::Error::kInvalid},
      {"integrity key with AEAD", [](api::SetInboundSa& m) { m.keys.integrity_key_bytes = 20; },
       api::Error::kInvalid},
      {"algorithm 0", [](api::SetInboundSa& m) { m.keys.algorithm = {}; }, api::Error::kUnsupported},
      {"two families outside", [](api::SetInboundSa& m) { m.remote.family = api::Family::kIpv6; },
       api::Error::kInvalid},
      {"no family outside",
       [](api::SetInboundSa& m) { m.remote.family = m.local.family = api::Family::kNone; },
       api::Error::kInvalid},
  };
  inbound_row_.spi = 0x888;
  inbound_row_.right_edge = 77;
  for (const Case& c : cases) {
    auto message = inbound_message(OracleSa{});
    c.change(message);
    const Refusal refusal = create_inbound_sa(message, inbound_row_, *engine_, SOCKET_ID_ANY, inbound_);
    EXPECT_EQ(refusal.error, c.error) << c.what;
    EXPECT_STRNE(refusal.text, "") << c.what;
    EXPECT_EQ(inbound_, nullptr);
    EXPECT_EQ(inbound_row_.spi, 0x888u);
    EXPECT_EQ(inbound_row_.right_edge, 77u);
  }
}

TEST_F(SaTest, KnowsItsPeerAsPacketsShowIt) {
  OracleSa sa;
  sa.encap = true;
  sa.source_port = 61000;
  make_inbound(sa);
  const Bytes packet = seal(sa, 1, ipv4_of_size(40));
  uint32_t source_be;
  std::memcpy(&source_be, packet.data() + 12, sizeof(source_be));
  EXPECT_EQ(inbound_->remote, uint64_t{source_be} << 32 | 61000u);
}

TEST_F(SaTest, KeyIsWipedWhenDestroyed) {
  alignas(64) std::array<std::byte, sizeof(CipherKey)> memory{};
  auto* key = new (memory.data()) CipherKey;
  ASSERT_EQ(key->expand(*engine_, keys_of(OracleSa{})), api::Error::kNone);
  const auto is_zero = [](std::byte byte) { return byte == std::byte{0}; };
  EXPECT_FALSE(std::all_of(memory.begin(), memory.begin() + CipherKey::kScheduleBytes, is_zero));
  key->~CipherKey();
  EXPECT_TRUE(std::all_of(memory.begin(), memory.begin() + CipherKey::kScheduleBytes + 4, is_zero));
}

TEST_F(SaTest, TableComparesTheWholeSpi) {
  make_inbound(OracleSa{});            // 0x12300005
  const volatile uint32_t slots = 16;  // keeps the compiler from judging the lookups beyond the table
  SaTable<InboundSa> table(slots);
  EXPECT_EQ(table.find(0x12300005), nullptr);
  EXPECT_EQ(table.publish(5, inbound_.get()), nullptr);
  EXPECT_EQ(table.find(0x12300005), inbound_.get());
  EXPECT_EQ(table.find(0x12400005), nullptr) << "same slot, other SPI";
  EXPECT_EQ(table.find(0x12300006), nullptr);
  EXPECT_EQ(table.find(0xffffffff), nullptr) << "slot beyond the table";
  EXPECT_EQ(table.at(5), inbound_.get());
  EXPECT_EQ(table.at(16), nullptr);
  EXPECT_EQ(table.publish(5, nullptr), inbound_.get());
  EXPECT_EQ(table.find(0x12300005), nullptr);
}

TEST_F(SaTest, TheFastestCodeForTheCpuIsChosen) {
  if (rte_cpu_get_flag_enabled(RTE_CPUFLAG_VAES) != 1 || rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX512VL) != 1)
    GTEST_SKIP() << "a CPU without VAES";
  EXPECT_EQ(engine_->implementation(), "VAES-AVX512");
}

TEST(OuterHeaderTest, RefusesWhatIsWrong) {
  OuterHeader header;
  const OuterEndpoints good{address_of(0xc6336401), address_of(0xcb007101), 4500, 4500, true};
  EXPECT_EQ(make_outer_header(good, {}, header), api::Error::kNone);
  OuterEndpoints bad = good;
  bad.remote.family = api::Family::kIpv6;
  EXPECT_EQ(make_outer_header(bad, {}, header), api::Error::kInvalid);
  bad = {address_of(Ip6{}), address_of(ip6(9, 9)), 0, 0, false};
  EXPECT_EQ(make_outer_header(bad, {}, header), api::Error::kInvalid);
  bad = {address_of(ip6(9, 9)), address_of(multicast6(2, 1)), 0, 0, false};
  EXPECT_EQ(make_outer_header(bad, {}, header), api::Error::kInvalid);
  bad = good;
  bad.local = address_of(0);
  EXPECT_EQ(make_outer_header(bad, {}, header), api::Error::kInvalid);
  bad = good;
  bad.remote_port = 0;
  EXPECT_EQ(make_outer_header(bad, {}, header), api::Error::kInvalid);
  OuterPolicy policy;
  policy.dscp = 64;
  EXPECT_EQ(make_outer_header(good, policy, header), api::Error::kInvalid);
}

}  // namespace
}  // namespace sallyport::dataplane::testing
