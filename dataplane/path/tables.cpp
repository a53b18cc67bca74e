// SPDX-License-Identifier: BSD-3-Clause
// The world's memory, and how a next-hop group shares its buckets. Manager thread.
#include "dataplane/path/tables.h"

#include <rte_malloc.h>

#include <cmath>
#include <new>

namespace sallyport::dataplane {

namespace {

// Finalizer of splitmix64: every bit of the input moves every bit of the output.
uint64_t mix(uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

// Weighted rendezvous (highest random weight): -w / ln(u) with u uniform in (0, 1). The member with the
// highest score of a bucket has it, and whose score is highest never depends on members that are not there.
double score(uint32_t bucket, const api::GroupMember& member) {
  const uint64_t hash = mix(mix(bucket) ^ (uint64_t{static_cast<uint8_t>(member.kind)} << 32 | member.id));
  const double uniform = (static_cast<double>(hash >> 11) + 0.5) * 0x1.0p-53;
  return -static_cast<double>(member.weight) / std::log(uniform);
}

}  // namespace

NextHopGroup::NextHopGroup(uint32_t id, uint32_t vrf_id, std::span<const api::GroupMember> members,
                           api::MemberChoice choice)
    : id_(id),
      vrf_id_(vrf_id),
      member_count_(static_cast<uint16_t>(std::min(members.size(), members_.size()))),
      choice_(choice) {
  for (uint16_t i = 0; i < member_count_; ++i) {
    members_[i] = members[i];
    if (is_live(members_[i])) {
      ++live_;
      only_ = static_cast<uint8_t>(i);
    }
  }
  if (live_ < 2) return;
  for (uint32_t bucket = 0; bucket < kBuckets; ++bucket) {
    double best = 0;
    for (uint16_t i = 0; i < member_count_; ++i) {
      if (!is_live(members_[i])) continue;
      const double mine = score(bucket, members_[i]);
      if (mine > best) {
        best = mine;
        buckets_[bucket] = static_cast<uint8_t>(i);
      }
    }
  }
}

TunnelPool::TunnelPool(uint32_t capacity) : tunnels_(make_dpdk_array<Tunnel>(size_t{capacity} + kResting)) {
  free_.reserve(size_t{capacity} + kResting);
  for (uint32_t i = capacity + kResting; i-- > 0;)
    free_.push_back(&tunnels_[i]);
}

TunnelPool::Pointer TunnelPool::make() {
  if (free_.empty()) return Pointer(nullptr, Return(this));
  Tunnel* tunnel = new (free_.back()) Tunnel;
  free_.pop_back();
  return Pointer(tunnel, Return(this));
}

World::World(const WorldConfig& config)
    : ports(api::kMaxPorts),
      neighbours(config.neighbours),
      groups(config.groups),
      vrfs(api::kMaxVrfs),
      tunnels(config.tunnels),
      tunnel_pool(config.tunnels),
      inbound_sas(config.slots),
      outbound_sas(config.slots),
      workers_(config.workers),
      home_mask_(std::has_single_bit(config.workers) ? config.workers - 1 : 0) {
  const size_t bytes = rte_rcu_qsbr_get_memsize(config.workers);
  qsbr_ = static_cast<rte_rcu_qsbr*>(rte_zmalloc("qsbr", bytes, RTE_CACHE_LINE_SIZE));
  if (qsbr_ == nullptr || rte_rcu_qsbr_init(qsbr_, config.workers) != 0) throw std::bad_alloc();
}

World::~World() {
  rte_free(qsbr_);
}

}  // namespace sallyport::dataplane
