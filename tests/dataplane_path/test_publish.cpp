// SPDX-License-Identifier: BSD-3-Clause
// Objects that come and go under running workers: what the manager takes out it may free after a quiescent
// state. Run under ThreadSanitizer, too (scripts/test threads).
#include <rte_rcu_qsbr.h>

#include <thread>

#include "tests/dataplane_path/sites.h"

namespace sallyport::dataplane::testing {

namespace {

// Waits for all workers, asleep meanwhile. A check that a worker made first (path/first_packets.h) is told to
// others by a relaxed store in DPDK, which is enough on x86, but not for ThreadSanitizer: so here each
// worker's own word is read, too.
void await_quiescence(rte_rcu_qsbr* qsbr) {
  const uint64_t token = rte_rcu_qsbr_start(qsbr);
  while (rte_rcu_qsbr_check(qsbr, token, false) != 1)
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  for (uint32_t i = 0; i < qsbr->max_threads; ++i)
    __atomic_load_n(&qsbr->qsbr_cnt[i].cnt, __ATOMIC_ACQUIRE);
}

uint64_t received_by(const Gateway& gateway) {
  uint64_t total = 0;
  for (uint32_t i = 0; i < gateway.world.workers(); ++i)
    total += gateway.counters(i).rx_packets;
  return total;
}

// Slots 6 and 7 in turn, so that each worker is home to every other SA; packets come in by either worker.
TEST_F(PathTest, InboundSasAreReplacedUnderRunningWorkers) {
  SiteA a({.workers = 2});
  const auto engine = CryptoEngine::create();
  std::array<api::InboundRow, 8> rows{};
  uint32_t sent = 0;
  {
    const RunningWorkers running(a.gateway);
    for (uint32_t round = 0; round < 200; ++round) {
      const uint32_t slot = 6 + round % 2, queue = round / 2 % 2;
      OracleSa sa = a.inbound;
      sa.spi = (0x100 + round) << 20 | slot;
      api::SetInboundSa message = inbound_message(sa);
      message.tunnel_id = kTunnel;
      InboundSaPtr created;
      ASSERT_EQ(create_inbound_sa(message, rows[slot], *engine, SOCKET_ID_ANY, created).error,
                api::Error::kNone);
      created->vrf_id = kVrf;
      ASSERT_EQ(a.gateway.world.inbound_sas.publish(slot, created.get()), nullptr);
      for (uint64_t sequence = 1; sequence <= 3; ++sequence, ++sent)
        a.from_outside(seal(sa, sequence, ipv4_of_size(100, {kHostB, kHostA})), queue);
      if (round % 3 != 0) {
        for (int i = 0; i < 4; ++i)  // handed over, held as the SA's first packets, processed
          await_quiescence(a.gateway.world.qsbr());
      }
      a.gateway.world.inbound_sas.publish(slot, nullptr);
      await_quiescence(a.gateway.world.qsbr());
    }
    while (received_by(a.gateway) < sent)
      await_quiescence(a.gateway.world.qsbr());
    for (int i = 0; i < 6; ++i)
      await_quiescence(a.gateway.world.qsbr());  // what was handed over has arrived, too
  }
  // Every packet was delivered or found its SA gone; nothing in between.
  const size_t delivered = a.gateway.sent(kLanPort).size();
  EXPECT_EQ(delivered + a.gateway.drops(api::DropReason::kUnknownSpi), sent);
  EXPECT_EQ(a.gateway.all_drops(), a.gateway.drops(api::DropReason::kUnknownSpi));
  EXPECT_GT(delivered, 0u);
}

// The SA, its outer header, its neighbour and its group, each replaced and freed while packets use them.
TEST_F(PathTest, OutboundObjectsAreReplacedUnderRunningWorkers) {
  SiteA a({.workers = 2});
  a.add_sas();
  World& world = a.gateway.world;
  const auto engine = CryptoEngine::create();
  const OuterEndpoints endpoints{address_of(kPublicA), address_of(kPublicB), 0, 0, false};
  const api::GroupMember member{api::MemberKind::kTunnel, 1, 1, kTunnel};
  std::array<api::OutboundRow, 8> rows{};
  auto group = std::make_unique<NextHopGroup>(kGroupTunnel, kVrf, std::span(&member, 1), 1);
  world.groups.publish(kGroupTunnel, group.get());
  auto neighbour = std::make_unique<Neighbour>(*world.neighbours.at(kPeerNeighbour));
  world.neighbours.publish(kPeerNeighbour, neighbour.get());
  uint32_t offered = 0;
  const auto offer = [&](uint32_t queue) {
    for (int i = 0; i < 2; ++i, ++offered)
      a.from_lan(ipv4_of_size(100), queue);
  };
  {
    const RunningWorkers running(a.gateway);
    for (uint32_t round = 0; round < 100; ++round) {
      api::SetOutboundSa message = outbound_message(a.outbound);
      message.spi += round + 1;
      message.tunnel_id = kTunnel;
      message.slot = 6 + round % 2;
      auto header = std::make_unique<OuterHeader>(), next_header = std::make_unique<OuterHeader>();
      ASSERT_EQ(make_outer_header(endpoints, {}, *header), api::Error::kNone);
      *next_header = *header;
      OutboundSaPtr created;
      ASSERT_EQ(
          create_outbound_sa(message, rows[message.slot], *header, *engine, SOCKET_ID_ANY, created).error,
          api::Error::kNone);
      world.outbound_sas.publish(message.slot, created.get());
      a.tunnel->outbound_slot = message.slot;
      offer(0);
      auto next_group = std::make_unique<NextHopGroup>(kGroupTunnel, kVrf, std::span(&member, 1), 1);
      auto next_neighbour = std::make_unique<Neighbour>(*neighbour);
      world.groups.publish(kGroupTunnel, next_group.get());
      world.neighbours.publish(kPeerNeighbour, next_neighbour.get());
      created->set_outer(*next_header);
      offer(1);
      await_quiescence(world.qsbr());
      group = std::move(next_group);
      neighbour = std::move(next_neighbour);
      header = std::move(next_header);
      offer(round % 2);
      a.tunnel->outbound_slot = 4;
      world.outbound_sas.publish(message.slot, nullptr);
      await_quiescence(world.qsbr());
    }
    while (received_by(a.gateway) < offered)
      await_quiescence(world.qsbr());
    for (int i = 0; i < 6; ++i)
      await_quiescence(world.qsbr());
  }
  const size_t sent = a.gateway.sent(kPublicPort).size();
  EXPECT_EQ(sent + a.gateway.drops(api::DropReason::kNoOutboundSa), offered);
  EXPECT_EQ(a.gateway.all_drops(), a.gateway.drops(api::DropReason::kNoOutboundSa));
  EXPECT_GT(sent, offered / 2);
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
