// SPDX-License-Identifier: BSD-3-Clause
// A mirror device's queues: the TAP of a port or the TUN of a virtual network, by file descriptors that
// sallyportd made and keeps duplicates of. Whole frames (TAP) or IP packets (TUN) in packet buffers. Manager
// thread.
#pragma once

#include <rte_mbuf.h>

#include <span>
#include <vector>

#include "dataplane/manager/failure.h"
#include "dataplane/manager/unique_fd.h"

namespace sallyport::dataplane {

class Mirror {
 public:
  // Takes the descriptors. kInvalid for one that is no TUN/TAP of the right kind, or has a packet-information
  // or offload header (IFF_NO_PI must be set, IFF_VNET_HDR not): without those, checksums are complete.
  static Result<Mirror> adopt(api::MirrorKind kind, std::vector<UniqueFd> fds);

  // Up to packets.size() packets from all queues; data only, no meta. Short frames are what they are.
  unsigned read(rte_mempool& pool, std::span<rte_mbuf*> packets);
  // False if the device did not take it. The packet stays the caller's.
  bool write(const rte_mbuf& packet);

  const std::vector<UniqueFd>& fds() const { return fds_; }
  // The name it was made with.
  const std::string& device() const { return device_; }

 private:
  Mirror(std::vector<UniqueFd> fds, std::string device) : fds_(std::move(fds)), device_(std::move(device)) {}

  std::vector<UniqueFd> fds_;
  std::string device_;
  size_t next_read_ = 0;
};

}  // namespace sallyport::dataplane
