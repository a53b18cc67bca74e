// SPDX-License-Identifier: BSD-3-Clause
// Replay windows: tables of edges for all sizes, a comparison with a set of all numbers seen, and ESN's
// inference.
#include "dataplane/sa/replay_window.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

namespace sallyport::dataplane {
namespace {

struct Window {
  explicit Window(uint32_t packets, uint64_t right_edge = 0) : storage(ReplayWindow::words_for(packets)) {
    EXPECT_TRUE(window.open(packets, right_edge, storage));
  }
  std::vector<uint64_t> storage;
  ReplayWindow window;
};

class ReplaySizes : public ::testing::TestWithParam<uint32_t> {};

TEST_P(ReplaySizes, EdgesAreExact) {
  const uint64_t size = GetParam();
  Window w(GetParam());
  ReplayWindow& window = w.window;
  EXPECT_FALSE(window.check_replay(0)) << "0 is never sent";
  EXPECT_TRUE(window.advance_replay(1));
  const uint64_t edge = 10 * size;
  EXPECT_TRUE(window.advance_replay(edge));
  struct Case {
    uint64_t back;
    bool accepted;
  };
  for (const Case c :
       {Case{0, false}, {1, true}, {size - 2, true}, {size - 1, true}, {size, false}, {size + 1, false}}) {
    EXPECT_EQ(window.check_replay(edge - c.back), c.accepted)
        << size << ": " << c.back << " left of the edge";
    EXPECT_EQ(window.advance_replay(edge - c.back), c.accepted);
    EXPECT_FALSE(window.check_replay(edge - c.back)) << "twice";
    EXPECT_FALSE(window.advance_replay(edge - c.back)) << "twice";
  }
  EXPECT_EQ(window.right_edge(), edge);
}

TEST_P(ReplaySizes, CheckChangesNothing) {
  Window w(GetParam());
  ASSERT_TRUE(w.window.advance_replay(100));
  const std::vector<uint64_t> before = w.storage;
  w.window.check_replay(5000);
  w.window.check_replay(99);
  w.window.check_replay(100);
  EXPECT_EQ(w.storage, before);
  EXPECT_EQ(w.window.right_edge(), 100u);
}

TEST_P(ReplaySizes, AgreesWithASetOfAllNumbers) {
  const uint64_t size = GetParam();
  Window w(GetParam());
  std::mt19937_64 random(size);
  std::set<uint64_t> seen;
  uint64_t edge = 0;
  for (int i = 0; i < 60000; ++i) {
    uint64_t number;
    if (random() % 100 == 0) {
      number = edge + 1 + random() % (3 * size);  // a jump
    } else {
      number = edge + 8 - std::min(edge + 7, random() % (size + 40));
    }
    const bool expected = number > edge || (edge - number < size && !seen.contains(number));
    ASSERT_EQ(w.window.check_replay(number), expected) << number << " at " << edge;
    ASSERT_EQ(w.window.advance_replay(number), expected) << number << " at " << edge;
    seen.insert(number);
    edge = std::max(edge, number);
    ASSERT_EQ(w.window.right_edge(), edge);
  }
}

TEST_P(ReplaySizes, RestartedWindowIsClosed) {
  for (const uint64_t edge : {1ull, 63ull, 64ull, 65ull, 12345ull, 0x100000000ull, 0x1ffffffffull}) {
    Window w(GetParam(), edge);
    for (uint64_t back = 0; back < std::min<uint64_t>(edge, GetParam() + 200); ++back) {
      ASSERT_FALSE(w.window.check_replay(edge - back)) << back << " left of " << edge;
    }
    for (uint64_t ahead = 1; ahead < 2 * GetParam(); ++ahead) {
      ASSERT_TRUE(w.window.advance_replay(edge + ahead)) << ahead << " right of " << edge;
      ASSERT_FALSE(w.window.advance_replay(edge));
    }
  }
}

// Runs of random lengths go through a front, a second window takes the same numbers one by one.
void expect_front_agrees(uint32_t size, uint64_t edge, std::mt19937_64& random) {
  Window plain(size, edge), runs(size, edge);
  uint32_t by_front = 0;
  for (int run = 0; run < 2000; ++run) {
    ReplayWindow::Front front(runs.window);
    for (uint64_t left = 1 + random() % 20; left > 0; --left) {
      const uint64_t now = plain.window.right_edge(), kind = random() % 16;
      uint64_t number = now + 1 + (kind < 4 ? random() % 9 : 0);
      if (kind == 14) number = now + random() % (3 * size + 200);
      if (kind == 15) number = now - std::min(now, random() % (size + 70));
      const bool in_word = number > now && number / 64 == now / 64;
      const bool expected = plain.window.advance_replay(number);
      const bool taken = front.advance(number);
      ASSERT_EQ(taken, in_word || (size == 0 && number <= now)) << number << " at " << now;
      if (taken) {
        ASSERT_TRUE(expected) << number << " at " << now;
        ++by_front;
        continue;
      }
      front.put_back(runs.window);
      ASSERT_EQ(runs.window.right_edge(), now) << "no change";
      ASSERT_EQ(runs.window.advance_replay(number), expected) << number << " at " << now;
      front = ReplayWindow::Front(runs.window);
    }
    front.put_back(runs.window);
    ASSERT_EQ(runs.window.right_edge(), plain.window.right_edge());
    ASSERT_EQ(runs.storage, plain.storage);
  }
  EXPECT_GT(by_front, 10000u);
}

TEST_P(ReplaySizes, AFrontAgreesWithTheWindow) {
  std::mt19937_64 random(GetParam());
  for (const uint64_t edge : {0ull, 1ull, 62ull, 63ull, 64ull, 12345ull, 0xfffffff0ull, 0x3ffffffffull})
    expect_front_agrees(GetParam(), edge, random);
}

TEST(ReplayWindow, AFrontOfAWindowThatIsOffFollowsTheEdge) {
  std::mt19937_64 random(7);
  for (const uint64_t edge : {0ull, 63ull, 0xfffffff0ull})
    expect_front_agrees(0, edge, random);
}

// Of a window that is off there is no word.
TEST(ReplayWindow, FetchesNothingWhereItIsOff) {
  Window w(0, 12345);
  w.window.prefetch();
}

INSTANTIATE_TEST_SUITE_P(Sizes, ReplaySizes,
                         ::testing::Values(32, 33, 63, 64, 65, 128, 1000, 1024, 4095, 4096));

TEST(ReplayWindow, RefusesOtherSizes) {
  std::vector<uint64_t> storage(256);
  ReplayWindow window;
  for (const uint32_t packets : {1u, 31u, 4097u, 1u << 31})
    EXPECT_FALSE(window.open(packets, 0, storage)) << packets;
  EXPECT_FALSE(window.open(4096, 0, std::span(storage).first(64))) << "too little storage";
  EXPECT_EQ(window.packets(), 0u);
}

TEST(ReplayWindow, OffAcceptsEverythingAndFollowsTheEdge) {
  Window w(0);
  for (const uint64_t number : {5, 5, 1, 900, 5})
    EXPECT_TRUE(w.window.advance_replay(number));
  EXPECT_EQ(w.window.right_edge(), 900u);
}

// RFC 4303 appendix A2.2: {window, right edge, low word received, whole number inferred}.
TEST(ReplayWindow, InfersTheHighWord) {
  struct Case {
    uint32_t packets;
    uint64_t edge;
    uint32_t low;
    uint64_t expected;
  };
  const std::vector<Case> cases = {
      {64, 0, 1, 1},
      {64, 1000, 1001, 1001},
      {64, 1000, 937, 937},                        // the window's last
      {64, 1000, 936, 0x1000003a8},                // left of it: the next epoch
      {64, 0xffffffff, 0, 0x100000000},            // forward over the end
      {64, 0xffffffff, 0xffffffc0, 0xffffffc0},    // W-1 back
      {64, 0x100000005, 0xfffffffe, 0xfffffffe},   // late, of the epoch before
      {64, 0x100000005, 0xffffffc6, 0xffffffc6},   // W-1 back across the end
      {64, 0x100000005, 0xffffffc5, 0x1ffffffc5},  // W back: ahead in this epoch
      {64, 0x10000003e, 0xffffffff, 0xffffffff},   // the window's last word is the epoch's
      {64, 0x10000003f, 0xffffffff, 0x1ffffffff},  // the window has just left it
      {64, 0x10000003f, 0, 0x100000000},
      {4096, 0x500000002, 0xfffff800, 0x4fffff800},
      {64, 10, 0xfffffff0, 0xfffffff0},           // no epoch before the first
      {0, 0x300000000, 0xfffff000, 0x2fffff000},  // off: the nearest
      {0, 0x2ffffff00, 5, 0x300000005},
      {0, 0x280000002, 1, 0x300000001},
      {0, 0x280000000, 1, 0x200000001},
  };
  for (const Case& c : cases) {
    Window w(c.packets, c.edge);
    EXPECT_EQ(w.window.infer_esn(c.low), c.expected)
        << std::hex << c.packets << " " << c.edge << " " << c.low;
  }
}

}  // namespace
}  // namespace sallyport::dataplane
