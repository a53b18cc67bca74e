// SPDX-License-Identifier: BSD-3-Clause
// The world's memory, and how a next-hop group shares its buckets. Manager thread.
#include "dataplane/path/tables.h"

#include <rte_malloc.h>

#include <bit>
#include <cmath>
#include <new>
#include <numeric>

namespace sallyport::dataplane {

namespace {

// Finalizer of splitmix64: every bit of the input moves every bit of the output.
uint64_t mix(uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

// What stands for a member: its key, and how many before it have the same one and compete for the same flows.
uint64_t identity(std::span<const api::GroupMember> members, size_t index) {
  const api::GroupMember& member = members[index];
  const auto same = std::count_if(members.begin(), members.begin() + static_cast<ptrdiff_t>(index),
                                  [&](const api::GroupMember& other) {
                                    return other.key == member.key && other.policy == member.policy;
                                  });
  return static_cast<uint64_t>(same) << 32 | member.key;
}

// Weighted rendezvous (highest random weight): -w / ln(u) with u uniform in (0, 1).
double score(uint8_t bucket, uint64_t identity, uint16_t weight) {
  const uint64_t hash = mix(mix(bucket) ^ identity);
  const double uniform = (static_cast<double>(hash >> 11) + 0.5) * 0x1.0p-53;
  return -static_cast<double>(weight) / std::log(uniform);
}

// One that buckets are divided among.
struct Candidate {
  uint64_t identity;
  uint16_t weight;
  uint8_t index;  // of the member
  bool carries;
};
using Candidates = std::vector<Candidate>;  // in the order of their identities
using Buckets = std::vector<uint8_t>;

// How many of `buckets` each candidate gets: by weight, and what rounding leaves to those who lost most by
// it.
std::vector<uint32_t> quotas(uint32_t buckets, const Candidates& candidates) {
  uint64_t weights = 0;
  for (const Candidate& candidate : candidates)
    weights += candidate.weight;
  std::vector<uint32_t> quotas;
  std::vector<std::pair<uint64_t, size_t>> lost;
  uint32_t left = buckets;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const uint64_t share = uint64_t{buckets} * candidates[i].weight;
    quotas.push_back(static_cast<uint32_t>(share / weights));
    lost.emplace_back(weights - share % weights, i);
    left -= quotas.back();
  }
  std::sort(lost.begin(), lost.end());
  for (uint32_t i = 0; i < left; ++i)
    ++quotas[lost[i].second];
  return quotas;
}

// Each bucket to the candidate with the highest score for it that has not got its quota yet; what falls to
// one that doesn't carry is divided again among the others.
void divide(const Buckets& buckets, const Candidates& candidates, uint8_t* owners) {
  std::vector<uint32_t> left = quotas(static_cast<uint32_t>(buckets.size()), candidates);
  std::vector<Buckets> shares(candidates.size());
  for (const uint8_t bucket : buckets) {
    size_t best = candidates.size();
    double best_score = 0;
    for (size_t i = 0; i < candidates.size(); ++i) {
      if (left[i] == 0) continue;
      const double mine = score(bucket, candidates[i].identity, candidates[i].weight);
      if (mine <= best_score) continue;
      best = i;
      best_score = mine;
    }
    --left[best];
    shares[best].push_back(bucket);
  }
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (candidates[i].carries) {
      for (const uint8_t bucket : shares[i])
        owners[bucket] = candidates[i].index;
    } else if (!shares[i].empty()) {
      Candidates others = candidates;
      others.erase(others.begin() + static_cast<ptrdiff_t>(i));
      divide(shares[i], others, owners);
    }
  }
}

}  // namespace

NextHopGroup::NextHopGroup(uint32_t id, uint32_t vrf_id, std::span<const api::GroupMember> members,
                           uint64_t carrying, api::MemberChoice choice)
    : id_(id),
      vrf_id_(vrf_id),
      live_(static_cast<uint32_t>(std::popcount(carrying))),
      only_(static_cast<uint8_t>(std::countr_zero(carrying))),
      choice_(choice),
      carrying_(carrying),
      members_(members.begin(), members.end()) {
  assert(members.size() <= api::kMaxGroupMembers && (carrying & ~able_members(members)) == 0);
  if (live_ < 2) return;
  if (choice == api::MemberChoice::kByPolicy) {
    share_by_policy();
  } else {
    share_buckets(carrying);
  }
}

void NextHopGroup::share_by_policy() {
  tables_.assign(members_.size(), kAlone);
  uint8_t tables = 0;
  for (uint64_t left = carrying_; left != 0;) {
    const auto first = static_cast<size_t>(std::countr_zero(left));
    uint64_t sharers = 0;
    for (size_t i = first; i < members_.size(); ++i)
      if ((left >> i & 1) != 0 && members_[i].policy == members_[first].policy) sharers |= uint64_t{1} << i;
    left &= ~sharers;
    if (std::popcount(sharers) == 1) continue;
    for (size_t i = first; i < members_.size(); ++i)
      if ((sharers >> i & 1) != 0) tables_[i] = tables;
    ++tables;
    share_buckets(sharers);
  }
}

// One more table. `carriers` are of one policy, where that counts.
void NextHopGroup::share_buckets(uint64_t carriers) {
  const api::GroupMember& first = members_[static_cast<size_t>(std::countr_zero(carriers))];
  const bool by_policy = choice_ == api::MemberChoice::kByPolicy;
  Candidates candidates;
  for (size_t i = 0; i < members_.size(); ++i) {
    const api::GroupMember& member = members_[i];
    if (member.weight == 0 || member.rank != first.rank || (by_policy && member.policy != first.policy))
      continue;
    candidates.push_back(
        {identity(members_, i), member.weight, static_cast<uint8_t>(i), (carriers >> i & 1) != 0});
  }
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) { return a.identity < b.identity; });
  Buckets buckets(kBuckets);
  std::iota(buckets.begin(), buckets.end(), uint8_t{0});
  buckets_.resize(buckets_.size() + kBuckets);
  divide(buckets, candidates, &buckets_[buckets_.size() - kBuckets]);
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
      probe_counts(make_dpdk_array<std::atomic<uint32_t>>(config.tunnels)),
      inbound_sas(config.slots),
      outbound_sas(config.slots),
      outbound_beside(make_dpdk_array<std::atomic<uint32_t>>(config.slots)),
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
