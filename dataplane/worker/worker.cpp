// SPDX-License-Identifier: BSD-3-Clause
// The poll loop. Worker thread, but for create.
#include "dataplane/worker/worker.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <sys/prctl.h>
#include <time.h>

#include <utility>

#include "dataplane/path/choose_sa.h"
#include "dataplane/path/context.h"
#include "dataplane/path/forward.h"
#include "dataplane/path/forward_ipv6.h"
#include "dataplane/path/inbound.h"
#include "dataplane/path/outbound.h"
#include "dataplane/path/outbound_ipv6.h"
#include "dataplane/path/transmit.h"
#include "dataplane/path/validate.h"
#include "dataplane/path/validate_ipv6.h"

namespace sallyport::dataplane {

namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;
constexpr uint64_t kExpireIntervalNs = kSecondNs / 10;  // of half-reassembled datagrams
constexpr uint32_t kEmptyPollsBeforeSleep = 64, kEmptyPollsBeforeLongSleep = 512;
constexpr long kShortSleepNs = 50'000, kLongSleepNs = 100'000;

uint64_t monotonic_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * kSecondNs + static_cast<uint64_t>(now.tv_nsec);
}

uint32_t poll_ports(PathContext& context) {
  const PortList* list = context.world->port_list.load(std::memory_order_acquire);
  if (list == nullptr) return 0;
  uint32_t total = 0;
  for (const Port* port : list->ports) {
    if (context.index >= port->rx_queues) continue;
    std::array<rte_mbuf*, kBurst> frames;
    const uint16_t count =
        rte_eth_rx_burst(port->device, static_cast<uint16_t>(context.index), frames.data(), kBurst);
    if (count == 0) continue;
    uint64_t bytes = 0;
    for (uint16_t i = 0; i < count; ++i) {
      rte_prefetch0(rte_pktmbuf_mtod(frames[i], const void*));
      bytes += frames[i]->pkt_len;
    }
    api::PortCounters& counters = context.port_counter(port->id);
    bump(counters.rx_packets, count);
    bump(counters.rx_bytes, bytes);
    bump(context.counters->rx_packets, count);
    if (port->is_public()) {
      receive_public(context, *port, {frames.data(), count});
    } else {
      receive_lan(context, *port, {frames.data(), count});
    }
    total += count;
  }
  return total;
}

// What came over a ring, by what is to be done with it.
struct Handover {
  InboundBurst inbound;
  OutboundBurst outbound, outbound_ipv6;
};

void take_handover(PathContext& context, rte_mbuf* packet, Handover& bursts) {
  const PacketMeta& meta = meta_of(packet);
  if (meta.kind == MetaKind::kHandoverInbound) {
    find_slot(context, packet, meta.esp_offset_bytes, bursts.inbound);
    return;
  }
  const Tunnel* tunnel = context.world->tunnels.at(meta.tunnel_id);
  if (tunnel == nullptr) {
    drop(context, packet, api::DropReason::kNoTunnelUp);
    return;
  }
  // Where the packet's SA is one of another home by now, the packet moves on.
  const RoutedPacket routed =
      make_routed(packet, meta.vrf_id, meta.port_id, static_cast<Origin>(meta.origin));
  const bool is_ipv6 = is_ipv6_packet(packet);
  const Home home = is_ipv6 ? home_for(context, *tunnel, *rte_pktmbuf_mtod(packet, const rte_ipv6_hdr*))
                            : home_for(context, *tunnel, *rte_pktmbuf_mtod(packet, const rte_ipv4_hdr*));
  if (home.sa == nullptr) {
    leave_home(context, routed, *tunnel, home.slot);
  } else {
    OutboundBurst& burst = is_ipv6 ? bursts.outbound_ipv6 : bursts.outbound;
    burst.append(*tunnel, *home.sa, routed);
  }
}

// Empties them.
void send_handed_over(PathContext& context, Handover& bursts) {
  if (bursts.inbound.count > 0) decapsulate_burst(context, bursts.inbound);
  if (bursts.outbound.count > 0) encapsulate_burst(context, bursts.outbound);
  if (bursts.outbound_ipv6.count > 0) encapsulate_ipv6_burst(context, bursts.outbound_ipv6);
}

// `drained`: whether every ring was empty at its end.
uint32_t poll_handover(PathContext& context, bool& drained) {
  uint32_t total = 0;
  drained = true;
  for (uint32_t from = 0; from < context.rings->workers(); ++from) {
    if (from == context.index) continue;
    std::array<rte_mbuf*, kBurst> packets;
    const uint32_t count =
        rte_ring_sc_dequeue_burst(context.rings->handover(from, context.index),
                                  reinterpret_cast<void**>(packets.data()), kBurst, nullptr);
    if (count == kBurst) drained = false;
    Handover bursts;
    for (uint32_t i = 0; i < count; ++i)
      take_handover(context, packets[i], bursts);
    send_handed_over(context, bursts);
    total += count;
  }
  return total;
}

void inject_ipv6(PathContext& context, rte_mbuf* packet) {
  if (const api::DropReason reason = fit_ipv6(packet); reason != kKeep) {
    drop(context, packet, reason);
    return;
  }
  route_ipv6(context, make_routed(packet, meta_of(packet).vrf_id, kNoPort, Origin::kMirror));
}

uint32_t poll_injections(PathContext& context) {
  std::array<rte_mbuf*, kBurst> packets;
  const uint32_t count = rte_ring_sc_dequeue_burst(context.rings->injections(context.index),
                                                   reinterpret_cast<void**>(packets.data()), kBurst, nullptr);
  if (count == 0) return 0;
  std::array<RoutedPacket, kBurst> routed;
  uint32_t routed_count = 0;
  Handover bursts;
  for (uint32_t i = 0; i < count; ++i) {
    rte_mbuf* packet = packets[i];
    const PacketMeta& meta = meta_of(packet);
    if (meta.kind == MetaKind::kInjectPort) {
      send_frame(context, meta.port_id, packet);
    } else if (meta.kind == MetaKind::kInjectNeighbour) {
      (is_ipv6_packet(packet) ? send_ipv6_to_neighbour : send_to_neighbour)(context, meta.neighbour_id,
                                                                            packet);
    } else if (meta.kind == MetaKind::kInjectTunnel) {
      take_handover(context, packet, bursts);
    } else if (is_ipv6_packet(packet)) {
      inject_ipv6(context, packet);
    } else if (const api::DropReason reason = fit_ipv4(packet); reason != kKeep) {
      drop(context, packet, reason);
    } else {
      routed[routed_count++] = make_routed_ipv4(packet, meta.vrf_id, kNoPort, Origin::kMirror);
    }
  }
  if (routed_count > 0) forward_burst(context, {routed.data(), routed_count});
  send_handed_over(context, bursts);
  return count;
}

}  // namespace

// Keeps the loop's clock: CLOCK_MONOTONIC by the time stamp counter, set right once a second.
class Worker::Clock {
 public:
  Clock() : hz_(rte_get_tsc_hz()) { set(); }

  uint64_t now_ns(uint64_t tsc) {
    if (tsc - base_tsc_ > hz_) set();
    // Never backwards, also where the two clocks drift or the counter is read before `set`.
    const uint64_t elapsed_tsc = tsc > base_tsc_ ? tsc - base_tsc_ : 0;
    latest_ns_ = std::max(latest_ns_, base_ns_ + elapsed_tsc * kSecondNs / hz_);
    return latest_ns_;
  }

 private:
  void set() {
    base_tsc_ = rte_rdtsc();
    base_ns_ = monotonic_ns();
  }

  uint64_t hz_, base_tsc_ = 0, base_ns_ = 0, latest_ns_ = 0;
};

std::unique_ptr<Worker> Worker::create(const WorkerConfig& config) {
  auto context = std::make_unique<PathContext>();
  context->index = config.index;
  context->world = config.world;
  context->rings = config.rings;
  context->pool = config.pool;
  context->counters = config.counters;
  context->port_counters = config.port_counters;
  context->counter_workers = config.counter_workers;
  context->engine = CryptoEngine::create();
  context->reassembler =
      Reassembler::create(config.socket_id, config.pool->size / 2 / config.world->workers());
  context->handover.resize(config.world->workers());
  if (context->engine == nullptr || context->reassembler == nullptr) return nullptr;
  return std::unique_ptr<Worker>(new Worker(std::move(context), config.idle));
}

Worker::Worker(std::unique_ptr<PathContext> context, Idle idle)
    : context_(std::move(context)), clock_(std::make_unique<Clock>()), idle_(idle) {}

Worker::~Worker() = default;

uint32_t Worker::poll_once() {
  const uint64_t start_tsc = rte_rdtsc();
  return poll(clock_->now_ns(start_tsc), start_tsc);
}

uint32_t Worker::poll_at(uint64_t now_ns) {
  return poll(now_ns, rte_rdtsc());
}

inline uint32_t Worker::poll(uint64_t now_ns, uint64_t start_tsc) {
  PathContext& context = *context_;
  context.now_ns = now_ns;
  const bool settled = context.first_packets.settled(context);
  bool drained;
  uint32_t taken = poll_handover(context, drained);
  if (settled) [[unlikely]]
    context.first_packets.end_turn(context, drained);
  taken += poll_injections(context);
  taken += poll_ports(context);
  forward_ipv6(context);
  send_replies(context);
  send_ipv6_replies(context);
  if (context.now_ns >= next_expiry_ns_) {
    next_expiry_ns_ = context.now_ns + kExpireIntervalNs;
    const uint32_t expired = context.reassembler->expire(context.now_ns);
    if (expired > 0) count_drops(context, api::DropReason::kFragmentTimeout, expired);
  }
  flush_handover(context);
  flush_transmit(context);
  if (std::exchange(context.has_news, false)) context.rings->wake_manager();
  const uint64_t cycles = rte_rdtsc() - start_tsc;
  bump(context.counters->loops);
  bump(context.counters->cycles, cycles);
  if (taken > 0) bump(context.counters->busy_cycles, cycles);
  return taken;
}

void Worker::run(const std::atomic<bool>& stop) {
  rte_rcu_qsbr* qsbr = context_->world->qsbr();
  const unsigned reader = context_->index;
  prctl(PR_SET_TIMERSLACK, 1000);
  rte_rcu_qsbr_thread_register(qsbr, reader);
  rte_rcu_qsbr_thread_online(qsbr, reader);
  uint32_t empty_polls = 0;
  while (!stop.load(std::memory_order_relaxed)) {
    empty_polls = poll_once() > 0 ? 0 : empty_polls + 1;
    rte_rcu_qsbr_quiescent(qsbr, reader);
    if (idle_ == Idle::kSleep && empty_polls > kEmptyPollsBeforeSleep) {
      bump(context_->counters->idle_sleeps);
      const timespec pause{0, empty_polls > kEmptyPollsBeforeLongSleep ? kLongSleepNs : kShortSleepNs};
      clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, nullptr);
    }
  }
  rte_rcu_qsbr_thread_offline(qsbr, reader);
  rte_rcu_qsbr_thread_unregister(qsbr, reader);
}

}  // namespace sallyport::dataplane
