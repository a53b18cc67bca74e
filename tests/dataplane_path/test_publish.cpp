// SPDX-License-Identifier: BSD-3-Clause
// SAs that come and go under a running worker: what the manager takes out it may free after a quiescent
// state. To be run under ThreadSanitizer too.
#include <rte_rcu_qsbr.h>

#include <thread>

#include "tests/dataplane_path/sites.h"

namespace sallyport::dataplane::testing {

namespace {

// Waits for all workers, asleep meanwhile.
void await_quiescence(rte_rcu_qsbr* qsbr) {
  const uint64_t token = rte_rcu_qsbr_start(qsbr);
  while (rte_rcu_qsbr_check(qsbr, token, false) != 1)
    std::this_thread::sleep_for(std::chrono::microseconds(50));
}

TEST_F(PathTest, SasAreReplacedUnderARunningWorker) {
  SiteA a;
  const auto engine = CryptoEngine::create();
  std::atomic<bool> stop{false};
  std::thread worker([&] { a.gateway.worker(0).run(stop); });
  while (a.gateway.counters(0).loops == 0) std::this_thread::yield();
  std::array<api::InboundRow, 8> rows{};
  uint32_t sent = 0;
  for (uint32_t round = 0; round < 200; ++round) {
    OracleSa sa = a.inbound;
    sa.spi = (0x100 + round) << 20 | 6;
    api::SetInboundSa message = inbound_message(sa);
    message.tunnel_id = kTunnel;
    InboundSaPtr created;
    ASSERT_EQ(create_inbound_sa(message, rows[6], *engine, SOCKET_ID_ANY, created).error, api::Error::kNone);
    created->slot = 6;
    ASSERT_EQ(a.gateway.world.inbound_sas.publish(6, created.get()), nullptr);
    for (uint64_t sequence = 1; sequence <= 3; ++sequence, ++sent) {
      a.from_outside(seal(sa, sequence, ipv4_of_size(100, {kHostB, kHostA})));
    }
    if (round % 2 == 0) await_quiescence(a.gateway.world.qsbr());
    a.gateway.world.inbound_sas.publish(6, nullptr);
    await_quiescence(a.gateway.world.qsbr());
    created.reset();
  }
  while (a.gateway.counters(0).rx_packets < sent) await_quiescence(a.gateway.world.qsbr());
  stop = true;
  worker.join();
  // Every packet was delivered or found its SA gone; nothing in between.
  const size_t delivered = a.gateway.sent(kLanPort).size();
  EXPECT_EQ(delivered + a.gateway.drops(api::DropReason::kUnknownSpi), sent);
  EXPECT_EQ(a.gateway.all_drops(), a.gateway.drops(api::DropReason::kUnknownSpi));
  EXPECT_GT(delivered, 0u);
}

TEST_F(PathTest, AnIdleWorkerSleepsAndStillReportsQuiescence) {
  Gateway gateway;
  api::WorkerCounters counters{};
  std::vector<api::PortCounters> ports(api::kMaxPorts);
  WorkerConfig config;
  config.idle = Idle::kSleep;
  config.world = &gateway.world;
  config.rings = gateway.rings.get();
  config.pool = packet_pool();
  config.counters = &counters;
  config.port_counters = ports.data();
  const auto sleeper = Worker::create(config);
  ASSERT_NE(sleeper, nullptr);
  std::atomic<bool> stop{false};
  std::thread thread([&] { sleeper->run(stop); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  await_quiescence(gateway.world.qsbr());
  stop = true;
  thread.join();
  EXPECT_GT(counters.idle_sleeps, 10u);
  EXPECT_LT(counters.loops, 5000u);
}

}  // namespace

}  // namespace sallyport::dataplane::testing
