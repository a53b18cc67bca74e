// SPDX-License-Identifier: BSD-3-Clause
// The packet buffers, one pool for each NUMA node that a port or worker asks for. Manager thread; the
// pools themselves are used by all.
#pragma once

#include <rte_mempool.h>

#include <map>

#include "dataplane/manager/failure.h"

namespace sallyport::dataplane {

class PacketPools {
 public:
  // A quarter of `memory_mb` goes to each pool; a buffer holds a frame of `max_mtu_bytes` in one segment,
  // with headroom for the outer headers and tailroom for the ESP trailer.
  PacketPools(uint32_t memory_mb, uint32_t max_mtu_bytes);
  ~PacketPools();
  PacketPools(const PacketPools&) = delete;
  PacketPools& operator=(const PacketPools&) = delete;

  // The pool of that node, made when first asked for.
  Result<rte_mempool*> of_socket(int socket);
  // Where memory for a device of `socket` is best: there, or for SOCKET_ID_ANY (virtual devices) with worker
  // 0.
  int node_of(int socket) const { return socket < 0 ? default_node_ : socket; }
  // Whether no packet can come from another pool than its neighbour's: the machine has one node.
  bool single() const;
  uint32_t buffers() const { return buffers_; }  // of one pool

 private:
  uint32_t buffers_;
  uint16_t room_bytes_;
  int default_node_;
  std::map<int, rte_mempool*> pools_;
};

}  // namespace sallyport::dataplane
