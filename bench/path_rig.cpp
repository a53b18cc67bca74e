// SPDX-License-Identifier: BSD-3-Clause
// Builds the tables of a rig and moves frames in and out of it.
#include "bench/path_rig.h"

#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_udp.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "dataplane/packet/addresses.h"
#include "dataplane/packet/ethernet.h"
#include "dataplane/packet/ipv4.h"

namespace sallyport::bench {

using namespace dataplane;

namespace {

constexpr uint32_t kVrf = 1, kWanPort = 0, kLanPort = 1, kQueueFrames = 1024;
constexpr uint32_t kPeerNeighbour = 1, kHostNeighbour = 2;
constexpr uint32_t kGatewayPublic = 0xc0000201, kPeerPublic = 0xc0000202;  // 192.0.2.1, .2
constexpr uint32_t kLanPrefix = 0xc6336400, kLanGateway = kLanPrefix | 1;  // 198.51.100.0/24
constexpr uint32_t kFirstTunnelGroup = 8, kHostGroup = 1;
constexpr uint16_t kBufferBytes = RTE_PKTMBUF_HEADROOM + 2048;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "path rig: %s: %s\n", what.c_str(), rte_strerror(rte_errno));
  std::exit(1);
}

uint32_t next_number() {  // names of rings and devices are unique in a process
  static uint32_t number = 0;
  return ++number;
}

rte_ether_addr mac_of(uint32_t last) {
  return {{0x02, 0x53, 0x50, 0, 0, static_cast<uint8_t>(last)}};
}

api::Address address(uint32_t host_order) {
  const uint32_t be = rte_cpu_to_be_32(host_order);
  api::Address result{api::Family::kIpv4, {}, {}};
  std::memcpy(result.bytes.data(), &be, sizeof be);
  return result;
}

uint32_t spi_of_sa(uint32_t index, bool to_peer) {
  return (to_peer ? 0x300u : 0x200u) << api::kSlotBits | (index + 1);
}

// The part of both messages that is the same. Every SA has its own key, either direction too.
template <typename Message>
void fill(Message& message, const RigOptions& options, uint32_t index, bool to_peer) {
  message.spi = spi_of_sa(index, to_peer);
  message.tunnel_id = index;
  message.esn = options.esn;
  message.keys.algorithm =
      options.aes_bits == 128 ? api::Algorithm::kAes128Gcm16 : api::Algorithm::kAes256Gcm16;
  message.keys.key_bytes = static_cast<uint16_t>(options.aes_bits / 8 + 4);
  for (size_t i = 0; i < message.keys.key_bytes; ++i)
    message.keys.key.at(i) = static_cast<uint8_t>(message.spi >> (i % 4 * 8)) ^ static_cast<uint8_t>(i * 31);
  message.local = address(options.is_peer ? kPeerPublic : kGatewayPublic);
  message.remote = address(options.is_peer ? kGatewayPublic : kPeerPublic);
}

}  // namespace

struct PathRig::Sa {
  TunnelPool::Pointer tunnel;
  InboundSaPtr inbound;
  OutboundSaPtr outbound;
};

rte_mempool* make_rig_pool(const char* name, uint32_t packets) {
  rte_mempool* pool = rte_pktmbuf_pool_create(name, packets, 256, kMbufPrivateBytes, kBufferBytes,
                                              static_cast<int>(rte_socket_id()));
  if (pool == nullptr) fail("no memory for packets");
  return pool;
}

PathRig::PathRig(const RigOptions& options, rte_mempool* pool)
    : options_(options),
      pool_(pool),
      world_({.workers = 1,
              .slots = options.sas + 1,
              .groups = options.sas + kFirstTunnelGroup,
              .tunnels = options.sas}),
      rings_(Rings::create({.workers = 1})),
      engine_(CryptoEngine::create()),
      counters_(1),
      port_counters_(api::kMaxPorts),
      inbound_rows_(make_dpdk_array<api::InboundRow>(options.sas + 1)),
      outbound_rows_(make_dpdk_array<api::OutboundRow>(options.sas + 1)) {
  WorkerConfig config;
  config.world = &world_;
  config.rings = rings_.get();
  config.pool = pool;
  config.counters = counters_.data();
  config.port_counters = port_counters_.data();
  worker_ = rings_ && engine_ ? Worker::create(config) : nullptr;
  vrf_.id = kVrf;
  vrf_.fib4 = Ipv4Fib::create({.vrf_id = kVrf, .max_routes = options.sas + 16});
  if (!worker_ || !vrf_.fib4) fail("no worker or no table");
  world_.vrfs.publish(kVrf, &vrf_);
  open_port(wan_, kWanPort, kPublicVrf, options.is_peer ? kPeerPublic : kGatewayPublic);
  open_port(lan_, kLanPort, kVrf, kLanGateway);
  add_neighbour(kPeerNeighbour, wan_, options.is_peer ? kGatewayPublic : kPeerPublic);
  add_neighbour(kHostNeighbour, lan_, kLanHost);
  groups_.resize(options.sas + kFirstTunnelGroup);
  // The host behind the LAN port: the peer's many, or ours.
  const bool many_hosts = options.is_peer;
  groups_[kHostGroup] = std::make_unique<NextHopGroup>(
      kHostGroup, kVrf, std::array{api::GroupMember{api::MemberKind::kNeighbour, 1, 1, kHostNeighbour}}, 1);
  world_.groups.publish(kHostGroup, groups_[kHostGroup].get());
  if (vrf_.fib4->add(many_hosts ? kFirstRemote : kLanPrefix, many_hosts ? 15 : 24, kHostGroup) !=
      FibResult::kDone)
    fail("no route");
  for (uint32_t i = 0; i < options.sas; ++i)
    add_sa(i);
}

PathRig::~PathRig() {
  for (RingPort* port : {&wan_, &lan_}) {
    for (rte_ring* ring : {port->receive, port->transmit}) {
      std::array<rte_mbuf*, 64> frames;
      while (const uint32_t count = dequeue(ring, frames))
        rte_pktmbuf_free_bulk(frames.data(), count);
    }
    rte_eth_dev_stop(port->port.device);
    rte_eth_dev_close(port->port.device);
    rte_ring_free(port->receive);
    rte_ring_free(port->transmit);
  }
}

void PathRig::open_port(RingPort& ring_port, uint32_t id, uint32_t vrf_id, uint32_t own_address) {
  const std::string number = std::to_string(next_number());
  const auto make = [&](const char* kind) {
    return rte_ring_create((kind + number).c_str(), kQueueFrames, SOCKET_ID_ANY,
                           RING_F_SP_ENQ | RING_F_SC_DEQ);
  };
  ring_port.receive = make("rig-rx");
  ring_port.transmit = make("rig-tx");
  const int device =
      rte_eth_from_rings(("rig" + number).c_str(), &ring_port.receive, 1, &ring_port.transmit, 1, 0);
  if (device < 0) fail("no ring device");
  Port& port = ring_port.port;
  port.device = static_cast<uint16_t>(device);
  rte_eth_conf configuration{};
  if (rte_eth_dev_configure(port.device, 1, 1, &configuration) != 0 ||
      rte_eth_rx_queue_setup(port.device, 0, 256, 0, nullptr, pool_) != 0 ||
      rte_eth_tx_queue_setup(port.device, 0, 256, 0, nullptr) != 0 || rte_eth_dev_start(port.device) != 0)
    fail("the ring device doesn't start");
  port.id = id;
  port.rx_queues = 1;
  port.vrf_id = vrf_id;
  port.mtu_bytes = 1500;
  port.mac = mac_of(id + 1);
  port.address_count = 1;
  port.addresses_be[0] = rte_cpu_to_be_32(own_address);
  world_.ports.publish(id, &port);
  port_list_.ports.push_back(&port);
  world_.port_list = &port_list_;
}

void PathRig::add_neighbour(uint32_t id, const RingPort& port, uint32_t own_address) {
  auto neighbour = std::make_unique<Neighbour>();
  neighbour->id = id;
  neighbour->port_id = port.port.id;
  neighbour->address = to_address(rte_cpu_to_be_32(own_address));
  neighbour->resolved = true;
  neighbour->rewrite = make_ethernet_rewrite(mac_of(0x80 + id), port.port.mac, RTE_ETHER_TYPE_IPV4);
  world_.neighbours.publish(id, neighbour.get());
  neighbours_.push_back(std::move(neighbour));
}

void PathRig::add_sa(uint32_t index) {
  auto sa = std::make_unique<Sa>();
  sa->tunnel = world_.tunnel_pool.make();
  sa->tunnel->id = index;
  sa->tunnel->vrf_id = kVrf;
  sa->tunnel->neighbour_id = kPeerNeighbour;
  sa->tunnel->outbound_slot = index + 1;
  auto inbound = api::SetInboundSa{};
  fill(inbound, options_, index, options_.is_peer);
  inbound.replay_window = options_.replay_window;
  auto outbound = api::SetOutboundSa{};
  fill(outbound, options_, index, !options_.is_peer);
  outbound.slot = index + 1;
  OuterHeader outer;
  make_outer_header({outbound.local, outbound.remote, 0, 0, false}, {}, outer);
  const Refusal in =
      create_inbound_sa(inbound, inbound_rows_[index + 1], *engine_, SOCKET_ID_ANY, sa->inbound);
  const Refusal out =
      create_outbound_sa(outbound, outbound_rows_[index + 1], outer, *engine_, SOCKET_ID_ANY, sa->outbound);
  if (in.error != api::Error::kNone || out.error != api::Error::kNone)
    fail(*in.text != '\0' ? in.text : out.text);
  sa->inbound->vrf_id = kVrf;
  world_.tunnels.publish(index, sa->tunnel.get());
  world_.inbound_sas.publish(index + 1, sa->inbound.get());
  world_.outbound_sas.publish(index + 1, sa->outbound.get());
  const uint32_t group = index + kFirstTunnelGroup;
  groups_[group] = std::make_unique<NextHopGroup>(
      group, kVrf, std::array{api::GroupMember{api::MemberKind::kTunnel, 1, 1, index}}, 1);
  world_.groups.publish(group, groups_[group].get());
  if (!options_.is_peer && vrf_.fib4->add(kFirstRemote + index, 32, group) != FibResult::kDone)
    fail("no route");
  sas_.push_back(std::move(sa));
}

void PathRig::write_lan_frame(rte_mbuf* frame, uint32_t sa, uint32_t ip_bytes) const {
  rte_pktmbuf_reset(frame);
  frame->data_len = static_cast<uint16_t>(sizeof(rte_ether_hdr) + ip_bytes);
  frame->pkt_len = frame->data_len;
  char* start = rte_pktmbuf_mtod(frame, char*);
  const rte_ether_hdr ethernet{lan_.port.mac, mac_of(0x99), RTE_BE16(RTE_ETHER_TYPE_IPV4)};
  std::memcpy(start, &ethernet, sizeof ethernet);
  auto* ip = reinterpret_cast<rte_ipv4_hdr*>(start + sizeof ethernet);
  std::memset(ip, 0, sizeof(rte_ipv4_hdr) + sizeof(rte_udp_hdr));
  ip->version_ihl = RTE_IPV4_VHL_DEF;
  ip->total_length = rte_cpu_to_be_16(static_cast<uint16_t>(ip_bytes));
  ip->time_to_live = 64;
  ip->next_proto_id = IPPROTO_UDP;
  ip->src_addr = rte_cpu_to_be_32(kLanHost);
  ip->dst_addr = rte_cpu_to_be_32(kFirstRemote + sa);
  write_ipv4_checksum(*ip);
  auto* udp = reinterpret_cast<rte_udp_hdr*>(ip + 1);
  udp->src_port = udp->dst_port = RTE_BE16(5001);
  udp->dgram_len = rte_cpu_to_be_16(static_cast<uint16_t>(ip_bytes - sizeof *ip));
}

void PathRig::address_to_wan(rte_mbuf* frame) const {
  rte_pktmbuf_mtod(frame, rte_ether_hdr*)->dst_addr = wan_.port.mac;
}

void PathRig::enqueue(rte_ring* ring, std::span<rte_mbuf*> frames) {
  const auto count = static_cast<unsigned>(frames.size());
  if (rte_ring_sp_enqueue_bulk(ring, reinterpret_cast<void**>(frames.data()), count, nullptr) != count)
    fail("a queue is full");
}

uint32_t PathRig::dequeue(rte_ring* ring, std::span<rte_mbuf*> frames) {
  return rte_ring_sc_dequeue_burst(ring, reinterpret_cast<void**>(frames.data()),
                                   static_cast<unsigned>(frames.size()), nullptr);
}

uint64_t PathRig::drops() const {
  uint64_t total = 0;
  for (const api::Counter& counter : counters_[0].drops)
    total += counter;
  return total;
}

}  // namespace sallyport::bench
