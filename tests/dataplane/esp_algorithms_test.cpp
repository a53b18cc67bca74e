// SPDX-License-Identifier: BSD-3-Clause
// Every algorithm, with and without ESN, against OpenSSL: whole packets in both directions, and what has to
// be refused.
#include <set>
#include <tuple>

#include "dataplane/esp/overhead.h"
#include "tests/dataplane/esp_fixture.h"

namespace sallyport::dataplane::testing {
namespace {

using api::DropReason;

// Every residue of a cipher's or a hash's block, and sizes that take many of them.
std::vector<size_t> inner_sizes() {
  std::vector<size_t> sizes;
  for (size_t bytes = 20; bytes <= 20 + 2 * 128; ++bytes)
    sizes.push_back(bytes);
  for (const size_t bytes : {511, 512, 1399, 1400, 1401, 1402, 1500, 4095, 8999, 9000})
    sizes.push_back(bytes);
  return sizes;
}

class EspAlgorithmTest : public EspTest,
                         public ::testing::WithParamInterface<std::tuple<AlgorithmRow, bool>> {
 protected:
  static AlgorithmRow row() { return std::get<0>(GetParam()); }
  static bool esn() { return std::get<1>(GetParam()); }
  // With ESN the packets go over the end of an epoch.
  static uint64_t first_sequence() { return esn() ? 0x2ffffff80 : 1; }
  static bool is_cbc() { return row().cipher == OracleCipher::kCbc; }

  void make_outbound_at(uint64_t first) {
    outbound_row_.spi = sa_.spi;
    outbound_row_.reserved_sequence = first;
    make_outbound(sa_);
  }
  void make_inbound_at(uint64_t first) {
    inbound_row_.spi = sa_.spi;
    inbound_row_.right_edge = first - 1;
    make_inbound(sa_);
  }

  const OracleSa sa_ = oracle_sa(row(), esn());
  const Bytes inner_ = ipv4_of_size(100);
};

TEST_P(EspAlgorithmTest, OpensslOpensWhatWeSend) {
  uint64_t sequence = first_sequence();
  make_outbound_at(sequence);
  const std::vector<size_t> all = inner_sizes();
  for (size_t at = 0; at < all.size(); at += kMaxCryptoBurst) {
    std::vector<EncapPacket> items;
    for (size_t i = at; i < std::min(all.size(), at + kMaxCryptoBurst); ++i)
      items.push_back({to_packet(ipv4_of_size(all[i])), outbound_.get(), 0, kKeep});
    encapsulate(items);
    for (size_t i = 0; i < items.size(); ++i, ++sequence) {
      const PacketPtr packet(items[i].packet);
      const size_t inner_bytes = all[at + i];
      ASSERT_EQ(items[i].drop, kKeep);
      const auto opened = open(sa_, static_cast<uint32_t>(sequence >> 32), to_bytes(packet.get()));
      ASSERT_TRUE(opened.has_value()) << inner_bytes << " bytes";
      EXPECT_EQ(opened->sequence_low, static_cast<uint32_t>(sequence));
      EXPECT_EQ(opened->next_header, 4);
      EXPECT_EQ(opened->inner, ipv4_of_size(inner_bytes));
      EXPECT_LT(opened->padding.size(), sa_.align_bytes());
      for (size_t k = 0; k < opened->padding.size(); ++k)
        EXPECT_EQ(opened->padding[k], k + 1);
      if (sa_.iv_bytes() == 8) {
        EXPECT_EQ(opened->iv, sequence);
      }
      EXPECT_EQ(packet->pkt_len,
                outer_bytes(static_cast<uint32_t>(inner_bytes), outbound_->shape, false, api::Family::kIpv4));
    }
  }
}

TEST_P(EspAlgorithmTest, WeOpenWhatOpensslSends) {
  uint64_t sequence = first_sequence();
  make_inbound_at(sequence);
  const std::vector<size_t> all = inner_sizes();
  for (size_t at = 0; at < all.size(); at += kMaxCryptoBurst) {
    std::vector<DecapPacket> items;
    for (size_t i = at; i < std::min(all.size(), at + kMaxCryptoBurst); ++i)
      items.push_back(decap_item(to_packet(seal(sa_, sequence++, ipv4_of_size(all[i])))));
    decapsulate(items);
    for (size_t i = 0; i < items.size(); ++i) {
      const PacketPtr packet(items[i].packet);
      ASSERT_EQ(items[i].drop, kKeep) << all[at + i] << " bytes";
      EXPECT_EQ(to_bytes(packet.get()), ipv4_of_size(all[at + i]));
    }
  }
  EXPECT_EQ(inbound_row_.packets, all.size());
  EXPECT_EQ(inbound_row_.right_edge, sequence - 1);
}

TEST_P(EspAlgorithmTest, EveryByteIsAuthenticated) {
  make_inbound(sa_);
  const Bytes whole = seal(sa_, 1, inner_);
  for (size_t at = 24; at < whole.size(); ++at) {  // beyond the SPI, by which the caller found the SA
    Bytes changed = whole;
    changed[at] ^= 0x10;
    EXPECT_EQ(receive(changed).drop, DropReason::kIcvFailed) << at;
  }
  EXPECT_EQ(inbound_row_.icv_failed, whole.size() - 24);
  EXPECT_EQ(inbound_row_.right_edge, 0u);
  EXPECT_EQ(receive(whole).bytes, inner_);
}

TEST_P(EspAlgorithmTest, HighWordIsAuthenticated) {
  make_inbound(sa_);
  const auto drop = receive(seal(sa_, 0x100000005, inner_)).drop;  // taken for number 5
  EXPECT_EQ(drop, esn() ? DropReason::kIcvFailed : kKeep);
  OracleSa other = sa_;
  other.esn = !sa_.esn;
  EXPECT_EQ(receive(seal(other, 6, inner_)).drop, DropReason::kIcvFailed) << "the other way of counting";
}

TEST_P(EspAlgorithmTest, LengthsAndAlignment) {
  make_inbound(sa_);
  const Bytes whole = seal(sa_, 1, inner_);
  const size_t head_bytes = 20 + 8 + sa_.iv_bytes();
  for (size_t bytes = 20; bytes < whole.size(); ++bytes) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<long>(bytes));
    const bool could_be = bytes >= head_bytes + sa_.align_bytes() + sa_.icv_bytes &&
                          (bytes - head_bytes - sa_.icv_bytes) % sa_.align_bytes() == 0;
    EXPECT_EQ(receive(cut).drop, could_be ? DropReason::kIcvFailed : DropReason::kEspTooShort) << bytes;
  }
}

TEST_P(EspAlgorithmTest, PaddingOfAnyLengthIsAccepted) {
  make_inbound(sa_);
  const size_t align = sa_.align_bytes();
  uint64_t sequence = 1;
  for (size_t pad = (align - (inner_.size() + 2) % align) % align; pad <= 255; pad += align) {
    EXPECT_EQ(receive(seal(sa_, sequence++, inner_, {.pad_bytes = static_cast<uint8_t>(pad)})).bytes, inner_);
  }
}

TEST_P(EspAlgorithmTest, AnotherKeyFails) {
  make_inbound(sa_);
  if (sa_.integrity_key.empty()) {
    for (const size_t at : {size_t{0}, sa_.key.size() - 1}) {
      OracleSa other = sa_;
      other.key[at] ^= 1;
      EXPECT_EQ(receive(seal(other, 1, inner_)).drop, DropReason::kIcvFailed);
    }
  } else {
    for (const size_t at : {size_t{0}, sa_.integrity_key.size() - 1}) {
      OracleSa other = sa_;
      other.integrity_key[at] ^= 1;
      EXPECT_EQ(receive(seal(other, 1, inner_)).drop, DropReason::kIcvFailed);
    }
  }
}

TEST_P(EspAlgorithmTest, WrongKeySizesAreRefused) {
  const auto refusal_of = [&](int key_change, int integrity_change) {
    auto message = inbound_message(sa_);
    message.keys.key_bytes = static_cast<uint16_t>(message.keys.key_bytes + key_change);
    message.keys.integrity_key_bytes =
        static_cast<uint16_t>(message.keys.integrity_key_bytes + integrity_change);
    return create_inbound_sa(message, inbound_row_, *engine_, SOCKET_ID_ANY, inbound_).error;
  };
  EXPECT_EQ(refusal_of(0, 0), api::Error::kNone);
  for (const int change : {-8, -4, -1, 1, 4, 8}) {
    EXPECT_EQ(refusal_of(change, 0), api::Error::kInvalid) << change;
    EXPECT_EQ(refusal_of(0, change), api::Error::kInvalid) << change;
  }
}

TEST_P(EspAlgorithmTest, IntegrityMustFitTheCipher) {
  auto message = inbound_message(sa_);
  const bool has_integrity = message.keys.integrity != api::Integrity::kNone;
  message.keys.integrity = has_integrity ? api::Integrity::kNone : api::Integrity::kHmacSha256_128;
  EXPECT_EQ(create_inbound_sa(message, inbound_row_, *engine_, SOCKET_ID_ANY, inbound_).error,
            api::Error::kUnsupported);
  message.keys.integrity = static_cast<api::Integrity>(77);
  EXPECT_EQ(create_inbound_sa(message, inbound_row_, *engine_, SOCKET_ID_ANY, inbound_).error,
            api::Error::kUnsupported);
}

TEST_P(EspAlgorithmTest, KeysAreComparedAndWiped) {
  alignas(64) std::array<std::byte, sizeof(CipherKey)> memory{};
  auto* key = new (memory.data()) CipherKey;
  const api::SaKeys keys = keys_of(sa_);
  ASSERT_EQ(key->expand(*engine_, keys), api::Error::kNone);
  EXPECT_TRUE(key->matches(*engine_, keys));
  for (size_t i = 0; i < keys.key_bytes; ++i) {
    api::SaKeys other = keys;
    other.key.at(i) ^= 0x40;
    EXPECT_FALSE(key->matches(*engine_, other)) << i;
  }
  for (size_t i = 0; i < keys.integrity_key_bytes; ++i) {
    api::SaKeys other = keys;
    other.integrity_key.at(i) ^= 0x40;
    EXPECT_FALSE(key->matches(*engine_, other)) << i;
  }
  key->~CipherKey();
  const auto is_zero = [](std::byte byte) { return byte == std::byte{0}; };
  EXPECT_TRUE(std::all_of(memory.begin(), memory.begin() + CipherKey::kScheduleBytes + 4, is_zero));
}

// RFC 3602 section 3: CBC's IVs can't be foreseen. Two lives of one SA with the same sequence numbers have
// nothing in common, and no IV looks like a number.
TEST_P(EspAlgorithmTest, IvsAreNeverUsedTwice) {
  if (sa_.iv_bytes() == 0) return;
  std::set<Bytes> ivs;
  constexpr size_t kPackets = 1000;
  const size_t lives = is_cbc() ? 3 : 1;  // the others' unique IVs rest on numbers that never come again
  for (size_t life = 0; life < lives; ++life) {
    outbound_row_.spi = 0;
    make_outbound(sa_);
    for (size_t i = 1; i <= kPackets; ++i) {
      const auto opened = open(sa_, 0, send(inner_).bytes);
      ASSERT_TRUE(opened.has_value());
      EXPECT_TRUE(ivs.insert(opened->whole_iv).second) << "packet " << i;
      if (is_cbc()) {
        EXPECT_GT(opened->iv, kPackets) << "a counter in clear";
      }
    }
  }
  EXPECT_EQ(ivs.size(), lives * kPackets);
}

std::string name_of(const ::testing::TestParamInfo<EspAlgorithmTest::ParamType>& info) {
  return std::string(std::get<0>(info.param).name) + (std::get<1>(info.param) ? "_esn" : "_noesn");
}
INSTANTIATE_TEST_SUITE_P(All, EspAlgorithmTest,
                         ::testing::Combine(::testing::ValuesIn(all_algorithms()), ::testing::Bool()),
                         name_of);

// One SA of each algorithm, ESN on every other, and bursts that go through all of them.
class EspAlgorithmMixTest : public EspTest {
 protected:
  struct Pair {
    OracleSa oracle;
    api::OutboundRow outbound_row{};
    api::InboundRow inbound_row{};
    OuterHeader outer;
    OutboundSaPtr outbound;
    InboundSaPtr inbound;
    uint64_t sent = 0;
  };

  void SetUp() override {
    EspTest::SetUp();
    const std::vector<AlgorithmRow> rows = all_algorithms();
    pairs_ = std::vector<Pair>(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      Pair& pair = pairs_[i];
      pair.oracle = oracle_sa(rows[i], i % 2 == 1);
      pair.oracle.spi += static_cast<uint32_t>(i);
      const auto message = outbound_message(pair.oracle);
      ASSERT_EQ(make_outer_header({message.local, message.remote, 4500, 4500, false}, {}, pair.outer),
                api::Error::kNone);
      ASSERT_EQ(
          create_outbound_sa(message, pair.outbound_row, pair.outer, *engine_, SOCKET_ID_ANY, pair.outbound)
              .error,
          api::Error::kNone);
      ASSERT_EQ(create_inbound_sa(inbound_message(pair.oracle), pair.inbound_row, *engine_, SOCKET_ID_ANY,
                                  pair.inbound)
                    .error,
                api::Error::kNone);
    }
  }

  // Whose turn it is: no order that a batch could rely on.
  Pair& turn(size_t i) { return pairs_[i * 11 % pairs_.size()]; }

  std::vector<Pair> pairs_;
};

TEST_F(EspAlgorithmMixTest, OneBurstOut) {
  for (size_t round = 0; round < 5; ++round) {
    std::vector<EncapPacket> items;
    std::vector<CryptoJob> jobs(kMaxCryptoBurst);
    for (size_t i = 0; i < kMaxCryptoBurst; ++i) {
      OutboundSa* sa = turn(i).outbound.get();
      items.push_back({to_packet(ipv4_of_size(40 + 3 * i)), sa, assign_sequence(*sa, 1, kNow).number, kKeep});
      if (i % 7 == 3) items.back().drop = DropReason::kTtlExpired;
    }
    for (size_t i = 0; i < items.size(); ++i)
      prepare_encapsulation(items[i], jobs[i]);
    engine_->encrypt(jobs);
    for (size_t i = 0; i < items.size(); ++i) {
      finish_encapsulation(items[i], jobs[i]);
      const PacketPtr packet(items[i].packet);
      ASSERT_EQ(items[i].drop, i % 7 == 3 ? DropReason::kTtlExpired : kKeep);
      const Bytes inner = ipv4_of_size(40 + 3 * i);
      if (items[i].drop != kKeep) {
        EXPECT_EQ(to_bytes(packet.get()), inner) << "a dropped packet was touched";
        continue;
      }
      const auto opened = open(turn(i).oracle, 0, to_bytes(packet.get()));
      ASSERT_TRUE(opened.has_value()) << i;
      EXPECT_EQ(opened->inner, inner);
    }
  }
}

TEST_F(EspAlgorithmMixTest, OneBurstInWithBadOnesBetween) {
  for (size_t round = 0; round < 5; ++round) {
    std::vector<DecapPacket> items;
    for (size_t i = 0; i < kMaxCryptoBurst; ++i) {
      Pair& pair = turn(i);
      Bytes packet = seal(pair.oracle, ++pair.sent, ipv4_of_size(40 + 3 * i));
      if (i % 5 == 2) packet.back() ^= 1;
      if (i % 7 == 3) packet.resize(packet.size() - 1);
      items.push_back(decap_item(to_packet(packet), *pair.inbound, 20));
    }
    decapsulate(items);
    for (size_t i = 0; i < items.size(); ++i) {
      const PacketPtr packet(items[i].packet);
      const DropReason expected = i % 7 == 3   ? DropReason::kEspTooShort
                                  : i % 5 == 2 ? DropReason::kIcvFailed
                                               : kKeep;
      ASSERT_EQ(items[i].drop, expected) << i;
      if (expected == kKeep) {
        EXPECT_EQ(to_bytes(packet.get()), ipv4_of_size(40 + 3 * i));
      }
    }
  }
}

}  // namespace
}  // namespace sallyport::dataplane::testing
