// SPDX-License-Identifier: BSD-3-Clause
#include "bench/scheduled_port.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf_dyn.h>

#include <algorithm>
#include <cstring>
#include <random>

namespace sallyport::bench {
namespace {

// Where a packet keeps its arrival.
int arrival_offset() {
  static const int offset = [] {
    rte_mbuf_dynfield field{};
    std::strcpy(field.name, "sallyport_bench_arrival");
    field.size = field.align = sizeof(uint64_t);
    return rte_mbuf_dynfield_register(&field);
  }();
  return offset;
}

// Of mean 1, made beforehand: a logarithm for each packet would be half the gateway's work.
std::vector<double> exponential_gaps() {
  constexpr size_t kGaps = 8191;
  std::mt19937 random(1);
  std::exponential_distribution<double> distribution;
  std::vector<double> gaps(kGaps);
  double sum = 0;
  for (double& gap : gaps)
    sum += gap = distribution(random);
  for (double& gap : gaps)
    gap *= static_cast<double>(kGaps) / sum;
  return gaps;
}

uint64_t& arrival_of(rte_mbuf* packet) {
  return *RTE_MBUF_DYNFIELD(packet, arrival_offset(), uint64_t*);
}

}  // namespace

void Histogram::add(const Histogram& other) {
  for (uint64_t i = 0; i < kBuckets; ++i)
    buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  longest_ = std::max(longest_, other.longest_);
}

void Histogram::clear() {
  std::fill(buckets_.begin(), buckets_.end(), 0);
  count_ = longest_ = 0;
}

uint64_t Histogram::quantile(double fraction) const {
  const auto rank = static_cast<uint64_t>(fraction * static_cast<double>(count_));
  uint64_t below = 0;
  for (uint64_t i = 0; i < kBuckets; ++i) {
    below += buckets_[i];
    if (below > rank) return std::min(longest_, (i + 1) << kShift);
  }
  return longest_;
}

void ScheduledPort::attach(uint16_t device, rte_mempool* pool) {
  pool_ = pool;
  arrival_offset();
  auto& operations = rte_eth_fp_ops[device];
  operations.rxq.data = &self_;
  operations.txq.data = &self_;
  operations.rx_pkt_burst = receive_burst;
  operations.tx_pkt_burst = transmit_burst;
}

void ScheduledPort::start(const std::vector<Frame>* frames, double gap_tsc) {
  arrivals_ = {};
  next_frame_ = 0;
  gap_tsc_ = gap_tsc;
  due_tsc_ = static_cast<double>(clock_.now_tsc());
  frames_ = frames;
}

double ScheduledPort::next_gap() {
  static const std::vector<double> gaps = exponential_gaps();
  next_gap_ = next_gap_ + 1 == gaps.size() ? 0 : next_gap_ + 1;
  return gap_tsc_ * gaps[next_gap_];
}

// What a NIC's full ring would have dropped while nobody polled.
void ScheduledPort::skip_missed(uint64_t now_tsc) {
  const double behind = (static_cast<double>(now_tsc) - due_tsc_) / gap_tsc_;
  if (behind <= static_cast<double>(kRingPackets)) return;
  const auto missed = static_cast<uint64_t>(behind) - kRingPackets;
  arrivals_.missed += missed;
  due_tsc_ += static_cast<double>(missed) * gap_tsc_;
}

rte_mbuf* ScheduledPort::make_packet(uint64_t arrival_tsc) {
  rte_mbuf* packet = rte_pktmbuf_alloc(pool_);
  if (packet == nullptr) return nullptr;
  const Frame& frame = (*frames_)[next_frame_];
  next_frame_ = next_frame_ + 1 == frames_->size() ? 0 : next_frame_ + 1;
  std::memcpy(rte_pktmbuf_mtod(packet, void*), frame.data(), frame.size());
  packet->data_len = static_cast<uint16_t>(frame.size());
  packet->pkt_len = static_cast<uint32_t>(frame.size());
  arrival_of(packet) = arrival_tsc;
  return packet;
}

uint16_t ScheduledPort::receive(rte_mbuf** packets, uint16_t count) {
  if (frames_ == nullptr) return 0;
  const uint64_t now_tsc = clock_.now_tsc();
  if (gap_tsc_ > 0) skip_missed(now_tsc);
  uint16_t taken = 0;
  while (taken < count && due_tsc_ <= static_cast<double>(now_tsc)) {
    const auto arrival_tsc = gap_tsc_ > 0 ? static_cast<uint64_t>(due_tsc_) : now_tsc;
    packets[taken] = make_packet(arrival_tsc);
    if (packets[taken] == nullptr) break;
    ++taken;
    if (gap_tsc_ > 0) due_tsc_ += next_gap();
  }
  arrivals_.taken += taken;
  arrivals_.bursts += taken > 0;
  return taken;
}

uint16_t ScheduledPort::receive_burst(void* port, rte_mbuf** packets, uint16_t count) {
  return static_cast<ScheduledPort*>(port)->receive(packets, count);
}

uint16_t ScheduledPort::transmit_burst(void* port, rte_mbuf** packets, uint16_t count) {
  auto& self = *static_cast<ScheduledPort*>(port);
  const uint64_t now_tsc = self.clock_.now_tsc();
  for (uint16_t i = 0; i < count; ++i)
    self.departures_.add(now_tsc - arrival_of(packets[i]));
  rte_pktmbuf_free_bulk(packets, count);
  return count;
}

}  // namespace sallyport::bench
