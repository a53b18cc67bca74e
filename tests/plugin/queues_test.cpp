// SPDX-License-Identifier: BSD-3-Clause
// The plugin's bounded queue of messages and its heap of lifetimes.
extern "C" {
#include "vici-bridge/plugin/lifetimes.h"
#include "vici-bridge/plugin/outbox.h"
}

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <vector>

#include "vici-bridge/key_message.h"

namespace {

struct OutboxDeleter {
  void operator()(outbox_t* outbox) const { outbox_destroy(outbox); }
};
using Outbox = std::unique_ptr<outbox_t, OutboxDeleter>;

std::vector<uint64_t> message(uint16_t type, uint32_t length, uint64_t number) {
  std::vector<uint64_t> bytes((length + 7) / 8);
  auto* header = reinterpret_cast<sp_feed_header*>(bytes.data());
  header->type = type;
  header->length = length;
  header->number = number;
  return bytes;
}

std::vector<uint64_t> take_all(outbox_t* outbox) {
  std::vector<uint64_t> numbers;
  alignas(8) std::array<uint8_t, SP_FEED_MAX_MESSAGE> buffer;
  while (outbox_take(outbox, buffer.data())) {
    numbers.push_back(reinterpret_cast<sp_feed_header*>(buffer.data())->number);
  }
  return numbers;
}

TEST(Outbox, KeepsOrder) {
  Outbox outbox(outbox_create());
  for (uint64_t number = 1; number <= 3; number++) {
    EXPECT_TRUE(outbox_append(outbox.get(), message(SP_FEED_ALERT, 100, number).data()));
  }
  EXPECT_EQ(take_all(outbox.get()), (std::vector<uint64_t>{1, 2, 3}));
  EXPECT_TRUE(outbox_append(outbox.get(), message(SP_FEED_ALERT, 24, 4).data()));
  EXPECT_EQ(take_all(outbox.get()), (std::vector<uint64_t>{4}));
}

TEST(Outbox, IsBounded) {
  Outbox outbox(outbox_create());
  auto big = message(SP_FEED_SA_ADD, SP_FEED_MAX_MESSAGE, 1);
  size_t count = 0;
  while (outbox_append(outbox.get(), big.data())) {
    count++;
  }
  EXPECT_EQ(count, OUTBOX_MAX_BYTES / SP_FEED_MAX_MESSAGE);
  outbox_clear(outbox.get());
  EXPECT_TRUE(outbox_append(outbox.get(), big.data()));
}

TEST(Outbox, DropsSasOnly) {
  Outbox outbox(outbox_create());
  const uint16_t kinds[] = {SP_FEED_SA_ADD, SP_FEED_ALERT, SP_FEED_SA_DEL, SP_FEED_IKE_STATE,
                            SP_FEED_SA_UPDATE};
  for (uint64_t number = 0; number < 5; number++) {
    outbox_append(outbox.get(), message(kinds[number], 64, number).data());
  }
  outbox_drop_sas(outbox.get());
  outbox_append(outbox.get(), message(SP_FEED_SA_ADD, 64, 9).data());  // the end is still the end
  EXPECT_EQ(take_all(outbox.get()), (std::vector<uint64_t>{1, 3, 9}));
}

TEST(Lifetimes, ComeDueInOrder) {
  std::unique_ptr<lifetimes_t, void (*)(lifetimes_t*)> lifetimes(lifetimes_create(), lifetimes_destroy);
  EXPECT_EQ(lifetimes_wait_ms(lifetimes.get(), 5), -1);
  std::vector<uint64_t> due(1000);
  std::mt19937 random(1);
  for (uint64_t& time : due) {
    time = random() % 500;
    expiry_t expiry{.due_ms = time, .order = time, .spi = 0, .slot = 0, .inbound = true, .hard = false};
    lifetimes_add(lifetimes.get(), &expiry);
  }
  std::sort(due.begin(), due.end());
  EXPECT_EQ(lifetimes_wait_ms(lifetimes.get(), 0), static_cast<int64_t>(due[0]));
  std::vector<uint64_t> taken;
  for (uint64_t now = 0; now < 500; now++) {
    expiry_t expiry;
    while (lifetimes_take_due(lifetimes.get(), now, &expiry)) {
      EXPECT_EQ(expiry.due_ms, now);
      EXPECT_EQ(expiry.order, now);
      taken.push_back(expiry.due_ms);
    }
  }
  EXPECT_EQ(taken, due);
}

}  // namespace
