// SPDX-License-Identifier: BSD-3-Clause
// Random fragments of one datagram at a time, and what a plain model makes of them.
#include <algorithm>

#include "tests/dataplane_path/fragments_fixture.h"

namespace sallyport::dataplane::testing {

namespace {

using api::Family;

// What the model holds of one datagram.
struct Held {
  Piece piece;
  uint32_t uses = 0;
};

// All ways in which the pieces, each once, make data from `at` on to an end.
void find_data(const std::vector<Held>& held, uint32_t at, const std::vector<size_t>& taken,
               std::vector<std::vector<size_t>>& found) {
  for (size_t i = 0; i < held.size(); ++i) {
    if (held[i].piece.begin != at) continue;
    std::vector<size_t> with = taken;
    with.push_back(i);
    if (!held[i].piece.more) found.push_back(with);
    if (held[i].piece.more) find_data(held, held[i].piece.end(), with, found);
  }
}

Bytes data_of(const std::vector<Held>& held, const std::vector<size_t>& pieces) {
  Bytes data;
  for (const size_t i : pieces)
    data.insert(data.end(), held[i].piece.data.begin(), held[i].piece.data.end());
  return data;
}

struct Expected {
  std::vector<std::vector<size_t>> packets;  // of which pieces; the newest piece is in each
  uint32_t given_up = 0;
};

Expected expect_ipv4(std::vector<Held>& held, const Piece& piece) {
  Expected expected;
  held.push_back({piece});
  if (held.size() > kMaxPieces) {
    expected.given_up = held.front().uses == 0;
    held.erase(held.begin());
  }
  find_data(held, 0, {}, expected.packets);
  std::erase_if(expected.packets, [&](const std::vector<size_t>& pieces) {
    return std::find(pieces.begin(), pieces.end(), held.size() - 1) == pieces.end();
  });
  return expected;
}

TEST_F(FragmentsTest, RandomIpv4FragmentsMakeWhatAPlainModelMakesOfThem) {
  uint32_t made_packets = 0;
  for (uint32_t id = 0; id < 3000; ++id) {
    std::vector<Held> held;
    for (int i = 0; i < 30; ++i) {
      const auto units = static_cast<uint32_t>(1 + random_() % 3);
      const bool more = random_() % 4 != 0;
      const Piece piece{static_cast<uint32_t>(8 * (random_() % 5)),
                        random_bytes(8 * units - (more ? 0 : random_() % 8)), more};
      const Expected expected = expect_ipv4(held, piece);
      const Made made = add(Family::kIpv4, id, piece);
      ASSERT_EQ(made.given_up, expected.given_up);
      std::vector<std::vector<size_t>> missing = expected.packets;
      for (const Bytes& packet : made.packets) {
        const auto found = std::ranges::find_if(missing, [&](const auto& pieces) {
          return whole(Family::kIpv4, id, data_of(held, pieces)) == packet;
        });
        ASSERT_NE(found, missing.end());
        for (const size_t used : *found)
          ++held[used].uses;
        missing.erase(found);
      }
      made_packets += static_cast<uint32_t>(made.packets.size());
      ASSERT_EQ(made.packets.empty(), expected.packets.empty());
      for (const Held& one : held)
        ASSERT_LE(one.uses, Reassembler::kMaxUses);
      const bool are_used_up = std::ranges::all_of(missing, [&](const auto& pieces) {
        return std::ranges::any_of(pieces, [&](size_t i) { return held[i].uses == Reassembler::kMaxUses; });
      });
      ASSERT_TRUE(are_used_up || expected.packets.size() > kMaxCovers);
      std::erase_if(held, [](const Held& one) { return one.uses == Reassembler::kMaxUses; });
    }
    start_over();
  }
  EXPECT_GT(made_packets, 10'000u);
}

TEST_F(FragmentsTest, RandomIpv6FragmentsMakeWhatAPlainModelMakesOfThem) {
  uint32_t made_packets = 0, abandoned_datagrams = 0;
  for (uint32_t id = 0; id < 5000; ++id) {
    const Bytes data = random_bytes(5 * 8 + 3);
    std::vector<Held> held;
    bool is_abandoned = false;
    for (int i = 0; i < 12; ++i) {
      const auto begin = static_cast<uint32_t>(8 * (random_() % 6));
      const auto end = std::min<uint32_t>(begin + 8 * (random_() % 8 == 0 ? 2 : 1), 43);
      const Piece piece{begin, Bytes(data.begin() + begin, data.begin() + end), end != 43};
      const auto is_same = [&](const Held& one) { return one.piece == piece; };
      const auto overlaps = [&](const Held& one) {
        return one.piece.begin < piece.end() && piece.begin < one.piece.end();
      };
      uint32_t given_up = 0;
      Bytes packet;
      if (is_abandoned || std::any_of(held.begin(), held.end(), is_same)) {
        given_up = 1;
      } else if (std::any_of(held.begin(), held.end(), overlaps)) {
        given_up = static_cast<uint32_t>(held.size()) + 1;
        held.clear();
        is_abandoned = true;
        ++abandoned_datagrams;
      } else {
        held.push_back({piece});
        std::vector<std::vector<size_t>> found;
        find_data(held, 0, {}, found);
        if (!found.empty()) {
          packet = whole(Family::kIpv6, id, data_of(held, found[0]));
          held.clear();
          ++made_packets;
        }
      }
      const Made made = add(Family::kIpv6, id, piece);
      ASSERT_EQ(made.packet, packet);
      ASSERT_EQ(made.given_up, given_up);
    }
    start_over();
  }
  EXPECT_GT(made_packets, 500u);
  EXPECT_GT(abandoned_datagrams, 500u);
}

}  // namespace

}  // namespace sallyport::dataplane::testing
