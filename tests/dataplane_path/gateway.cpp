// SPDX-License-Identifier: BSD-3-Clause
// Builds worlds and moves packets in and out of them; also the program's EAL and pool.
#include "tests/dataplane_path/gateway.h"

#include <gtest/gtest.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include <algorithm>

#include "dataplane/packet/ethernet.h"
#include "tests/dataplane_path/visible_devices.h"

namespace sallyport::dataplane::testing {

namespace {

constexpr uint32_t kPoolPackets = 8191, kPoolBufferBytes = RTE_PKTMBUF_HEADROOM + 2048;
constexpr uint32_t kQueuePackets = 1024;

rte_mempool* g_pool = nullptr;
uint32_t g_gateways = 0;

std::string name_of(const char* kind, uint32_t gateway, uint32_t port, uint32_t queue) {
  return std::string(kind) + "-" + std::to_string(gateway) + "-" + std::to_string(port) + "-" +
         std::to_string(queue);
}

}  // namespace

rte_mempool* packet_pool() {
  return g_pool;
}

bool start_eal() {
  std::array<const char*, 8> arguments = {"path_tests",  "--no-huge",          "-m",
                                          "256",         "--no-pci",           "--no-telemetry",
                                          "--no-shconf", "--log-level=*:error"};
  if (rte_eal_init(static_cast<int>(arguments.size()), const_cast<char**>(arguments.data())) < 0)
    return false;
  g_pool = rte_pktmbuf_pool_create_by_ops("packets", kPoolPackets, 0, kMbufPrivateBytes, kPoolBufferBytes,
                                          SOCKET_ID_ANY, visible_pool_operations());
  return g_pool != nullptr;
}

rte_ether_addr mac_of(uint8_t last) {
  return {{0x02, 0x53, 0x50, 0, 0, last}};
}

Bytes ethernet(const Bytes& packet, const rte_ether_addr& destination, uint16_t ether_type) {
  Bytes frame(14 + packet.size());
  const rte_ether_addr source = mac_of(0xee);
  std::memcpy(frame.data(), destination.addr_bytes, 6);
  std::memcpy(frame.data() + 6, source.addr_bytes, 6);
  put16(frame, 12, ether_type);
  if (!packet.empty()) std::memcpy(frame.data() + 14, packet.data(), packet.size());
  return frame;
}

Bytes without_ethernet(const Bytes& frame) {
  EXPECT_GE(frame.size(), 14u);
  return {frame.begin() + 14, frame.end()};
}

Gateway::Gateway(uint32_t workers)
    : world({.workers = workers, .slots = kSlots, .neighbours = 64, .groups = 64, .tunnels = 64}),
      rings(Rings::create({.workers = workers})),
      number_(++g_gateways),
      engine_(CryptoEngine::create()),
      ports_(3),
      counters_(workers),
      port_counters_(api::kMaxPorts * workers),
      inbound_rows_(kSlots),
      outbound_rows_(kSlots) {
  for (uint32_t i = 0; i < workers; ++i) {
    WorkerConfig config;
    config.index = i;
    config.world = &world;
    config.rings = rings.get();
    config.pool = g_pool;
    config.counters = &counters_[i];
    config.port_counters = port_counters_.data();
    config.counter_workers = workers;
    workers_.push_back(Worker::create(config));
    EXPECT_NE(workers_.back(), nullptr);
  }
}

Gateway::~Gateway() {
  workers_.clear();
  rings.reset();
  for (TestPort& port : ports_) {
    if (port.port == nullptr) continue;
    for (auto* queues : {&port.receive, &port.transmit}) {
      for (rte_ring* ring : *queues) {
        void* packet = nullptr;
        while (rte_ring_dequeue(ring, &packet) == 0)
          rte_pktmbuf_free(static_cast<rte_mbuf*>(packet));
      }
    }
    rte_eth_dev_stop(port.device);
    rte_eth_dev_close(port.device);
    for (auto* queues : {&port.receive, &port.transmit}) {
      for (rte_ring* ring : *queues)
        rte_ring_free(ring);
    }
  }
}

void Gateway::add_port(uint32_t port_id, uint32_t vrf_id, uint32_t address) {
  TestPort& port = ports_.at(port_id);
  const uint32_t queues = world.workers();
  for (uint32_t queue = 0; queue < queues; ++queue) {
    const auto make = [&](const char* kind) {
      return rte_ring_create(name_of(kind, number_, port_id, queue).c_str(), kQueuePackets, SOCKET_ID_ANY, 0);
    };
    port.receive.push_back(make("rx"));
    port.transmit.push_back(make("tx"));
  }
  const std::string name = name_of("port", number_, port_id, 0);
  const int device =
      rte_eth_from_rings(name.c_str(), port.receive.data(), queues, port.transmit.data(), queues, 0);
  ASSERT_GE(device, 0) << rte_strerror(rte_errno);
  port.device = static_cast<uint16_t>(device);
  rte_eth_conf configuration{};
  const auto pairs = static_cast<uint16_t>(queues);
  ASSERT_EQ(rte_eth_dev_configure(port.device, pairs, pairs, &configuration), 0);
  for (uint16_t queue = 0; queue < pairs; ++queue) {
    ASSERT_EQ(rte_eth_rx_queue_setup(port.device, queue, 256, 0, nullptr, g_pool), 0);
    ASSERT_EQ(rte_eth_tx_queue_setup(port.device, queue, 256, 0, nullptr), 0);
  }
  ASSERT_EQ(rte_eth_dev_start(port.device), 0);
  make_visible(port.device, port.receive, port.transmit);

  port.port = std::make_unique<Port>();
  port.port->id = port_id;
  port.port->device = port.device;
  port.port->rx_queues = pairs;
  port.port->vrf_id = vrf_id;
  port.port->mtu_bytes = 1500;
  port.port->mac = mac_of(static_cast<uint8_t>(port_id + 1));
  port.port->address_count = 1;
  port.port->addresses_be[0] = rte_cpu_to_be_32(address);
  port.port->has_mirror = true;
  world.ports.publish(port_id, port.port.get());
  port_list_.ports.push_back(port.port.get());
  world.port_list = &port_list_;
}

void Gateway::add_address(uint32_t port_id, const Ipv6Address& address) {
  Port& port = *ports_.at(port_id).port;
  port.ipv6_addresses.at(port.ipv6_count++) = address;
}

void Gateway::add_vrf(uint32_t vrf_id) {
  auto vrf = std::make_unique<Vrf>();
  vrf->id = vrf_id;
  vrf->has_mirror = true;
  FibConfig config;
  config.vrf_id = vrf_id;
  config.max_routes = 1024;
  config.tbl8s = 64;
  vrf->fib4 = Ipv4Fib::create(config);
  vrf->fib6 = Ipv6Fib::create(config);
  ASSERT_NE(vrf->fib4, nullptr);
  ASSERT_NE(vrf->fib6, nullptr);
  world.vrfs.publish(vrf_id, vrf.get());
  vrfs_.push_back(std::move(vrf));
}

Vrf& Gateway::vrf(uint32_t vrf_id) {
  return **std::find_if(vrfs_.begin(), vrfs_.end(), [&](const auto& vrf) { return vrf->id == vrf_id; });
}

void Gateway::add_group(uint32_t group_id, uint32_t vrf_id, std::vector<api::GroupMember> members,
                        api::MemberChoice choice) {
  groups_.push_back(std::make_unique<NextHopGroup>(group_id, vrf_id, members, able_members(members), choice));
  world.groups.publish(group_id, groups_.back().get());
}

void Gateway::add_route(uint32_t vrf_id, uint32_t prefix, uint8_t length, uint32_t group_id) {
  for (const auto& vrf : vrfs_) {
    if (vrf->id == vrf_id) {
      ASSERT_EQ(vrf->fib4->add(prefix, length, group_id), FibResult::kDone);
    }
  }
}

void Gateway::add_route(uint32_t vrf_id, const Ipv6Address& prefix, uint8_t length, uint32_t group_id) {
  for (const auto& vrf : vrfs_) {
    if (vrf->id == vrf_id) {
      ASSERT_EQ(vrf->fib6->add(prefix, length, group_id), FibResult::kDone);
    }
  }
}

void Gateway::add_neighbour(uint32_t neighbour_id, uint32_t port_id, uint32_t address, bool resolved) {
  add_neighbour(neighbour_id, port_id, address_of(address), resolved);
}

void Gateway::add_neighbour(uint32_t neighbour_id, uint32_t port_id, const api::Address& address,
                            bool resolved) {
  auto neighbour = std::make_unique<Neighbour>();
  neighbour->id = neighbour_id;
  neighbour->port_id = port_id;
  neighbour->address = address;
  neighbour->resolved = resolved;
  neighbour->rewrite = make_ethernet_rewrite(mac_of(static_cast<uint8_t>(0x80 + neighbour_id)), mac(port_id),
                                             RTE_ETHER_TYPE_IPV4);
  world.neighbours.publish(neighbour_id, neighbour.get());
  neighbours_.push_back(std::move(neighbour));
}

Tunnel& Gateway::add_tunnel(uint32_t tunnel_id, uint32_t vrf_id, uint32_t neighbour_id) {
  auto tunnel = world.tunnel_pool.make();
  tunnel->id = tunnel_id;
  tunnel->vrf_id = static_cast<uint8_t>(vrf_id);
  tunnel->neighbour_id = neighbour_id;
  world.tunnels.publish(tunnel_id, tunnel.get());
  tunnels_.push_back(std::move(tunnel));
  return *tunnels_.back();
}

InboundSa& Gateway::add_inbound(const OracleSa& sa, uint32_t tunnel_id, const SelectorSet* selectors,
                                api::Lifetimes lifetimes, uint32_t replay_window) {
  api::SetInboundSa message = inbound_message(sa, replay_window);
  message.tunnel_id = tunnel_id;
  message.lifetimes = lifetimes;
  const uint32_t slot = sa.spi & api::kSlotMask;
  InboundSaPtr created;
  const Refusal refusal =
      create_inbound_sa(message, inbound_rows_.at(slot), *engine_, SOCKET_ID_ANY, created);
  EXPECT_EQ(refusal.error, api::Error::kNone) << refusal.text;
  created->slot = slot;
  created->vrf_id = static_cast<uint8_t>(world.tunnels.at(tunnel_id)->vrf_id);
  created->selectors = selectors;
  world.inbound_sas.publish(slot, created.get());
  inbound_sas_.push_back(std::move(created));
  return *inbound_sas_.back();
}

OutboundSa& Gateway::add_outbound(const OracleSa& sa, uint32_t slot, uint32_t tunnel_id,
                                  const SelectorSet* selectors, api::Lifetimes lifetimes) {
  api::SetOutboundSa message = outbound_message(sa);
  message.tunnel_id = tunnel_id;
  message.slot = slot;
  message.lifetimes = lifetimes;
  OuterHeader outer;
  const OuterEndpoints endpoints{message.local, message.remote, message.local_port, message.remote_port,
                                 message.encap != 0};
  EXPECT_EQ(make_outer_header(endpoints, {}, outer), api::Error::kNone);
  OutboundSaPtr created;
  const Refusal refusal =
      create_outbound_sa(message, outbound_rows_.at(slot), outer, *engine_, SOCKET_ID_ANY, created);
  EXPECT_EQ(refusal.error, api::Error::kNone) << refusal.text;
  created->selectors = selectors;
  world.outbound_sas.publish(slot, created.get());
  for (const auto& tunnel : tunnels_) {
    if (tunnel->id == tunnel_id) tunnel->outbound_slot = slot;
  }
  outbound_sas_.push_back(std::move(created));
  return *outbound_sas_.back();
}

void Gateway::send_on(Tunnel& tunnel, const std::vector<uint32_t>& slots) {
  for (size_t i = 0; i < slots.size(); ++i)
    world.outbound_beside[slots[i]] = i + 1 < slots.size() ? slots[i + 1] : api::kNone;
  tunnel.outbound_slot = slots.at(0) | kSeveralSas;
}

void Gateway::receive(uint32_t port_id, const Bytes& frame, uint32_t queue) {
  receive(port_id, to_packet(frame, g_pool), queue);
}

void Gateway::receive(uint32_t port_id, rte_mbuf* frame, uint32_t queue) {
  ASSERT_EQ(rte_ring_enqueue(ports_.at(port_id).receive.at(queue), frame), 0);
}

void Gateway::poll(uint32_t times) {
  while (times-- > 0) {
    for (const auto& worker : workers_)
      worker->poll_once();
  }
}

std::vector<Bytes> Gateway::sent(uint32_t port_id) {
  std::vector<Bytes> frames;
  for (rte_ring* queue : ports_.at(port_id).transmit) {
    void* packet = nullptr;
    while (rte_ring_dequeue(queue, &packet) == 0) {
      frames.push_back(to_bytes(static_cast<rte_mbuf*>(packet)));
      rte_pktmbuf_free(static_cast<rte_mbuf*>(packet));
    }
  }
  return frames;
}

std::vector<uint32_t> Gateway::sent_by_queue(uint32_t port_id) {
  std::vector<uint32_t> counts;
  for (const rte_ring* queue : ports_.at(port_id).transmit)
    counts.push_back(rte_ring_count(queue));
  return counts;
}

PacketPtr Gateway::exception(uint32_t worker) {
  void* packet = nullptr;
  rte_ring_dequeue(rings->exceptions(worker), &packet);
  return PacketPtr(static_cast<rte_mbuf*>(packet));
}

void Gateway::inject(MetaKind kind, uint32_t id, const Bytes& bytes, uint32_t worker) {
  rte_mbuf* packet = to_packet(bytes, g_pool);
  PacketMeta& meta = meta_of(packet);
  meta.kind = kind;
  meta.port_id = meta.vrf_id = meta.neighbour_id = id;
  ASSERT_EQ(rte_ring_enqueue(rings->injections(worker), packet), 0);
}

uint64_t Gateway::drops(api::DropReason reason) const {
  uint64_t total = 0;
  for (const api::WorkerCounters& counters : counters_)
    total += counters.drops[static_cast<size_t>(reason)];
  return total;
}

uint64_t Gateway::all_drops() const {
  uint64_t total = 0;
  for (const api::WorkerCounters& counters : counters_) {
    for (const api::Counter& counter : counters.drops)
      total += counter;
  }
  return total;
}

RunningWorkers::RunningWorkers(Gateway& gateway) {
  for (uint32_t i = 0; i < gateway.world.workers(); ++i)
    threads_.emplace_back([&gateway, i, this] { gateway.worker(i).run(stop_); });
  for (uint32_t i = 0; i < gateway.world.workers(); ++i) {
    while (gateway.counters(i).loops == 0)
      std::this_thread::yield();
  }
}

RunningWorkers::~RunningWorkers() {
  stop_ = true;
  for (std::thread& thread : threads_)
    thread.join();
}

}  // namespace sallyport::dataplane::testing
