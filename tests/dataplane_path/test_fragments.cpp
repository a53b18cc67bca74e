// SPDX-License-Identifier: BSD-3-Clause
// Which fragments make which datagram: pieces in every order, strays among them, overlap, duplicates, bounds.
#include <algorithm>
#include <numeric>

#include "tests/dataplane_path/fragments_fixture.h"

namespace sallyport::dataplane::testing {

namespace {

using api::Family;

TEST_F(FragmentsTest, AnyOrderMakesTheDatagram) {
  uint32_t id = 0;
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    for (uint32_t count = 2; count <= 5; ++count) {
      const Bytes data = random_bytes(203);
      const std::vector<Piece> pieces = pieces_of(data, count);
      std::vector<uint32_t> order(count);
      std::iota(order.begin(), order.end(), 0);
      do {
        ++id;
        for (uint32_t i = 0; i < count; ++i) {
          const Made made = add(family, id, pieces[order[i]]);
          EXPECT_EQ(made.given_up, 0u);
          EXPECT_EQ(made.packet, i + 1 == count ? whole(family, id, data) : Bytes{});
        }
      } while (std::next_permutation(order.begin(), order.end()));
    }
  }
  start_over();
  EXPECT_EQ(held(), 0u);
}

// One fragment of a flood with the same identification, at any place among the good ones, in any order of
// these.
TEST_F(FragmentsTest, AStrayHarmsNothingInIpv4) {
  const Bytes data = random_bytes(203);
  const std::vector<Piece> good = pieces_of(data, 3);  // 0, 16, 40, 203
  struct Stray {
    const char* description;
    Piece piece;
  };
  const std::vector<Stray> strays = {
      {"a first one that ends elsewhere", {0, Bytes(24), true}},
      {"a first one of the same size", {0, Bytes(16), true}},
      {"the first two", {0, Bytes(40), true}},
      {"a middle one that overlaps", {8, Bytes(16), true}},
      {"a middle one that ends as the first", {8, Bytes(8), true}},
      {"a middle one that begins as the last", {40, Bytes(8), true}},
      {"a middle one of the same size", {16, Bytes(24), true}},
      {"far behind the end", {8000, Bytes(64), true}},
      {"an end within", {24, Bytes(64), false}},
      {"an end behind the end", {800, Bytes(64), false}},
      {"an end where the middle one ends", {24, Bytes(16), false}},
      {"a last one in the place of the last", {40, Bytes(64), false}},
      {"a last one in the place of the middle", {16, Bytes(64), false}},
      {"a whole datagram but for its flag", {0, Bytes(208), true}},
  };
  for (const Stray& stray : strays) {
    std::vector<uint32_t> order = {0, 1, 2};
    do {
      for (uint32_t at = 0; at <= good.size(); ++at) {
        SCOPED_TRACE(stray.description + (" at " + std::to_string(at)));
        start_over();
        std::vector<Piece> arrivals;
        for (const uint32_t i : order)
          arrivals.push_back(good[i]);
        arrivals.insert(arrivals.begin() + at, stray.piece);
        int64_t right = 0;
        uint32_t given_up = 0;
        for (const Piece& piece : arrivals) {
          const Made made = add(Family::kIpv4, 7, piece);
          right += std::ranges::count(made.packets, whole(Family::kIpv4, 7, data));
          given_up += made.given_up;
        }
        EXPECT_EQ(right, 1);
        EXPECT_EQ(given_up, 0u);
      }
    } while (std::next_permutation(order.begin(), order.end()));
  }
}

// Such as somebody sends who knows the peer's address and sizes: only ESP's ICV tells them from good ones.
TEST_F(FragmentsTest, ForgeriesOfTheSamePlaceHarmNothingInIpv4) {
  const Bytes data = random_bytes(203);
  for (const uint32_t count : {2u, 3u}) {
    const std::vector<Piece> good = pieces_of(data, count);
    for (uint32_t forged = 0; forged < count; ++forged) {
      for (uint32_t newest = 0; newest < count; ++newest) {
        start_over();
        for (uint32_t i = 0; i < count; ++i)
          if (i != newest && i != forged) add(Family::kIpv4, 7, good[i]);
        std::vector<Bytes> made;
        const auto add_and_keep = [&](const Piece& piece) {
          for (Bytes& packet : add(Family::kIpv4, 7, piece).packets)
            made.push_back(std::move(packet));
        };
        const auto forge = [&] {
          Piece piece = good[forged];
          piece.data[2] ^= static_cast<uint8_t>(1 + made.size() + random_() % 100);
          add_and_keep(piece);
        };
        forge();
        if (forged != newest) add_and_keep(good[forged]);
        forge();
        add_and_keep(good[newest]);
        EXPECT_EQ(std::ranges::count(made, whole(Family::kIpv4, 7, data)), 1) << forged << ' ' << newest;
      }
    }
  }
}

TEST_F(FragmentsTest, AnIpv4FragmentGoesIntoSomePackets) {
  const std::vector<Piece> good = pieces_of(random_bytes(203), 2);
  add(Family::kIpv4, 7, good[0]);
  uint32_t given_up = 0;
  for (uint32_t i = 0; i < Reassembler::kMaxUses; ++i) {
    const Bytes forged = random_bytes(100 + i);
    Bytes data = good[0].data;
    data.insert(data.end(), forged.begin(), forged.end());
    const Made made = add(Family::kIpv4, 7, {good[1].begin, forged, false});
    EXPECT_EQ(made.packet, whole(Family::kIpv4, 7, data));
    given_up += made.given_up;
  }
  EXPECT_EQ(held(), Reassembler::kMaxUses) << "without the first one";
  EXPECT_TRUE(add(Family::kIpv4, 7, good[1]).packet.empty());
  for (const uint64_t now_s : {1, 3})
    given_up += reassembler_->expire(now_s * 1'000'000'000);
  EXPECT_EQ(held(), 0u);
  EXPECT_EQ(given_up, 1u) << "the only one that went into no packet";
}

TEST_F(FragmentsTest, OverlapGivesUpTheWholeIpv6Datagram) {
  const Bytes data = random_bytes(203);
  const std::vector<Piece> good = pieces_of(data, 3);  // 0, 16, 40, 203
  const std::vector<Piece> wrong = {
      {0, Bytes(8), true},   {8, Bytes(16), true},   {0, Bytes(24), true},    {0, Bytes(200), true},
      {8, Bytes(64), false}, {32, Bytes(160), true}, {200, Bytes(64), false}, {24, Bytes(16), false},
      {208, Bytes(8), true}, {208, Bytes(8), false},
  };
  uint32_t id = 0;
  for (const Piece& piece : wrong) {
    SCOPED_TRACE(std::to_string(piece.begin) + " to " + std::to_string(piece.end()));
    ++id;
    for (const Piece& held_piece : {good[0], good[2]})
      EXPECT_TRUE(add(Family::kIpv6, id, held_piece).packet.empty());
    EXPECT_EQ(add(Family::kIpv6, id, piece).given_up, 3u);
    EXPECT_EQ(held(), 0u);
    for (const Piece& later : good) {
      const Made made = add(Family::kIpv6, id, later);
      EXPECT_TRUE(made.packet.empty());
      EXPECT_EQ(made.given_up, 1u) << "RFC 5722: not yet received ones, too";
    }
    EXPECT_EQ(held(), 0u);
  }
  for (const uint64_t now_s : {1, 3})
    EXPECT_EQ(reassembler_->expire(now_s * 1'000'000'000), 0u) << "all were counted";
  for (const Piece& piece : good) {  // forgotten after a while
    const Made made = add(Family::kIpv6, 1, piece);
    EXPECT_EQ(made.packet, piece.more ? Bytes{} : whole(Family::kIpv6, 1, data));
  }
}

TEST_F(FragmentsTest, DuplicatesHarmNothing) {
  const Bytes data = random_bytes(203);
  const std::vector<Piece> good = pieces_of(data, 3);
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    uint32_t given_up = 0;
    for (const uint32_t i : {2, 2, 0, 0, 2}) {
      const Made made = add(family, 7, good[i]);
      EXPECT_TRUE(made.packet.empty());
      given_up += made.given_up;
    }
    EXPECT_EQ(given_up, family == Family::kIpv6 ? 3u : 0u) << "IPv4 ones are held until they are old";
    EXPECT_EQ(add(family, 7, good[1]).packets, std::vector<Bytes>(1, whole(family, 7, data)));
    for (const uint64_t now_s : {1, 3})
      given_up += reassembler_->expire(now_s * 1'000'000'000);
    EXPECT_EQ(given_up, 3u);
    start_over();
  }
}

// RFC 3168 section 5.3: congestion that any fragment met is not lost, nor told to who can't be told.
TEST_F(FragmentsTest, CongestionOfAnyFragmentIsTheDatagrams) {
  constexpr uint8_t kNotEct = 0, kEct1 = 1, kEct0 = 2, kCe = 3, kDscp = 46 << 2;
  struct Case {
    std::array<uint8_t, 3> fragments;
    std::optional<uint8_t> whole;
  };
  const std::vector<Case> cases = {
      {{kNotEct, kNotEct, kNotEct}, kNotEct},
      {{kEct0, kEct0, kEct0}, kEct0},
      {{kEct1, kEct1, kEct1}, kEct1},
      {{kCe, kCe, kCe}, kCe},
      {{kCe, kEct0, kEct0}, kCe},
      {{kEct0, kCe, kEct0}, kCe},
      {{kEct1, kEct1, kCe}, kCe},
      {{kEct0, kEct1, kCe}, kCe},
      {{kCe, kNotEct, kEct0}, {}},
      {{kNotEct, kNotEct, kCe}, {}},
      {{kNotEct, kCe, kCe}, {}},
  };
  const Bytes data = random_bytes(203);
  const std::vector<Piece> pieces = pieces_of(data, 3);
  uint32_t id = 0;
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const auto set_class = [&](Bytes& packet, uint8_t value) {
      if (family == Family::kIpv4) {
        packet[1] = value;
      } else {
        packet[0] = static_cast<uint8_t>(6 << 4 | value >> 4);
        packet[1] = static_cast<uint8_t>(value << 4 | (packet[1] & 0x0f));
      }
    };
    for (const Case& one : cases) {
      SCOPED_TRACE(++id);
      Bytes expected;
      if (one.whole.has_value()) {
        expected = whole(family, id, data);
        set_class(expected, kDscp | *one.whole);
      }
      for (const size_t i : {2, 0, 1}) {
        Bytes fragment =
            family == Family::kIpv4 ? fragment_of_ipv4(id, pieces[i]) : fragment_of_ipv6(id, pieces[i]);
        set_class(fragment, kDscp | one.fragments[i]);
        const Made made = add(fragment);
        EXPECT_EQ(made.packet, i == 1 ? expected : Bytes{});
        EXPECT_EQ(made.given_up, 0u);
      }
    }
  }
  const uint32_t without = 2 * static_cast<uint32_t>(std::ranges::count_if(
                                   cases, [](const Case& one) { return !one.whole.has_value(); }));
  EXPECT_EQ(reassembler_->expire(1'000'000'000) + reassembler_->expire(3'000'000'000), 3 * without);
}

TEST_F(FragmentsTest, AForgeryThatEcnRulesOutHarmsNothingInIpv4) {
  const Bytes data = random_bytes(203);
  const std::vector<Piece> good = pieces_of(data, 2);
  Bytes forged = fragment_of_ipv4(7, good[0]);
  forged[1] = 3;
  add(Family::kIpv4, 7, good[0]);
  add(forged);
  const Made made = add(Family::kIpv4, 7, good[1]);
  EXPECT_EQ(made.packets, std::vector<Bytes>(1, whole(Family::kIpv4, 7, data)));
  EXPECT_EQ(made.given_up, 0u);
}

TEST_F(FragmentsTest, FragmentsOfOtherDatagramsAreNotTaken) {
  const std::vector<Piece> good = pieces_of(random_bytes(203), 2);
  const Bytes first = fragment_of_ipv4(7, good[0]), first6 = fragment_of_ipv6(7, good[0]);
  const Bytes last = fragment_of_ipv4(7, good[1]), last6 = fragment_of_ipv6(7, good[1]);
  add(first);
  add(first6);
  for (const size_t at : {4, 5, 9, 12, 15, 16, 19}) {  // identification, protocol, addresses
    Bytes other = last;
    other[at] ^= 1;
    EXPECT_TRUE(add(other).packet.empty()) << at;
  }
  for (const size_t at : {8, 23, 24, 39, 44, 47}) {  // addresses, identification
    Bytes other = last6;
    other[at] ^= 1;
    EXPECT_TRUE(add(other).packet.empty()) << at;
  }
  EXPECT_FALSE(add(last).packet.empty());
  Bytes of_another_protocol = last6;
  of_another_protocol[40] = 17;  // RFC 8200 section 4.5: only the first one's is used
  EXPECT_FALSE(add(of_another_protocol).packet.empty());
}

// In one bucket, where their hashes put them by chance only.
TEST_F(FragmentsTest, OnlyTheWholeKeyFindsAFragment) {
  const auto table = make_dpdk_array<FragmentTable>(1);
  table[0].open(FragmentTable::kFragments);
  constexpr FragmentKey kKey{{1, 2, 3, 4}, {5, 6, 7, 8}, 9, 10};
  std::vector<FragmentKey> others(kKey.words().size(), kKey);
  for (size_t i = 0; i < others.size(); ++i)
    const_cast<uint32_t&>(others[i].words()[i]) ^= 1;
  table[0].put({kKey, to_packet(Bytes(8)), {}, 0, 0}, 3);
  for (const FragmentKey& other : others)
    table[0].put({other, to_packet(Bytes(8)), {}, 0, 0}, 3);
  ASSERT_EQ(table[0].find(kKey, 3).count, 1u);
  EXPECT_EQ(table[0].at(table[0].find(kKey, 3).places[0]).key, kKey);
  for (const FragmentKey& other : others)
    EXPECT_EQ(table[0].find(other, 3).count, 1u);
  EXPECT_EQ(table[0].clear(), 1 + others.size());
}

TEST_F(FragmentsTest, TheFirstOnesHeaderStays) {
  const Bytes data = random_bytes(48);
  Bytes first = with_options(fragment_of_ipv4(7, {0, Bytes(data.begin(), data.begin() + 24), true}),
                             Bytes{7, 7, 4, 0, 0, 0, 0, 0}),
        last = with_options(fragment_of_ipv4(7, {24, Bytes(data.begin() + 24, data.end()), false}), Bytes(4));
  first[1] = 0xb9;
  put16(first, 6, kDf | kMoreFragments);
  first[8] = 33;
  Bytes expected(first.begin(), first.begin() + 28);
  put16(expected, 2, 28 + 48);
  put16(expected, 6, kDf);
  put16(expected, 10, 0);
  expected.insert(expected.end(), data.begin(), data.end());
  EXPECT_TRUE(add(last).packet.empty());
  EXPECT_EQ(add(first).packet, expected);
}

TEST_F(FragmentsTest, WhatCanBeNoPartOfAnyDatagramGoesAtOnce) {
  const std::vector<Piece> impossible = {
      {0, {}, true},           {64, {}, false},          {8, Bytes(63), true}, {65528, Bytes(8), false},
      {65528, Bytes(8), true}, {65528, Bytes(16), true},
  };
  for (const Family family : {Family::kIpv4, Family::kIpv6})
    for (const Piece& piece : impossible) {
      const Made made = add(family, 7, piece);
      EXPECT_TRUE(made.packet.empty());
      EXPECT_EQ(made.given_up, 1u) << piece.begin;
      EXPECT_EQ(held(), 0u);
    }
}

TEST_F(FragmentsTest, WhatNoBufferHoldsLiesInSegments) {
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const uint32_t most = Reassembler::kMaxPacketBytes - (family == Family::kIpv4 ? 20 : 48);
    for (const uint32_t bytes : {kRoomBytes, kRoomBytes + 1, 3000u, 4100u, most, most + 1}) {
      SCOPED_TRACE(bytes);
      const Bytes data = random_bytes(bytes);
      uint32_t given_up = 0;
      Made made{};
      for (uint32_t at = 0; at < bytes; at += 1400) {
        EXPECT_TRUE(made.packets.empty() && made.too_large == 0);
        const uint32_t end = std::min(at + 1400, bytes);
        made = add(family, bytes, {at, Bytes(data.begin() + at, data.begin() + end), end != bytes});
        given_up += made.given_up;
      }
      EXPECT_EQ(made.packet, bytes <= most ? whole(family, bytes, data) : Bytes{});
      EXPECT_EQ(made.too_large, bytes <= most ? 0u : 1u);
      for (const uint64_t now_s : {1, 3})
        given_up += reassembler_->expire(now_s * 1'000'000'000);
      EXPECT_EQ(given_up, 0u) << "counted once";
      EXPECT_EQ(held(), 0u);
      start_over();
    }
  }
}

// Also where the boundaries of their segments differ.
TEST_F(FragmentsTest, DoubledFragmentsOfManySegmentsMakeOnePacket) {
  const Bytes data = random_bytes(4800);
  const std::vector<Piece> good = {{0, Bytes(data.begin(), data.begin() + 1600), true},
                                   {1600, Bytes(data.begin() + 1600, data.begin() + 3200), true},
                                   {3200, Bytes(data.begin() + 3200, data.end()), false}};
  add(Family::kIpv4, 7, good[0]);
  add(with_options(fragment_of_ipv4(7, good[0]), Bytes(4, 1)));
  add(Family::kIpv4, 7, good[1]);
  EXPECT_EQ(add(Family::kIpv4, 7, good[2]).packets.size(), 1u);
  Piece other = good[2];
  other.data.back() ^= 1;
  EXPECT_EQ(add(Family::kIpv4, 7, other).packets.size(), 1u);
}

TEST_F(FragmentsTest, OneDatagramHoldsSixteen) {
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    uint32_t given_up = 0;
    for (uint32_t i = 0; i < 8000; ++i) {  // no two overlap
      given_up += add(family, 7, {8 * (1 + i), Bytes(8), true}).given_up;
      ASSERT_LE(held(), kMaxPieces);
    }
    EXPECT_EQ(given_up, 8000 - kMaxPieces);
    Bytes data;
    for (uint32_t i = 0; i < kMaxPieces; ++i) {
      const Bytes piece = random_bytes(8);
      data.insert(data.end(), piece.begin(), piece.end());
      const Made made = add(family, 8, {8 * i, piece, i + 1 != kMaxPieces});
      EXPECT_EQ(made.packet, i + 1 == kMaxPieces ? whole(family, 8, data) : Bytes{});
    }
    start_over();
  }
}

TEST_F(FragmentsTest, AgeIsTheFragmentsOwn) {
  const std::vector<Piece> good = pieces_of(random_bytes(203), 2);
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    start_over();
    reassembler_->expire(10'000'000'000);
    add(family, 7, good[0]);
    reassembler_->expire(11'000'000'000);
    add(family, 8, good[0]);
    EXPECT_EQ(reassembler_->expire(11'999'999'999), 0u);
    EXPECT_EQ(reassembler_->expire(12'000'000'000), 1u);
    EXPECT_TRUE(add(family, 7, good[1]).packet.empty());
    EXPECT_FALSE(add(family, 8, good[1]).packet.empty());
  }
}

}  // namespace

}  // namespace sallyport::dataplane::testing
