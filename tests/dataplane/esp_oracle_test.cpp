// SPDX-License-Identifier: BSD-3-Clause
// Whole packets in both directions against OpenSSL: key sizes, ESN, NAT-T, every residue and size that fits a
// buffer.
#include <tuple>

#include "dataplane/esp/overhead.h"
#include "tests/dataplane/esp_fixture.h"

namespace sallyport::dataplane::testing {
namespace {

constexpr size_t kBurst = 48;

// AES key bytes, ESN, NAT-T, first sequence number.
using Combination = std::tuple<size_t, bool, bool, uint64_t>;

class EspOracleTest : public EspTest, public ::testing::WithParamInterface<Combination> {
 protected:
  OracleSa oracle_sa() const {
    const auto [key_bytes, esn, encap, first] = GetParam();
    OracleSa sa;
    sa.key.resize(key_bytes + 4);
    for (size_t i = 0; i < sa.key.size(); ++i)
      sa.key[i] = static_cast<uint8_t>(i * 37 + key_bytes);
    sa.esn = esn;
    sa.encap = encap;
    return sa;
  }
  static std::vector<size_t> sizes() {
    std::vector<size_t> sizes;
    for (size_t bytes = 20; bytes <= 1600; ++bytes)
      sizes.push_back(bytes);
    for (size_t bytes = 1601; bytes <= 9000; bytes += 61)
      sizes.push_back(bytes);
    for (size_t bytes = 8990; bytes <= 9000; ++bytes)
      sizes.push_back(bytes);
    return sizes;
  }
};

TEST_P(EspOracleTest, OpensslOpensWhatWeSend) {
  const OracleSa sa = oracle_sa();
  const uint64_t first = std::get<3>(GetParam());
  outbound_row_.spi = sa.spi;
  outbound_row_.reserved_sequence = first;
  make_outbound(sa);
  const std::vector<size_t> all = sizes();
  uint64_t sequence = first;
  for (size_t at = 0; at < all.size(); at += kBurst) {
    std::vector<EncapPacket> items;
    for (size_t i = at; i < std::min(all.size(), at + kBurst); ++i) {
      items.push_back({to_packet(ipv4_of_size(all[i])), outbound_.get(), 0, kKeep});
    }
    encapsulate(items);
    for (size_t i = 0; i < items.size(); ++i, ++sequence) {
      const PacketPtr packet(items[i].packet);
      ASSERT_EQ(items[i].drop, kKeep);
      const auto opened = open(sa, static_cast<uint32_t>(sequence >> 32), to_bytes(packet.get()));
      ASSERT_TRUE(opened.has_value()) << all[at + i] << " bytes";
      EXPECT_EQ(opened->sequence_low, static_cast<uint32_t>(sequence));
      EXPECT_EQ(opened->iv, sequence);
      EXPECT_EQ(opened->next_header, 4);
      EXPECT_EQ(opened->inner, ipv4_of_size(all[at + i]));
      for (size_t k = 0; k < opened->padding.size(); ++k)
        EXPECT_EQ(opened->padding[k], k + 1);
      EXPECT_LT(opened->padding.size(), 4u);
      EXPECT_EQ(packet->pkt_len, outer_bytes(static_cast<uint32_t>(all[at + i]), outbound_->shape, sa.encap,
                                             api::Family::kIpv4));
    }
  }
}

TEST_P(EspOracleTest, WeOpenWhatOpensslSends) {
  const OracleSa sa = oracle_sa();
  uint64_t sequence = std::get<3>(GetParam());
  inbound_row_.spi = sa.spi;
  inbound_row_.right_edge = sequence - 1;
  make_inbound(sa);
  const std::vector<size_t> all = sizes();
  uint64_t bytes = 0;
  for (size_t at = 0; at < all.size(); at += kBurst) {
    std::vector<DecapPacket> items;
    for (size_t i = at; i < std::min(all.size(), at + kBurst); ++i) {
      items.push_back(decap_item(to_packet(seal(sa, sequence++, ipv4_of_size(all[i])))));
    }
    decapsulate(items);
    for (size_t i = 0; i < items.size(); ++i) {
      const PacketPtr packet(items[i].packet);
      ASSERT_EQ(items[i].drop, kKeep) << all[at + i] << " bytes";
      EXPECT_EQ(to_bytes(packet.get()), ipv4_of_size(all[at + i]));
      bytes += all[at + i];
    }
  }
  EXPECT_EQ(inbound_row_.packets, all.size());
  EXPECT_EQ(inbound_row_.bytes, bytes);
  EXPECT_EQ(inbound_row_.right_edge, sequence - 1);
  EXPECT_EQ(inbound_row_.last_use_ns, kNow);
}

INSTANTIATE_TEST_SUITE_P(AllCombinations, EspOracleTest,
                         ::testing::Combine(::testing::Values(16, 24, 32), ::testing::Bool(),
                                            ::testing::Bool(), ::testing::Values(1)));
// Sending and receiving on across the end of an epoch.
INSTANTIATE_TEST_SUITE_P(AcrossEpochs, EspOracleTest,
                         ::testing::Combine(::testing::Values(16, 32), ::testing::Values(true),
                                            ::testing::Bool(),
                                            ::testing::Values(0xffffffffULL - 500, 0x7ffffffffULL - 500)));

class EspMixTest : public EspTest {};

TEST_F(EspMixTest, OneBurstMixesKeysAndDrops) {
  std::vector<OracleSa> sas(3);
  std::array<api::OutboundRow, 3> rows{};
  std::array<OuterHeader, 3> outers{};
  std::array<OutboundSaPtr, 3> ours;
  for (size_t i = 0; i < 3; ++i) {
    sas[i].spi += static_cast<uint32_t>(i);
    sas[i].key = Bytes(20 + 8 * i, static_cast<uint8_t>(0x11 * (i + 1)));
    sas[i].esn = i == 1;
    sas[i].encap = i == 2;
    const auto message = outbound_message(sas[i]);
    ASSERT_EQ(make_outer_header({message.local, message.remote, 4500, 4500, sas[i].encap}, {}, outers[i]),
              api::Error::kNone);
    ASSERT_EQ(create_outbound_sa(message, rows[i], outers[i], *engine_, SOCKET_ID_ANY, ours[i]).error,
              api::Error::kNone);
  }
  std::vector<EncapPacket> items;
  std::vector<CryptoJob> jobs(kMaxCryptoBurst);
  for (size_t i = 0; i < kMaxCryptoBurst; ++i) {
    OutboundSa* sa = ours[i % 3].get();
    items.push_back({to_packet(ipv4_of_size(40 + i)), sa, assign_sequence(*sa, 1, kNow).number, kKeep});
    if (i % 7 == 3) items.back().drop = api::DropReason::kTtlExpired;
  }
  for (size_t i = 0; i < items.size(); ++i)
    prepare_encapsulation(items[i], jobs[i]);
  engine_->encrypt(jobs);
  for (size_t i = 0; i < items.size(); ++i)
    finish_encapsulation(items[i], jobs[i]);
  for (size_t i = 0; i < items.size(); ++i) {
    const PacketPtr packet(items[i].packet);
    if (i % 7 == 3) {
      EXPECT_EQ(items[i].drop, api::DropReason::kTtlExpired);
      EXPECT_EQ(to_bytes(packet.get()), ipv4_of_size(40 + i)) << "a dropped packet was touched";
      continue;
    }
    ASSERT_EQ(items[i].drop, kKeep);
    const auto opened = open(sas[i % 3], 0, to_bytes(packet.get()));
    ASSERT_TRUE(opened.has_value()) << i;
    EXPECT_EQ(opened->inner, ipv4_of_size(40 + i));
    EXPECT_EQ(opened->sequence_low, 1 + i / 3);
  }
}

}  // namespace
}  // namespace sallyport::dataplane::testing
