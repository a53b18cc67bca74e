// SPDX-License-Identifier: BSD-3-Clause
// A DPDK device while it is a port: probed, configured with one receive and one transmit queue per worker,
// started, told how to spread what it receives; and stopped, closed and detached when destroyed. Manager
// thread; destroy only after every worker let go of it.
#pragma once

#include <cstdint>
#include <string>

#include "dataplane/manager/packet_pools.h"
#include "dataplane/manager/steering.h"

namespace sallyport::dataplane {

class PortDevice {
 public:
  // `device`: a PCI address or virtual device string. kDeviceFailed or kUnsupported with the reason and a
  // hint.
  static Result<PortDevice> open(const std::string& device, PortSide side, uint16_t workers,
                                 uint16_t mtu_bytes, PacketPools& pools);

  PortDevice(PortDevice&& other) noexcept
      : port_(std::exchange(other.port_, kClosed)),
        mac_(other.mac_),
        kernel_interface_(other.kernel_interface_),
        pool_(other.pool_),
        spread_(std::move(other.spread_)) {}
  PortDevice& operator=(PortDevice&&) = delete;
  ~PortDevice();

  uint16_t port() const { return port_; }  // DPDK's number
  const api::Mac& mac() const { return mac_; }
  rte_mempool& pool() const { return *pool_; }
  int numa_node() const;  // negative: of none
  // How what it receives comes to the workers.
  const PortSpread& spread() const { return spread_; }
  bool link_up() const;
  Failure set_mtu(uint16_t mtu_bytes);

 private:
  static constexpr uint16_t kClosed = 0xffff;

  PortDevice(uint16_t port, PortSide side, uint16_t workers)
      : port_(port), spread_{side, workers, 0, {}, {}, {}, {}} {}
  Failure configure(uint16_t mtu_bytes, PacketPools& pools);
  Failure set_up_queues(PacketPools& pools);
  void steer(uint16_t redirection_entries);

  uint16_t port_;
  api::Mac mac_{};
  unsigned kernel_interface_ = 0;  // its index, where that says more of the link than the driver
  rte_mempool* pool_ = nullptr;
  PortSpread spread_;
};

}  // namespace sallyport::dataplane
