// SPDX-License-Identifier: BSD-3-Clause
// A flow keeps its order over a rekey: where the outbound SA changes to another slot of the same home worker,
// with two workers that run on threads of their own; and where the NIC brings the new inbound SA by another
// queue than the old one.
#include <chrono>
#include <numeric>
#include <thread>

#include "tests/dataplane_path/sites.h"

namespace sallyport::dataplane::testing {

namespace {

constexpr uint32_t kPackets = 6000, kAhead = 256, kPacketsPerSa = 500;
constexpr std::array<uint32_t, 3> kSlots = {5, 7, 9};  // all of worker 1

Bytes numbered(uint32_t number) {
  Bytes packet = ipv4_of_size(100);
  put32(packet, 40, number);
  return packet;
}

TEST_F(PathTest, OrderIsKeptWhenTheOutboundSaChanges) {
  SiteA a({.workers = 2, .slot = kSlots[0]});
  std::array<OracleSa, kSlots.size()> sas;
  for (uint32_t i = 0; i < kSlots.size(); ++i) {
    sas[i] = a.outbound;
    sas[i].spi = 0x41000000 + i;
    sas[i].key = Bytes(20, static_cast<uint8_t>(0x30 + i));
    a.gateway.add_outbound(sas[i], kSlots[i], kTunnel);
  }
  std::array<uint64_t, kSlots.size()> by_sa{};
  uint32_t offered = 0, received = 0;
  const auto take = [&] {
    for (const Bytes& frame : a.gateway.sent(kPublicPort)) {
      const Bytes packet = without_ethernet(frame);
      const uint32_t sa = get32(packet, 20) - sas[0].spi;
      ASSERT_LT(sa, sas.size());
      const auto opened = open(sas[sa], 0, packet);
      ASSERT_TRUE(opened);
      ASSERT_EQ(get32(opened->inner, 40), received) << "out of order";
      ++by_sa[sa];
      ++received;
    }
  };
  {
    // Worker 0 receives and hands over, worker 1 encrypts and sends.
    const RunningWorkers running(a.gateway);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (received < kPackets && std::chrono::steady_clock::now() < deadline && !HasFatalFailure()) {
      for (uint32_t i = 0; i < 16 && offered < kPackets && offered - received < kAhead; ++i, ++offered) {
        if (offered % kPacketsPerSa == 0)
          a.tunnel->outbound_slot = kSlots[offered / kPacketsPerSa % kSlots.size()];
        a.from_lan(numbered(offered), 0);
      }
      take();
    }
  }
  take();
  EXPECT_EQ(received, kPackets);
  EXPECT_EQ(a.gateway.all_drops(), 0u);
  EXPECT_EQ(a.gateway.counters(0).handed_over, kPackets);
  for (const uint64_t packets : by_sa)
    EXPECT_GT(packets, 0u);
}

// What a running worker does in one loop.
void loop(Gateway& gateway, uint32_t worker) {
  gateway.worker(worker).poll_once();
  rte_rcu_qsbr_quiescent(gateway.world.qsbr(), worker);
}

class RekeyTest : public PathTest {
 protected:
  // Two inbound SAs at home on worker 1; the workers count for QSBR as if they ran.
  RekeyTest() : b_({.workers = 2, .slot = 5}) {
    b_.add_sas();
    old_ = fresh_ = b_.inbound;
    fresh_.spi = 0x43000000 | 7;
    b_.gateway.add_inbound(fresh_, kTunnel);
    for (uint32_t worker = 0; worker < 2; ++worker) {
      rte_rcu_qsbr_thread_register(b_.gateway.world.qsbr(), worker);
      rte_rcu_qsbr_thread_online(b_.gateway.world.qsbr(), worker);
    }
    from_outside(old_, 1, 0, 1);  // the old SA is in use
    for (uint32_t worker : {1u, 0u, 1u})
      loop(b_.gateway, worker);
    EXPECT_EQ(arrived(), (std::vector<uint32_t>{0}));
  }
  ~RekeyTest() override {
    for (uint32_t worker = 0; worker < 2; ++worker)
      rte_rcu_qsbr_thread_offline(b_.gateway.world.qsbr(), worker);
  }

  void from_outside(const OracleSa& sa, uint64_t sequence, uint32_t number, uint32_t queue) {
    b_.from_outside(seal(sa, sequence, numbered(number)), queue);
  }
  std::vector<uint32_t> arrived() {
    std::vector<uint32_t> numbers;
    for (const Bytes& frame : b_.gateway.sent(kLanPort))
      numbers.push_back(get32(without_ethernet(frame), 40));
    return numbers;
  }

  SiteB b_;
  OracleSa old_, fresh_;
};

TEST_F(RekeyTest, ANewSaWaitsForWhatCameBeforeItOnOtherQueues) {
  from_outside(old_, 2, 1, 0);    // waits in worker 0's queue
  from_outside(fresh_, 1, 2, 1);  // while its home worker already has the next one
  from_outside(fresh_, 2, 3, 1);
  for (uint32_t i = 0; i < 5; ++i)
    loop(b_.gateway, 1);
  EXPECT_EQ(arrived(), std::vector<uint32_t>{}) << "overtook the old SA's packet";
  loop(b_.gateway, 0);
  loop(b_.gateway, 1);
  EXPECT_EQ(arrived(), (std::vector<uint32_t>{1, 2, 3}));
  from_outside(fresh_, 3, 4, 1);  // open from now on
  loop(b_.gateway, 1);
  EXPECT_EQ(arrived(), (std::vector<uint32_t>{4}));
  EXPECT_EQ(b_.gateway.all_drops(), 0u);
}

TEST_F(RekeyTest, ASilentWorkerHoldsANewSaForFiftyMilliseconds) {
  from_outside(fresh_, 1, 1, 1);
  loop(b_.gateway, 1);
  EXPECT_EQ(arrived(), std::vector<uint32_t>{});
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  loop(b_.gateway, 1);
  EXPECT_EQ(arrived(), (std::vector<uint32_t>{1}));
}

constexpr uint32_t kRingPackets = 2048, kTurnPackets = 64;

// Worker 0 always has more for worker 1 than that takes in a turn. What was there before it is all it waits
// for.
TEST_F(RekeyTest, ABusyRingDelaysANewSaByWhatItHolds) {
  constexpr uint32_t kFresh = 1'000'000;
  from_outside(fresh_, 1, kFresh, 1);
  const auto turns_until_open = [&](uint64_t start_ns) {
    uint64_t sequence = 1;
    for (uint32_t turn = 0; turn < 100; ++turn) {
      for (uint32_t i = 0; i < kTurnPackets; ++i)
        from_outside(old_, ++sequence, turn, 0);
      for (uint32_t worker : {0u, 1u}) {
        b_.gateway.worker(worker).poll_at(start_ns);
        rte_rcu_qsbr_quiescent(b_.gateway.world.qsbr(), worker);
      }
      const auto numbers = arrived();
      if (std::find(numbers.begin(), numbers.end(), kFresh) != numbers.end()) return turn;
    }
    return 100u;
  };
  const uint32_t turns = turns_until_open(1);
  EXPECT_GE(turns, kRingPackets / kTurnPackets);
  EXPECT_LE(turns, kRingPackets / kTurnPackets + 1);
}

TEST_F(RekeyTest, ABusyRingHoldsANewSaNoLongerThanASilentWorker) {
  uint64_t now_ns = 1'000'000'000;
  from_outside(fresh_, 1, 1, 1);
  b_.gateway.worker(1).poll_at(now_ns);
  for (const uint64_t after_ns : {1'000'000u, 49'000'000u, 50'000'000u}) {
    const auto before = arrived();
    EXPECT_EQ(std::find(before.begin(), before.end(), 1), before.end());
    for (uint32_t i = 0; i < kTurnPackets; ++i)
      from_outside(old_, after_ns + i, 0, 0);
    b_.gateway.worker(0).poll_at(now_ns + after_ns);
    b_.gateway.worker(1).poll_at(now_ns + after_ns);
  }
  const auto numbers = arrived();
  EXPECT_NE(std::find(numbers.begin(), numbers.end(), 1), numbers.end());
}

TEST_F(RekeyTest, MoreThanCanBeHeldIsForwardedInOrder) {
  std::vector<uint32_t> expected(600);
  std::iota(expected.begin(), expected.end(), 0);
  for (uint32_t i = 0; i < 600; ++i)
    from_outside(fresh_, i + 1, i, 1);
  for (uint32_t i = 0; i < 20; ++i)
    loop(b_.gateway, 1);
  loop(b_.gateway, 0);
  loop(b_.gateway, 1);
  EXPECT_EQ(arrived(), expected);
  EXPECT_EQ(b_.gateway.all_drops(), 0u);
}

}  // namespace

}  // namespace sallyport::dataplane::testing
