// SPDX-License-Identifier: BSD-3-Clause
#include "control/mirrors.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

namespace sallyport::control {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

int open_device(const std::string& name, MirrorDevice device) {
  const int fd = ::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) fail("cannot open /dev/net/tun");
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  const int kind = device == MirrorDevice::kTap ? IFF_TAP : IFF_TUN;
  request.ifr_flags = static_cast<short>(kind | IFF_NO_PI | IFF_MULTI_QUEUE);
  if (::ioctl(fd, TUNSETIFF, &request) != 0) {
    const int error = errno;
    ::close(fd);
    errno = error;
    fail("cannot make mirror " + name + " (is there another device of that name?)");
  }
  if (::ioctl(fd, TUNSETPERSIST, 1) != 0 || ::ioctl(fd, TUNSETOFFLOAD, 0) != 0) {
    const int error = errno;
    ::close(fd);
    errno = error;
    fail("cannot set up mirror " + name);
  }
  return fd;
}

// The kernel answers for the gateway and for nobody else: it must not forward, and each public address must
// be answered for on its own port only. An address that goes takes no other of its prefix along. It has the
// IPv6 addresses it is given and makes none by itself: nothing would carry what it sends from them.
void set_sysctls(const std::string& name) {
  const std::string v4 = "net/ipv4/conf/" + name + "/";
  write_sysctl(v4 + "forwarding", "0");
  write_sysctl(v4 + "rp_filter", "0");
  write_sysctl(v4 + "arp_ignore", "1");
  write_sysctl(v4 + "arp_announce", "2");
  write_sysctl(v4 + "promote_secondaries", "1");
  const std::string v6 = "net/ipv6/conf/" + name + "/";
  if (!std::filesystem::exists("/proc/sys/" + v6)) return;
  write_sysctl(v6 + "forwarding", "0");
  write_sysctl(v6 + "accept_ra", "0");
  write_sysctl(v6 + "addr_gen_mode", "1");
  write_sysctl(v6 + "disable_ipv6", "0");  // though it may be off for the rest of the host
}

}  // namespace

Mirror::Mirror(RtNetlink& netlink, const NetnsName& netns, const std::string& name, MirrorDevice device)
    : name_(name) {
  run_in_netns(netns, [&] {
    fd_ = open_device(name, device);
    set_sysctls(name);
  });
  const auto link = netlink.find_link(name);
  if (!link) {
    ::close(fd_);
    throw std::system_error(ENODEV, std::generic_category(), "mirror " + name);
  }
  link_ = link->index;
  if (!link->up) netlink.set_link_up(link_);
}

Mirror::~Mirror() {
  if (fd_ >= 0) ::close(fd_);
}

Mirror::Mirror(Mirror&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), link_(other.link_), name_(std::move(other.name_)) {}

void Mirror::set_mtu(RtNetlink& netlink, uint32_t mtu_bytes) {
  const auto link = netlink.find_link(name_);
  if (link && link->mtu_bytes != mtu_bytes) netlink.set_link_mtu(link_, mtu_bytes);
}

void Mirror::set_mac(RtNetlink& netlink, const api::Mac& mac) {
  const auto link = netlink.find_link(name_);
  if (!link || link->mac == mac) return;
  netlink.set_link_mac(link_, mac);
  // What waits in the device was made with the old address, which nobody may send from.
  std::array<char, 65536> frame;
  while (::read(fd_, frame.data(), frame.size()) > 0) {
  }
}

void sync_addresses(RtNetlink& netlink, uint32_t link, const std::vector<InterfaceAddress>& wanted) {
  const auto on_link = [link](const std::vector<KernelAddress>& all) {
    std::vector<InterfaceAddress> some;
    for (const KernelAddress& address : all) {
      if (address.link == link) some.push_back(address.address);
    }
    return some;
  };
  const auto has = [](const auto& list, const InterfaceAddress& one) {
    return std::find(list.begin(), list.end(), one) != list.end();
  };
  const auto present = on_link(netlink.addresses());
  for (const InterfaceAddress& address : wanted) {
    if (!has(present, address)) netlink.add_address({link, address});
  }
  for (const InterfaceAddress& address : on_link(netlink.own_addresses())) {
    if (!has(wanted, address)) netlink.delete_address({link, address});
  }
}

void delete_mirror(RtNetlink& netlink, const NetnsName& netns, const std::string& name) {
  bool is_ours = false;
  run_in_netns(netns, [&] {
    // SIOCETHTOOL would do as well; a TUN or TAP is the only kind of device that lets itself be attached to.
    const int fd = ::open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd < 0 || ::if_nametoindex(name.c_str()) == 0) {
      if (fd >= 0) ::close(fd);
      return;
    }
    ifreq request{};
    name.copy(request.ifr_name, IFNAMSIZ - 1);
    for (const int kind : {IFF_TAP, IFF_TUN}) {
      request.ifr_flags = static_cast<short>(kind | IFF_NO_PI | IFF_MULTI_QUEUE);
      if (::ioctl(fd, TUNSETIFF, &request) == 0) {
        is_ours = true;
        ::ioctl(fd, TUNSETPERSIST, 0);
        break;
      }
    }
    ::close(fd);
  });
  if (!is_ours) return;
  // Someone may still hold a queue of it.
  if (const auto link = netlink.find_link(name)) netlink.delete_link(link->index);
}

void prepare_virtual_network(RtNetlink& netlink, const NetnsName& netns) {
  run_in_netns(netns, [] {
    write_sysctl("net/ipv4/ip_forward", "0");
    // Changes of nexthop objects are then told as changes of the routes that use them.
    write_sysctl("net/ipv4/nexthop_compat_mode", "1");
  });
  if (const auto lo = netlink.find_link("lo"); lo && !lo->up) netlink.set_link_up(lo->index);
}

}  // namespace sallyport::control
