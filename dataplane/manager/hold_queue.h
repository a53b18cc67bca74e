// SPDX-License-Identifier: BSD-3-Clause
// Packets that wait for a neighbour to answer: a few for each, for a few seconds, bounded as a whole. Manager
// thread.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "dataplane/api/drop_reason.h"
#include "dataplane/manager/next_hop_key.h"

namespace sallyport::dataplane {

inline constexpr size_t kHeldPerNeighbour = 8;
inline constexpr size_t kHeldNeighbours = 1024;
inline constexpr uint64_t kHoldNs = 3'000'000'000;
inline constexpr uint64_t kAskAgainNs = 1'000'000'000;

class HoldQueue {
 public:
  using Drop = std::function<void(rte_mbuf*, api::DropReason)>;  // counts and frees

  explicit HoldQueue(Drop drop) : drop_(std::move(drop)) {}
  ~HoldQueue();
  HoldQueue(const HoldQueue&) = delete;
  HoldQueue& operator=(const HoldQueue&) = delete;

  // Keeps the packet, or drops it where too many wait. True: it is time to ask for the neighbour (again).
  bool hold(NextHopKey key, rte_mbuf* packet, uint64_t now_ns);
  // The packets that waited for it, oldest first; they are the caller's.
  std::vector<rte_mbuf*> release(NextHopKey key);
  // Drops what waited too long.
  void expire(uint64_t now_ns);

 private:
  struct Waiting {
    uint64_t since_ns, asked_ns;  // of the oldest packet; of the last question
    std::vector<rte_mbuf*> packets;
  };

  Drop drop_;
  std::map<NextHopKey, Waiting> waiting_;
};

}  // namespace sallyport::dataplane
