// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/manager/packet_pools.h"

#include <rte_errno.h>
#include <rte_ether.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <string>

#include "dataplane/manager/numa.h"
#include "dataplane/path/meta.h"

namespace sallyport::dataplane {
namespace {

constexpr uint32_t kCacheBuffers = 256;
constexpr uint32_t kVlanBytes = 4, kTailroomBytes = 64;          // ESP: pad 3, trailer 2, ICV 16
constexpr uint32_t kMinRoomBytes = RTE_PKTMBUF_HEADROOM + 2048;  // what drivers with frames of 2048 insist on
constexpr uint32_t kMaxBuffers = (1u << 19) - 1;

}  // namespace

PacketPools::PacketPools(uint32_t memory_mb, uint32_t max_mtu_bytes)
    : default_node_(worker_nodes(1).front()) {
  const uint32_t room = RTE_PKTMBUF_HEADROOM + RTE_ETHER_HDR_LEN + 2 * kVlanBytes + RTE_ETHER_CRC_LEN +
                        max_mtu_bytes + kTailroomBytes;
  room_bytes_ = static_cast<uint16_t>(RTE_ALIGN_CEIL(std::max(room, kMinRoomBytes), RTE_CACHE_LINE_SIZE));
  const uint64_t buffer_bytes = sizeof(rte_mbuf) + kMbufPrivateBytes + room_bytes_ + 2 * RTE_CACHE_LINE_SIZE;
  buffers_ =
      static_cast<uint32_t>(std::min<uint64_t>((uint64_t{memory_mb} << 20) / 4 / buffer_bytes, kMaxBuffers));
}

PacketPools::~PacketPools() {
  for (const auto& [socket, pool] : pools_)
    rte_mempool_free(pool);
}

Result<rte_mempool*> PacketPools::of_socket(int socket) {
  socket = node_of(socket);
  if (const auto it = pools_.find(socket); it != pools_.end()) return it->second;
  const std::string name = "packets" + std::to_string(socket);
  rte_mempool* pool =
      rte_pktmbuf_pool_create(name.c_str(), buffers_, kCacheBuffers, kMbufPrivateBytes, room_bytes_, socket);
  if (pool == nullptr)
    return Failure{api::Error::kExhausted, "no memory for " + std::to_string(buffers_) +
                                               " packet buffers on NUMA node " + std::to_string(socket) +
                                               ": " + rte_strerror(rte_errno) + "; give more with --memory"};
  return pools_[socket] = pool;
}

bool PacketPools::single() const {
  return rte_socket_count() == 1;
}

}  // namespace sallyport::dataplane
