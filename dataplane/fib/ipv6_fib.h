// SPDX-License-Identifier: BSD-3-Clause
// The IPv6 forwarding table of one VRF: longest prefix match from a destination to a next-hop group's id. A
// trie of 8 bits a level, its nodes made as routes need them. (The IPv6 tables of DPDK 22.11 know no RCU:
// they give the memory of a removed route to another one under the eyes of those who look up.) The manager
// thread alone adds and removes; any number of workers look up meanwhile, without a lock.
#pragma once

#include <rte_rcu_qsbr.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/fib/fib.h"
#include "dataplane/packet/ipv6.h"

namespace sallyport::dataplane {

class Ipv6Fib {
 public:
  // Of DPDK's memory, for each 8 bits of a prefix beyond the first 8 that no other route shares.
  static constexpr uint32_t kNodeBytes = 4096;

  // Of the configuration: max_routes, ipv6_nodes, socket_id, qsbr. nullptr when the EAL has
  // not enough memory left for the first node.
  static std::unique_ptr<Ipv6Fib> create(const FibConfig& config);
  ~Ipv6Fib();
  Ipv6Fib(const Ipv6Fib&) = delete;
  Ipv6Fib& operator=(const Ipv6Fib&) = delete;

  // Manager. Host bits zero, 0 <= length <= 128. Adding a prefix that is there replaces its group; readers
  // see the old group or the new one, never a gap.
  FibResult add(const Ipv6Address& prefix, uint8_t length, uint32_t group_id);
  FibResult remove(const Ipv6Address& prefix, uint8_t length);
  // The group of exactly this prefix; kNoGroup when there is none.
  uint32_t find(const Ipv6Address& prefix, uint8_t length) const;

  // Workers. kNoGroup where nothing matches.
  uint32_t lookup(const Ipv6Address& address) const;
  // Whether a route other than ::/0 covers the address.
  bool covers(const Ipv6Address& address) const;

 private:
  struct Node;
  // What a byte of the address leads to: the best route that ends in it, and the longer ones.
  struct Entry {
    std::atomic<const Node*> child;
    std::atomic<uint32_t> route;  // group id + 1; 0: none ends here
    uint8_t length;               // of that route's prefix; the manager's own
  };
  struct Node {
    std::array<Entry, 256> entries;
  };
  static_assert(sizeof(Node) == kNodeBytes);
  struct Retired {
    uint64_t token;  // of QSBR
    Node* node;
  };
  using Path = std::array<Node*, 16>;  // from the root down
  using Key = std::pair<Ipv6Address, uint8_t>;

  explicit Ipv6Fib(const FibConfig& config) : config_(config) {}
  Node* make_node();
  Node* child_of(const Entry& entry) const {
    return const_cast<Node*>(entry.child.load(std::memory_order_relaxed));
  }
  // The nodes down to the one that a prefix of this length ends in, missing ones made; false: no memory.
  bool descend(const Ipv6Address& prefix, uint32_t level, Path& path);
  void put(Node& node, const Ipv6Address& prefix, uint8_t length, uint32_t group_id);
  void withdraw(Node& node, const Ipv6Address& prefix, uint8_t length);
  void prune(const Ipv6Address& prefix, uint32_t level, const Path& path);
  void retire(Node* node);
  void reclaim();
  uint32_t best(const Ipv6Address& address) const;

  FibConfig config_;
  Node* root_ = nullptr;
  std::atomic<uint32_t> default_group_{kNoGroup};  // ::/0. Manager writes, workers read
  std::map<Key, uint32_t> routes_;                 // manager's
  uint32_t nodes_ = 0;
  std::vector<Retired> retired_;
};

}  // namespace sallyport::dataplane
