// SPDX-License-Identifier: BSD-3-Clause
// Ipv6Fib. A route of length L lives in the node of level (L - 1) / 8, in the entry of every byte it covers
// there that no longer route of the same level has. A lookup goes down and keeps the last route it saw. So a
// change writes one node, and each entry changes at once.
#include "dataplane/fib/ipv6_fib.h"

#include <rte_malloc.h>

#include <algorithm>
#include <new>

namespace sallyport::dataplane {

namespace {

bool is_prefix(const Ipv6Address& prefix, uint8_t length) {
  if (length > 128) return false;
  for (uint32_t bit = length; bit < 128; ++bit) {
    if ((prefix[bit / 8] & (0x80u >> bit % 8)) != 0) return false;
  }
  return true;
}

uint32_t level_of(uint8_t length) {
  return (length - 1u) / 8;
}

// How many bytes, from the prefix's own on, a prefix covers in its node.
uint32_t width_of(uint8_t length) {
  return 1u << (level_of(length) * 8 + 8 - length);
}

Ipv6Address shortened(Ipv6Address prefix, uint8_t length) {
  for (uint32_t bit = length; bit < 128; ++bit)
    prefix[bit / 8] &= static_cast<uint8_t>(~(0x80u >> bit % 8));
  return prefix;
}

}  // namespace

std::unique_ptr<Ipv6Fib> Ipv6Fib::create(const FibConfig& config) {
  std::unique_ptr<Ipv6Fib> fib(new Ipv6Fib(config));
  fib->root_ = fib->make_node();
  return fib->root_ == nullptr ? nullptr : std::move(fib);
}

Ipv6Fib::~Ipv6Fib() {
  for (const Retired& retired : retired_)
    rte_free(retired.node);
  std::vector<Node*> left;
  if (root_ != nullptr) left.push_back(root_);
  while (!left.empty()) {
    Node* node = left.back();
    left.pop_back();
    for (const Entry& entry : node->entries) {
      if (Node* child = child_of(entry)) left.push_back(child);
    }
    rte_free(node);
  }
}

Ipv6Fib::Node* Ipv6Fib::make_node() {
  if (nodes_ == config_.ipv6_nodes) return nullptr;
  void* memory = rte_zmalloc_socket("fib6", sizeof(Node), RTE_CACHE_LINE_SIZE, config_.socket_id);
  if (memory == nullptr) return nullptr;
  ++nodes_;
  return new (memory) Node();
}

FibResult Ipv6Fib::add(const Ipv6Address& prefix, uint8_t length, uint32_t group_id) {
  reclaim();
  if (!is_prefix(prefix, length) || group_id > kMaxGroupId) return FibResult::kInvalid;
  const auto route = routes_.find({prefix, length});
  if (route != routes_.end() && route->second == group_id) return FibResult::kUnchanged;
  if (route == routes_.end() && routes_.size() == config_.max_routes) return FibResult::kFull;
  if (length == 0) {
    default_group_.store(group_id, std::memory_order_release);
  } else {
    Path path{};
    const uint32_t level = level_of(length);
    if (!descend(prefix, level, path)) {
      prune(prefix, level, path);
      return FibResult::kFull;
    }
    put(*path[level], prefix, length, group_id);
  }
  routes_[{prefix, length}] = group_id;
  return FibResult::kDone;
}

FibResult Ipv6Fib::remove(const Ipv6Address& prefix, uint8_t length) {
  reclaim();
  if (!is_prefix(prefix, length)) return FibResult::kInvalid;
  if (routes_.erase({prefix, length}) == 0) return FibResult::kNotFound;
  if (length == 0) {
    default_group_.store(kNoGroup, std::memory_order_release);
    return FibResult::kDone;
  }
  Path path{root_};
  const uint32_t level = level_of(length);
  for (uint32_t i = 0; i < level; ++i)
    path[i + 1] = child_of(path[i]->entries[prefix[i]]);
  withdraw(*path[level], prefix, length);
  prune(prefix, level, path);
  return FibResult::kDone;
}

uint32_t Ipv6Fib::find(const Ipv6Address& prefix, uint8_t length) const {
  const auto route = routes_.find({prefix, length});
  return route == routes_.end() ? kNoGroup : route->second;
}

bool Ipv6Fib::descend(const Ipv6Address& prefix, uint32_t level, Path& path) {
  path[0] = root_;
  for (uint32_t i = 0; i < level; ++i) {
    Entry& entry = path[i]->entries[prefix[i]];
    path[i + 1] = child_of(entry);
    if (path[i + 1] != nullptr) continue;
    path[i + 1] = make_node();
    if (path[i + 1] == nullptr) return false;
    entry.child.store(path[i + 1], std::memory_order_release);
  }
  return true;
}

void Ipv6Fib::put(Node& node, const Ipv6Address& prefix, uint8_t length, uint32_t group_id) {
  const uint32_t first = prefix[level_of(length)];
  for (Entry& entry : std::span(node.entries).subspan(first, width_of(length))) {
    if (entry.length > length) continue;
    entry.length = length;
    entry.route.store(group_id + 1, std::memory_order_release);
  }
}

// Leaves its entries to the longest shorter route of the same level.
void Ipv6Fib::withdraw(Node& node, const Ipv6Address& prefix, uint8_t length) {
  uint32_t route = 0;
  uint8_t shorter = length;
  while (--shorter > level_of(length) * 8) {
    const auto found = routes_.find({shortened(prefix, shorter), shorter});
    if (found == routes_.end()) continue;
    route = found->second + 1;
    break;
  }
  const uint8_t left = route != 0 ? shorter : uint8_t{0};
  const uint32_t first = prefix[level_of(length)];
  for (Entry& entry : std::span(node.entries).subspan(first, width_of(length))) {
    if (entry.length != length) continue;
    entry.length = left;
    entry.route.store(route, std::memory_order_release);
  }
}

// Takes out the nodes of the path that nothing is in, from the last one up.
void Ipv6Fib::prune(const Ipv6Address& prefix, uint32_t level, const Path& path) {
  const auto is_empty = [](const Entry& entry) {
    return entry.length == 0 && entry.child.load(std::memory_order_relaxed) == nullptr;
  };
  for (uint32_t i = level; i > 0; --i) {
    if (path[i] == nullptr) continue;
    if (!std::all_of(path[i]->entries.begin(), path[i]->entries.end(), is_empty)) return;
    path[i - 1]->entries[prefix[i - 1]].child.store(nullptr, std::memory_order_release);
    retire(path[i]);
  }
}

void Ipv6Fib::retire(Node* node) {
  --nodes_;
  if (config_.qsbr == nullptr) {
    rte_free(node);
  } else {
    retired_.push_back({rte_rcu_qsbr_start(config_.qsbr), node});
  }
}

// Frees what no worker can be looking at any more. Tokens only grow.
void Ipv6Fib::reclaim() {
  auto first = retired_.begin();
  for (; first != retired_.end(); ++first) {
    if (rte_rcu_qsbr_check(config_.qsbr, first->token, false) != 1) break;
    rte_free(first->node);
  }
  retired_.erase(retired_.begin(), first);
}

uint32_t Ipv6Fib::best(const Ipv6Address& address) const {
  uint32_t route = 0;
  const Node* node = root_;
  for (size_t i = 0; node != nullptr && i < address.size(); ++i) {
    const Entry& entry = node->entries[address[i]];
    if (const uint32_t here = entry.route.load(std::memory_order_acquire); here != 0) route = here;
    node = entry.child.load(std::memory_order_acquire);
  }
  return route;
}

uint32_t Ipv6Fib::lookup(const Ipv6Address& address) const {
  const uint32_t route = best(address);
  return route != 0 ? route - 1 : default_group_.load(std::memory_order_acquire);
}

bool Ipv6Fib::covers(const Ipv6Address& address) const {
  return best(address) != 0;
}

}  // namespace sallyport::dataplane
