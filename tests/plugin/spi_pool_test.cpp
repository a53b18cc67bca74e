// SPDX-License-Identifier: BSD-3-Clause
// The plugin's SPI pool: which slots it gives away, to whom and when.
extern "C" {
#include "vici-bridge/plugin/spi_pool.h"
}

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "vici-bridge/key_message.h"

namespace {

constexpr uint64_t kStartMs = 1'000'000;

struct PoolDeleter {
  void operator()(spi_pool_t* pool) const { spi_pool_destroy(pool); }
};
using Pool = std::unique_ptr<spi_pool_t, PoolDeleter>;

Pool make_pool(uint32_t workers, uint32_t slots) {
  Pool pool(spi_pool_create());
  spi_pool_configure(pool.get(), workers, slots);
  return pool;
}

uint32_t slot_of(uint32_t spi) {
  return spi & SP_SLOT_MASK;
}

TEST(SpiPool, GivesEverySlotOnceThenNone) {
  Pool pool = make_pool(1, 100);
  std::set<uint32_t> slots;
  for (int i = 0; i < 100; i++) {
    uint32_t spi = spi_pool_reserve(pool.get(), 7, kStartMs);
    ASSERT_GE(spi, 256u);
    slots.insert(slot_of(spi));
  }
  EXPECT_EQ(slots.size(), 100u);
  EXPECT_EQ(*slots.rbegin(), 99u);
  EXPECT_EQ(spi_pool_reserve(pool.get(), 7, kStartMs), 0u);
}

TEST(SpiPool, KeepsAPeerOnItsWorkerAndSpreadsPeers) {
  constexpr uint32_t kWorkers = 5;
  Pool pool = make_pool(kWorkers, 1000);
  std::map<uint32_t, int> peers_of_worker;
  for (uint64_t peer = 1; peer <= 50; peer++) {
    uint32_t worker = slot_of(spi_pool_reserve(pool.get(), peer * 0x9e3779b97f4a7c15u, kStartMs)) % kWorkers;
    peers_of_worker[worker]++;
    uint32_t again = slot_of(spi_pool_reserve(pool.get(), peer * 0x9e3779b97f4a7c15u, kStartMs)) % kWorkers;
    EXPECT_EQ(again, worker);
  }
  for (auto [worker, peers] : peers_of_worker) {
    EXPECT_NEAR(peers, 10, 1) << worker;
  }
}

TEST(SpiPool, WorkersThatDoNotDivideTheSlots) {
  Pool pool = make_pool(4, 6);  // slots 0 and 4, 1 and 5, 2, 3
  std::set<uint32_t> slots;
  for (uint64_t peer = 1; peer <= 6; peer++) {
    uint32_t spi = spi_pool_reserve(pool.get(), peer << 32, kStartMs);
    if (spi) {
      EXPECT_LT(slot_of(spi), 6u);
      EXPECT_TRUE(slots.insert(slot_of(spi)).second);
    }
  }
  EXPECT_GE(slots.size(), 4u);
}

TEST(SpiPool, AFreedSlotRestsAndThenHasAnotherSpi) {
  Pool pool = make_pool(1, 1);
  uint32_t first = spi_pool_reserve(pool.get(), 1, kStartMs);
  spi_pool_set_live(pool.get(), first);
  spi_pool_release(pool.get(), first, kStartMs);
  spi_pool_clear_live(pool.get(), first);
  EXPECT_EQ(spi_pool_reserve(pool.get(), 1, kStartMs + SPI_POOL_REST_MS - 1), 0u);
  uint32_t second = spi_pool_reserve(pool.get(), 1, kStartMs + SPI_POOL_REST_MS);
  EXPECT_NE(second, 0u);
  EXPECT_NE(second, first);
}

TEST(SpiPool, WaitsLongerWhenTheDataplaneIsSilent) {
  Pool pool = make_pool(1, 1);
  uint32_t first = spi_pool_reserve(pool.get(), 1, kStartMs);
  spi_pool_set_live(pool.get(), first);
  spi_pool_release(pool.get(), first, kStartMs);
  EXPECT_EQ(spi_pool_reserve(pool.get(), 1, kStartMs + SPI_POOL_SILENT_REST_MS - 1), 0u);
  EXPECT_NE(spi_pool_reserve(pool.get(), 1, kStartMs + SPI_POOL_SILENT_REST_MS), 0u);
}

TEST(SpiPool, NeverGivesAnOrphansSlotUntilItIsFree) {
  Pool pool = make_pool(1, 1);
  constexpr uint32_t kOrphan = 0xabc00000;
  spi_pool_set_live(pool.get(), kOrphan);
  EXPECT_EQ(spi_pool_reserve(pool.get(), 1, kStartMs + 1'000'000'000), 0u);
  spi_pool_clear_live(pool.get(), kOrphan ^ (1u << 31));  // another SPI of the slot
  EXPECT_EQ(spi_pool_reserve(pool.get(), 1, kStartMs), 0u);
  spi_pool_clear_live(pool.get(), kOrphan);
  EXPECT_NE(spi_pool_reserve(pool.get(), 1, kStartMs), 0u);
}

TEST(SpiPool, ANewReaderForgetsOrphansButNotWhatIsHeld) {
  Pool pool = make_pool(1, 2);
  uint32_t held = spi_pool_reserve(pool.get(), 1, kStartMs);
  spi_pool_set_live(pool.get(), 0x12300000 | (1 - slot_of(held)));
  EXPECT_EQ(spi_pool_reserve(pool.get(), 1, kStartMs), 0u);
  spi_pool_configure(pool.get(), 1, 2);
  uint32_t other = spi_pool_reserve(pool.get(), 1, kStartMs);
  EXPECT_EQ(slot_of(other), 1 - slot_of(held));
  EXPECT_EQ(spi_pool_reserve(pool.get(), 1, kStartMs), 0u);
}

TEST(SpiPool, IgnoresTheReleaseOfAnSpiItDoesNotHold) {
  Pool pool = make_pool(1, 1);
  uint32_t spi = spi_pool_reserve(pool.get(), 1, kStartMs);
  spi_pool_release(pool.get(), spi ^ (1u << 31), kStartMs);
  EXPECT_EQ(spi_pool_reserve(pool.get(), 1, kStartMs + 1'000'000), 0u);
}

}  // namespace
