// SPDX-License-Identifier: BSD-3-Clause
// Floods of outer fragments: what the gateway holds of them stays bounded, and good packets, whole or
// fragmented themselves, come through beside them.
#include <optional>
#include <random>

#include "dataplane/path/inbound.h"
#include "dataplane/path/reassembly.h"
#include "tests/dataplane_path/sites_ipv6.h"

namespace sallyport::dataplane::testing {

namespace {

using api::DropReason;
using api::Family;

constexpr uint16_t kMore = 0x2000;
constexpr uint32_t kOneSource = 0xc000024d;  // 192.0.2.77
constexpr uint32_t kFloodIds = 0x8000;       // from here on; good packets have the ids below

enum class From : uint8_t { kStrangers, kOneStranger, kPeer };

struct FloodKind {
  const char* name;
  Family outer;  // of the good packets; a flood is of both families
  From from;
  bool overlapping;
};

// Fragments that never make a packet.
class Flood {
 public:
  explicit Flood(const FloodKind& kind) : kind_(kind) {}

  Bytes next() {
    const bool is_ipv6 = random_() % 2 == 0;
    // 64 bytes at odd multiples of 8 don't follow on the first 64.
    uint32_t id = kFloodIds + random_() % kFloodIds,
             offset = random_() % 4 == 0 ? 0 : 8 * (random_() % 180 | 1);
    bool more = random_() % 4 != 0 || offset == 0;
    if (kind_.overlapping) {  // of a few datagrams, in pieces of 64 bytes each 8 bytes behind the last one
      id = kFloodIds + count_ / 4 % 7;
      offset = 8 * (count_ % 4);
      more = count_ % 4 != 3;
      ++count_;
    }
    return is_ipv6 ? ipv6_fragment(id, offset, more) : ipv4_fragment(id, offset, more);
  }

 private:
  Bytes ipv4_fragment(uint32_t id, uint32_t offset, bool more) {
    const uint32_t source = kind_.from == From::kPeer          ? kPublicB
                            : kind_.from == From::kOneStranger ? kOneSource
                                                               : static_cast<uint32_t>(random_());
    const auto flags = static_cast<uint16_t>(offset / 8 | (more ? kMore : 0));
    return ipv4(Bytes(64), {source, kPublicA, 50, 0, 64, static_cast<uint16_t>(id), flags});
  }
  Bytes ipv6_fragment(uint32_t id, uint32_t offset, bool more) {
    Ip6 source = kind_.from == From::kPeer ? kPublicB6 : kStranger;
    if (kind_.from == From::kStrangers) source[9] = static_cast<uint8_t>(random_());
    return ipv6(fragment6(50, offset, more, id, Bytes(64)),
                {.source = source, .destination = kPublicA6, .next_header = 44});
  }

  const FloodKind& kind_;
  std::mt19937 random_{1};
  uint32_t count_ = 0;
};

std::array<Bytes, 2> in_two(const Bytes& outer, uint32_t id) {
  const bool is_ipv6 = outer[0] >> 4 == 6;
  const long header = is_ipv6 ? 40 : 20, cut = header + 600;
  std::array<Bytes, 2> pieces;
  for (const bool last : {false, true}) {
    const Bytes data(last ? outer.begin() + cut : outer.begin() + header,
                     last ? outer.end() : outer.begin() + cut);
    const uint32_t offset = last ? 600 : 0;
    pieces.at(last) = is_ipv6 ? ipv6(fragment6(outer[6], offset, !last, id, data),
                                     {.source = kPublicB6, .destination = kPublicA6, .next_header = 44})
                              : ipv4(data, {kPublicB, kPublicA, outer[9], 0, 64, static_cast<uint16_t>(id),
                                            static_cast<uint16_t>(offset / 8 | (last ? 0 : kMore))});
  }
  return pieces;
}

class FloodTest : public PathTest, public ::testing::WithParamInterface<FloodKind> {};

TEST_P(FloodTest, LosesNoGoodPacketAndHoldsNoMoreThanItsBound) {
  constexpr uint32_t kRounds = 400, kBetween = 100;  // flood fragments before each good frame
  static_assert(kBetween < Reassembler::kMaxPartFragments - 2);
  DualA a(GetParam().outer);
  a.add_sas();
  Flood flood(GetParam());
  uint64_t flooded = 0, sequence = 0;
  const uint32_t free_before = rte_mempool_avail_count(packet_pool());
  const auto flooded_then = [&](const Bytes& good) {
    for (uint32_t i = 0; i < kBetween; ++i, ++flooded)
      a.from_outside(flood.next());
    a.from_outside(good);
    a.gateway.poll();
  };
  for (uint32_t round = 0; round < kRounds; ++round) {
    const Bytes inner = ipv4_of_size(1000, {kHostB, kHostA, 17, 0, 64, static_cast<uint16_t>(round)});
    const auto pieces = in_two(seal(a.inbound, ++sequence, inner), round);
    flooded_then(pieces[round % 2]);
    flooded_then(pieces[1 - round % 2]);
    flooded_then(seal(a.inbound, ++sequence, inner));
    const auto lan = a.gateway.sent(kLanPort);
    ASSERT_EQ(lan.size(), 2u) << "in round " << round;
    EXPECT_EQ(without_ethernet(lan[0]), forwarded(inner));
    EXPECT_EQ(without_ethernet(lan[1]), forwarded(inner));
    ASSERT_LE(free_before - rte_mempool_avail_count(packet_pool()), Reassembler::kMaxFragments);
  }
  EXPECT_EQ(flooded, 3ull * kRounds * kBetween);
  const uint64_t given_up = a.gateway.drops(DropReason::kFragmentTableFull);
  EXPECT_GE(given_up + a.gateway.drops(DropReason::kFragmentTimeout), flooded - Reassembler::kMaxFragments);
  EXPECT_EQ(given_up + a.gateway.drops(DropReason::kFragmentTimeout), a.gateway.all_drops());
}

INSTANTIATE_TEST_SUITE_P(
    Table, FloodTest,
    ::testing::Values(FloodKind{"StrangersOverIpv4", Family::kIpv4, From::kStrangers, false},
                      FloodKind{"StrangersOverIpv6", Family::kIpv6, From::kStrangers, false},
                      FloodKind{"OneStrangerOverIpv4", Family::kIpv4, From::kOneStranger, false},
                      FloodKind{"OneStrangerOverIpv6", Family::kIpv6, From::kOneStranger, false},
                      FloodKind{"PeersAddressOverIpv4", Family::kIpv4, From::kPeer, false},
                      FloodKind{"PeersAddressOverIpv6", Family::kIpv6, From::kPeer, false},
                      FloodKind{"OverlapOfStrangersOverIpv4", Family::kIpv4, From::kStrangers, true},
                      FloodKind{"OverlapOfStrangersOverIpv6", Family::kIpv6, From::kStrangers, true},
                      FloodKind{"OverlapWithPeersAddressOverIpv4", Family::kIpv4, From::kPeer, true},
                      FloodKind{"OverlapWithPeersAddressOverIpv6", Family::kIpv6, From::kPeer, true}),
    [](const auto& info) { return info.param.name; });

// Each last one of a burst makes as many packets as it can; all of them are judged by their ICV.
TEST_F(PathTest, ForgeriesOfThePeersFirstFragmentsTakeNoDatagramAlong) {
  constexpr uint32_t kForged = Reassembler::kMaxUses - 1;
  DualA a(Family::kIpv4);
  a.add_sas();
  std::vector<Bytes> inner, last_ones;
  for (uint32_t i = 0; i < kBurst; ++i) {
    inner.push_back(ipv4_of_size(1000, {kHostB, kHostA, 17, 0, 64, static_cast<uint16_t>(i)}));
    const auto pieces = in_two(seal(a.inbound, i + 1, inner.back()), i);
    last_ones.push_back(pieces[1]);
    for (uint32_t forged = 0; forged <= kForged; ++forged) {
      Bytes first = pieces[0];
      if (forged != i % (kForged + 1)) first[60 + forged] ^= 1;  // behind SPI, sequence number and IV
      a.from_outside(first);
    }
    a.gateway.poll();
  }
  for (const Bytes& last : last_ones)
    a.from_outside(last);
  a.gateway.poll();
  const auto lan = a.gateway.sent(kLanPort);
  ASSERT_EQ(lan.size(), kBurst);
  for (uint32_t i = 0; i < kBurst; ++i)
    EXPECT_EQ(without_ethernet(lan[i]), forwarded(inner[i]));
  // Those that are tried after the good one are dropped for its sequence number.
  EXPECT_EQ(a.gateway.drops(DropReason::kIcvFailed) + a.gateway.drops(DropReason::kReplay), kForged * kBurst);
  EXPECT_GE(a.gateway.drops(DropReason::kIcvFailed), kForged * kBurst / 2);
  EXPECT_EQ(a.gateway.all_drops(), kForged * kBurst);
}

// Data to a public address of A, in fragments.
std::vector<Bytes> in_fragments(const Bytes& data, uint8_t protocol, bool is_ipv6) {
  std::vector<Bytes> fragments;
  for (size_t at = 0; at < data.size(); at += 1400) {
    const size_t end = std::min(at + 1400, data.size());
    const bool more = end != data.size();
    const Bytes part(data.begin() + static_cast<long>(at), data.begin() + static_cast<long>(end));
    fragments.push_back(is_ipv6 ? ipv6(fragment6(protocol, static_cast<uint32_t>(at), more, 7, part),
                                       {.source = kPublicB6, .destination = kPublicA6, .next_header = 44})
                                : ipv4(part, {kPublicB, kPublicA, protocol, 0, 64, 7,
                                              static_cast<uint16_t>(at / 8 | (more ? kMore : 0u))}));
  }
  return fragments;
}

// RFC 7296 section 2: 3000 bytes are to be expected of a peer, with certificates more, and not each fragments
// them itself (RFC 7383).
TEST_F(PathTest, LargeIkeComesInFragments) {
  constexpr uint8_t kUdp = 17, kEsp = 50, kIcmp = 1, kIcmpv6 = 58;
  const auto message = [](uint16_t port, size_t bytes, uint8_t first) {
    Bytes payload(bytes);
    for (size_t i = 0; i < bytes; ++i)
      payload[i] = static_cast<uint8_t>(i * 7 / 5);
    std::fill_n(payload.begin(), 16, first);
    return with_ports(500, port, payload);
  };
  struct {
    const char* description;
    uint8_t protocol;
    Bytes data;
    std::optional<DropReason> drop;
  } const cases[] = {
      {"IKE of 3000 bytes", kUdp, message(500, 3000, 1), {}},
      {"first IKE of 3000 bytes", kUdp, message(500, 3000, 0), {}},
      {"IKE on port 4500", kUdp, message(4500, 5000, 0), {}},
      {"IKE of 9000 bytes", kUdp, message(500, 9000, 1), {}},
      {"more than that", kUdp, message(500, 10'000, 1), DropReason::kReassembledTooLarge},
      {"ESP", kEsp, Bytes(3000), DropReason::kReassembledTooLarge},
      {"ESP in UDP", kUdp, message(4500, 3000, 1), DropReason::kReassembledTooLarge},
      {"ICMP", kIcmp, Bytes(3000), DropReason::kReassembledTooLarge},
      {"ICMPv6", kIcmpv6, Bytes(3000), DropReason::kReassembledTooLarge},
      {"another port", kUdp, message(501, 3000, 1), DropReason::kNotForUs},
  };
  for (const auto& one : cases) {
    for (const bool is_ipv6 : {false, true}) {
      if (one.protocol == (is_ipv6 ? kIcmp : kIcmpv6)) continue;
      SCOPED_TRACE(std::string(one.description) + (is_ipv6 ? " in IPv6" : " in IPv4"));
      DualA a;
      for (const Bytes& fragment : in_fragments(one.data, one.protocol, is_ipv6))
        a.from_outside(fragment);
      a.gateway.poll();
      const PacketPtr punted = a.gateway.exception();
      ASSERT_EQ(punted == nullptr, one.drop.has_value());
      EXPECT_EQ(a.gateway.all_drops(), one.drop.has_value() ? 1u : 0u);
      if (one.drop.has_value()) {
        EXPECT_EQ(a.gateway.drops(*one.drop), 1u);
        continue;
      }
      EXPECT_EQ(meta_of(punted.get()).kind, MetaKind::kPuntPort);
      const Bytes packet = without_ethernet(to_bytes(punted.get()));
      EXPECT_EQ(packet,
                is_ipv6 ? ipv6(one.data, {.source = kPublicB6, .destination = kPublicA6, .next_header = kUdp})
                        : ipv4(one.data, {kPublicB, kPublicA, kUdp, 0, 64, 7}));
    }
  }
}

// RFC 6980 section 5.
TEST_F(PathTest, NeighbourDiscoveryDoesNotComeInFragments) {
  constexpr uint8_t kEcho = 128, kRouterAdvertisement = 134, kSolicitation = 135, kRedirect = 137,
                    kPathSolicitation = 148, kPathAdvertisement = 149;
  for (const uint8_t type :
       {kEcho, kRouterAdvertisement, kSolicitation, kRedirect, kPathSolicitation, kPathAdvertisement}) {
    SCOPED_TRACE(static_cast<int>(type));
    DualA a;
    const Bytes message = icmp6(type, 0, Bytes(60), {.source = kPublicB6, .destination = kPublicA6});
    for (const bool last : {false, true}) {
      const Bytes part(message.begin() + (last ? 56 : 40), last ? message.end() : message.begin() + 56);
      a.from_outside(
          ipv6(fragment6(58, last ? 16 : 0, !last, 7, part),
               {.source = kPublicB6, .destination = kPublicA6, .next_header = 44, .hop_limit = 255}));
    }
    a.gateway.poll();
    const bool passes = type == kEcho || type == kPathAdvertisement;
    EXPECT_EQ(a.gateway.exception() != nullptr, passes);
    EXPECT_EQ(a.gateway.drops(DropReason::kIpv6Extension), passes ? 0u : 1u);
    EXPECT_EQ(a.gateway.all_drops(), passes ? 0u : 1u);
  }
}

class ReassemblerTest : public PathTest {
 protected:
  void SetUp() override {
    PathTest::SetUp();
    reassembler_ = Reassembler::create(SOCKET_ID_ANY);
    ASSERT_NE(reassembler_, nullptr);
  }
  void TearDown() override {
    reassembler_.reset();
    PathTest::TearDown();
  }

  // The first or the second half of a datagram of this source.
  Reassembler::Outcome add(uint32_t source, uint32_t id, bool second) {
    const auto flags = static_cast<uint16_t>(second ? 8 : kMore);
    return reassembler_->add(
        to_packet(ipv4(Bytes(64), {source, kPublicA, 50, 0, 64, static_cast<uint16_t>(id), flags})));
  }
  static bool is_complete(const Reassembler::Outcome& outcome) {
    for (uint32_t i = 0; i < outcome.count; ++i)
      rte_pktmbuf_free(outcome.packets.at(i));
    return outcome.count > 0;
  }
  uint32_t held() const { return packets_before_ - rte_mempool_avail_count(packet_pool()); }

  std::unique_ptr<Reassembler> reassembler_;
};

// A part is reached by chance: of 200 sources it is 25, give or take.
TEST_F(ReassemblerTest, ASourceThatFloodsReachesOnlyItsPart) {
  constexpr uint32_t kSources = 200;
  uint32_t given_up = 0, complete = 0;
  for (uint32_t i = 0; i < kSources; ++i)
    EXPECT_EQ(add(0xc6120000 + i, 1, false).given_up, 0u);
  for (uint32_t id = 0; id < 10'000; ++id)
    given_up += add(kOneSource, id, false).given_up;
  EXPECT_LE(held(), kSources + Reassembler::kMaxPartFragments);
  EXPECT_EQ(held() + given_up, kSources + 10'000);
  for (uint32_t i = 0; i < kSources; ++i) {
    complete += is_complete(add(0xc6120000 + i, 1, true));
  }
  EXPECT_GE(complete, kSources - 60);
  EXPECT_LT(complete, kSources) << "its own part has the bound that every part has";
}

TEST_F(ReassemblerTest, TheOldestDatagramGoesAtTheBoundExactly) {
  for (const uint32_t between : {Reassembler::kMaxPartFragments - 2, Reassembler::kMaxPartFragments - 1}) {
    add(kPublicB, 0, false);
    for (uint32_t id = 1; id <= between; ++id)
      add(kPublicB, id, false);
    EXPECT_EQ(is_complete(add(kPublicB, 0, true)), between == Reassembler::kMaxPartFragments - 2) << between;
    reassembler_ = Reassembler::create(SOCKET_ID_ANY);
  }
}

TEST_F(ReassemblerTest, HoldsNoMoreThanItMay) {
  for (const uint32_t most : {8u, 80u, 2 * Reassembler::kMaxFragments}) {
    reassembler_ = Reassembler::create(SOCKET_ID_ANY, most);
    const uint32_t bound = std::min(most, Reassembler::kMaxFragments);
    for (uint32_t source = 0; source < 4 * bound; ++source)
      add(0xc6120000 + source, 1, false);
    EXPECT_LE(held(), bound);
    EXPECT_GT(held(), bound / 2);
  }
}

TEST_F(ReassemblerTest, ForgetsWhatWasNeverCompleted) {
  constexpr uint64_t kStart = 5'000'000'000;
  EXPECT_EQ(reassembler_->expire(kStart), 0u);
  for (uint32_t source = 0; source < Reassembler::kMaxFragments; ++source)
    add(0xc6120000 + source, 1, false);
  const uint32_t before = held();
  EXPECT_GT(before, Reassembler::kMaxFragments / 2);
  for (const uint64_t later : {Reassembler::kTimeoutNs - 1, Reassembler::kTimeoutNs})
    EXPECT_EQ(reassembler_->expire(kStart + later), 0u) << "not yet as old";
  EXPECT_EQ(held(), before);
  EXPECT_EQ(reassembler_->expire(kStart + 2 * Reassembler::kTimeoutNs), before);
  EXPECT_EQ(held(), 0u);
}

}  // namespace

}  // namespace sallyport::dataplane::testing
