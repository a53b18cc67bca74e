// SPDX-License-Identifier: BSD-3-Clause
// Mirror devices: the kernel's side of each port (a TAP) and of each virtual network (the TUN vpn0).
// Persistent, so they outlive every process; found again and reused after a restart. Each open Mirror keeps a
// descriptor, which holds the carrier while the dataplane is away. Main thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "control/rtnetlink.h"

namespace sallyport::control {

inline constexpr const char* kTunnelMirror = "vpn0";  // in every virtual network's namespace

enum class MirrorDevice : uint8_t { kTap, kTun };

class Mirror {
 public:
  // Makes the device or attaches to the one that is there, offloads off, sysctls set, link up. Throws
  // std::system_error.
  Mirror(RtNetlink& netlink, const NetnsName& netns, const std::string& name, MirrorDevice device);
  ~Mirror();
  Mirror(Mirror&& other) noexcept;
  Mirror& operator=(Mirror&&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] uint32_t link() const { return link_; }
  [[nodiscard]] const std::string& name() const { return name_; }

  // Nothing happens when the device has it already. A new MAC also drops the frames that wait to be read.
  void set_mtu(RtNetlink& netlink, uint32_t mtu_bytes);
  void set_mac(RtNetlink& netlink, const api::Mac& mac);

 private:
  int fd_ = -1;
  uint32_t link_ = 0;
  std::string name_;
};

// Adds what is missing and removes what sallyportd added and no longer wants, in this life or an earlier one;
// an operator's own addresses stay.
void sync_addresses(RtNetlink& netlink, uint32_t link, const std::vector<InterfaceAddress>& wanted);

// Removes the device if it is there and a TUN or TAP.
void delete_mirror(RtNetlink& netlink, const NetnsName& netns, const std::string& name);

// lo up, forwarding off: what a virtual network's namespace needs.
void prepare_virtual_network(RtNetlink& netlink, const NetnsName& netns);

}  // namespace sallyport::control
