// SPDX-License-Identifier: BSD-3-Clause
// The IPv4 forwarding table of one VRF: longest prefix match from a destination to a next-hop group's id.
// The manager thread alone adds and removes; any number of workers look up meanwhile, without a lock.
#pragma once

#include <rte_lpm.h>
#include <rte_rcu_qsbr.h>

#include <cstdint>
#include <memory>

namespace sallyport::dataplane {

inline constexpr uint32_t kNoGroup = 0xffffffff;         // lookup result: no route
inline constexpr uint32_t kMaxGroupId = (1u << 24) - 1;  // rte_lpm keeps 24 bits

struct FibConfig {
  uint32_t vrf_id;
  uint32_t max_routes = 65536;  // 8 bytes each
  uint32_t tbl8s = 4096;        // 1 KiB each: one for every /24 that holds something longer than a /24
  uint32_t ipv6_nodes = 65536;  // Ipv6Fib::kNodeBytes each, taken as routes need them
  int socket_id = -1;           // SOCKET_ID_ANY
  rte_rcu_qsbr* qsbr =
      nullptr;  // what the looking-up workers report to; without it, no lookup while removing
};

// Bytes an IPv4 table takes from the EAL's memory: 64 MiB for the first 24 bits, and what the configuration
// adds (68.5 MiB with the defaults above). Add 1 MiB of slack for the allocator.
constexpr uint64_t fib_memory_bytes(const FibConfig& config) {
  return (uint64_t{4} << 24) + uint64_t{config.tbl8s} * 1024 + uint64_t{config.max_routes} * 8;
}

enum class FibResult : uint8_t { kDone, kUnchanged, kNotFound, kFull, kInvalid };

class Ipv4Fib {
 public:
  // nullptr when the EAL has not enough memory left (rte_errno says why).
  static std::unique_ptr<Ipv4Fib> create(const FibConfig& config);
  ~Ipv4Fib();
  Ipv4Fib(const Ipv4Fib&) = delete;
  Ipv4Fib& operator=(const Ipv4Fib&) = delete;

  // Manager. The prefix is in host byte order with its host bits zero, 0 <= length <= 32. Adding a prefix
  // that is there replaces its group; readers see the old group or the new one, never a gap.
  FibResult add(uint32_t prefix, uint8_t length, uint32_t group_id);
  FibResult remove(uint32_t prefix, uint8_t length);
  // The group of exactly this prefix; kNoGroup when there is none.
  uint32_t find(uint32_t prefix, uint8_t length) const;

  // Workers. Addresses in host byte order; groups[i] is kNoGroup where nothing matches.
  void lookup_burst(const uint32_t* addresses, uint32_t* groups, unsigned count) const;
  uint32_t lookup(uint32_t address) const;
  // Whether a route other than 0.0.0.0/0 covers the address.
  bool covers(uint32_t address) const;

 private:
  explicit Ipv4Fib(rte_lpm* lpm) : lpm_(lpm) {}

  rte_lpm* lpm_;
  uint32_t default_group_ =
      kNoGroup;  // 0.0.0.0/0, which rte_lpm can't hold. Manager writes, workers read (atomic_ref)
};

}  // namespace sallyport::dataplane
