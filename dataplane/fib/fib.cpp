// SPDX-License-Identifier: BSD-3-Clause
// Ipv4Fib over rte_lpm. rte_lpm frees its tables of 256 entries through a defer queue of the QSBR variable,
// so removing a route never waits for the workers.
#include "dataplane/fib/fib.h"

#include <rte_errno.h>

#include <atomic>
#include <cstdio>

namespace sallyport::dataplane {

namespace {

uint32_t network_mask(uint8_t length) {
  return length == 0 ? 0 : ~uint32_t{0} << (32 - length);
}

bool is_prefix(uint32_t prefix, uint8_t length) {
  return length <= 32 && (prefix & ~network_mask(length)) == 0;
}

}  // namespace

std::unique_ptr<Ipv4Fib> Ipv4Fib::create(const FibConfig& config) {
  char name[RTE_LPM_NAMESIZE];
  static std::atomic<uint32_t> generation{0};  // rte_lpm wants a name that no other table has
  std::snprintf(name, sizeof name, "fib4-%u-%u", config.vrf_id, generation.fetch_add(1));
  rte_lpm_config lpm_config{};
  lpm_config.max_rules = config.max_routes;
  lpm_config.number_tbl8s = config.tbl8s;
  rte_lpm* lpm = rte_lpm_create(name, config.socket_id, &lpm_config);
  if (lpm == nullptr) return nullptr;
  if (config.qsbr != nullptr) {
    rte_lpm_rcu_config rcu{};
    rcu.v = config.qsbr;
    rcu.mode = RTE_LPM_QSBR_MODE_DQ;
    if (rte_lpm_rcu_qsbr_add(lpm, &rcu) != 0) {
      rte_lpm_free(lpm);
      return nullptr;
    }
  }
  return std::unique_ptr<Ipv4Fib>(new Ipv4Fib(lpm));
}

Ipv4Fib::~Ipv4Fib() {
  rte_lpm_free(lpm_);
}

FibResult Ipv4Fib::add(uint32_t prefix, uint8_t length, uint32_t group_id) {
  if (!is_prefix(prefix, length) || group_id > kMaxGroupId) return FibResult::kInvalid;
  if (find(prefix, length) == group_id) return FibResult::kUnchanged;
  if (length == 0) {
    std::atomic_ref(default_group_).store(group_id, std::memory_order_release);
    return FibResult::kDone;
  }
  return rte_lpm_add(lpm_, prefix, length, group_id) == 0 ? FibResult::kDone : FibResult::kFull;
}

FibResult Ipv4Fib::remove(uint32_t prefix, uint8_t length) {
  if (!is_prefix(prefix, length)) return FibResult::kInvalid;
  if (find(prefix, length) == kNoGroup) return FibResult::kNotFound;
  if (length == 0) {
    std::atomic_ref(default_group_).store(kNoGroup, std::memory_order_release);
    return FibResult::kDone;
  }
  return rte_lpm_delete(lpm_, prefix, length) == 0 ? FibResult::kDone : FibResult::kFull;
}

uint32_t Ipv4Fib::find(uint32_t prefix, uint8_t length) const {
  if (!is_prefix(prefix, length)) return kNoGroup;
  if (length == 0) return default_group_;
  uint32_t group_id = 0;
  return rte_lpm_is_rule_present(lpm_, prefix, length, &group_id) == 1 ? group_id : kNoGroup;
}

void Ipv4Fib::lookup_burst(const uint32_t* addresses, uint32_t* groups, unsigned count) const {
  rte_lpm_lookup_bulk(lpm_, addresses, groups, count);
  const uint32_t fallback =
      std::atomic_ref(const_cast<uint32_t&>(default_group_)).load(std::memory_order_acquire);
  for (unsigned i = 0; i < count; ++i) {
    groups[i] = (groups[i] & RTE_LPM_LOOKUP_SUCCESS) != 0 ? groups[i] & kMaxGroupId : fallback;
  }
}

uint32_t Ipv4Fib::lookup(uint32_t address) const {
  uint32_t group = kNoGroup;
  lookup_burst(&address, &group, 1);
  return group;
}

bool Ipv4Fib::covers(uint32_t address) const {
  uint32_t group = 0;
  return rte_lpm_lookup(lpm_, address, &group) == 0;
}

}  // namespace sallyport::dataplane
