// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/manager/hold_queue.h"

namespace sallyport::dataplane {

HoldQueue::~HoldQueue() {
  expire(UINT64_MAX);
}

bool HoldQueue::hold(NextHopKey key, rte_mbuf* packet, uint64_t now_ns) {
  auto it = waiting_.find(key);
  if (it == waiting_.end()) {
    if (waiting_.size() >= kHeldNeighbours) {
      drop_(packet, api::DropReason::kNeighbourQueueFull);
      return false;
    }
    it = waiting_.emplace(key, Waiting{now_ns, 0, {}}).first;
  }
  Waiting& waiting = it->second;
  if (waiting.packets.size() < kHeldPerNeighbour)
    waiting.packets.push_back(packet);
  else
    drop_(packet, api::DropReason::kNeighbourQueueFull);
  if (waiting.asked_ns != 0 && now_ns - waiting.asked_ns < kAskAgainNs) return false;
  waiting.asked_ns = now_ns;
  return true;
}

std::vector<rte_mbuf*> HoldQueue::release(NextHopKey key) {
  const auto it = waiting_.find(key);
  if (it == waiting_.end()) return {};
  auto packets = std::move(it->second.packets);
  waiting_.erase(it);
  return packets;
}

void HoldQueue::expire(uint64_t now_ns) {
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    if (now_ns - it->second.since_ns < kHoldNs) {
      ++it;
      continue;
    }
    for (rte_mbuf* packet : it->second.packets)
      drop_(packet, api::DropReason::kNeighbourUnresolved);
    it = waiting_.erase(it);
  }
}

}  // namespace sallyport::dataplane
