// SPDX-License-Identifier: BSD-3-Clause
// A DPDK device while it is a port: probed, configured with one receive and one transmit queue per worker,
// started; and stopped, closed and detached when destroyed. Manager thread; destroy only after every worker
// let go of it.
#pragma once

#include <cstdint>
#include <string>

#include "dataplane/manager/packet_pools.h"

namespace sallyport::dataplane {

class PortDevice {
 public:
  // `device`: a PCI address or virtual device string. kDeviceFailed or kUnsupported with the reason and a
  // hint.
  static Result<PortDevice> open(const std::string& device, uint16_t workers, uint16_t mtu_bytes,
                                 PacketPools& pools);

  PortDevice(PortDevice&& other) noexcept
      : port_(std::exchange(other.port_, kClosed)), mac_(other.mac_), pool_(other.pool_) {}
  PortDevice& operator=(PortDevice&&) = delete;
  ~PortDevice();

  uint16_t port() const { return port_; }  // DPDK's number
  const api::Mac& mac() const { return mac_; }
  rte_mempool& pool() const { return *pool_; }
  bool link_up() const;
  Failure set_mtu(uint16_t mtu_bytes);

 private:
  static constexpr uint16_t kClosed = 0xffff;

  explicit PortDevice(uint16_t port) : port_(port) {}
  Failure configure(uint16_t workers, uint16_t mtu_bytes, PacketPools& pools);
  Failure set_up_queues(uint16_t workers, PacketPools& pools);

  uint16_t port_;
  api::Mac mac_{};
  rte_mempool* pool_ = nullptr;
};

}  // namespace sallyport::dataplane
