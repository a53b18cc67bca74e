// SPDX-License-Identifier: BSD-3-Clause
// The gateway's place in Linux: a namespace for each virtual network, mirrors, their addresses, source
// routing for the public addresses, and a netlink follower for each namespace. Finds what an earlier life
// made and reuses it. Main thread.
#pragma once

#include <asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "control/config/gateway.h"
#include "control/mirrors.h"
#include "control/netlink_follower.h"

namespace sallyport::control {

// What has to be removed on cleanup; kept in the run directory.
struct MadeInLinux {
  std::set<std::string> namespaces;
  std::set<std::string> public_mirrors;
  bool operator==(const MadeInLinux&) const = default;
};

class Networks {
 public:
  // on_change: with the virtual network whose kernel tables changed; empty for the public side.
  Networks(asio::io_context& io, std::string netns_prefix, std::function<void(const std::string&)> on_change);

  // From what an earlier call or life made to what this configuration wants. Throws std::system_error;
  // calling again goes on where it stopped.
  void apply(const Gateway& wanted);
  [[nodiscard]] const MadeInLinux& made() const { return made_; }
  // So that the next apply() can remove what an earlier life made.
  void remember(MadeInLinux made) { made_ = std::move(made); }

  [[nodiscard]] NetlinkFollower& public_side() { return *public_; }
  [[nodiscard]] NetlinkFollower* virtual_network(const std::string& name);
  [[nodiscard]] Mirror* port_mirror(const std::string& port);
  [[nodiscard]] Mirror* tunnel_mirror(const std::string& virtual_network);
  // In the namespace that the port's mirror is in.
  void set_mac(const std::string& port, const api::Mac& mac);
  void resolve_neighbour(const std::string& port, const IpAddress& address);
  void manage_neighbour(const std::string& port, const IpAddress& address);
  // LAN neighbours that answered are kept resolved, those that stopped answering are forgotten, but for
  // `wanted`.
  void tend_neighbours(const std::string& virtual_network, const std::set<KernelView::NeighbourKey>& wanted);
  [[nodiscard]] std::string netns_of(const std::string& virtual_network) const {
    return prefix_ + virtual_network;
  }

  // The routes that lead to tunnels; others that sallyportd made there before are removed.
  void sync_tunnel_routes(const std::string& virtual_network, const std::map<IpPrefix, IpAddress>& wanted);

  // Removes all of it, in any state; idempotent. Returns what could not be removed, in words.
  static std::vector<std::string> cleanup(const MadeInLinux& made);

 private:
  struct Inside {
    std::unique_ptr<NetlinkFollower> follower;
    std::unique_ptr<Mirror> tunnel_mirror;
  };

  void remove_old(const Gateway& wanted);
  void make_virtual_network(const VirtualNetwork& network, const Gateway& wanted);
  void make_public_ports(const Gateway& wanted);
  void sync_source_routing(const Gateway& wanted);
  void sync_source_rules(const std::vector<KernelRule>& wanted);
  // Those of addresses_, and a link-local one beside IPv6 ones.
  void set_addresses(RtNetlink& netlink, const std::string& port);
  NetlinkFollower* follower_of_port(const std::string& port);

  asio::io_context& io_;
  std::string prefix_;
  std::function<void(const std::string&)> on_change_;
  std::unique_ptr<NetlinkFollower> public_;
  std::map<std::string, Inside> inside_;                            // by virtual network
  std::map<std::string, std::unique_ptr<Mirror>> ports_;            // by port
  std::map<std::string, std::string> network_of_port_;              // LAN ports
  std::map<std::string, std::vector<InterfaceAddress>> addresses_;  // by port, as configured
  MadeInLinux made_;
};

}  // namespace sallyport::control
