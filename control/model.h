// SPDX-License-Identifier: BSD-3-Clause
// What the configuration means: the tunnels of each connection, and the numbers that the dataplane knows all
// things by. Main thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "control/config/children.h"
#include "control/config/gateway.h"
#include "control/ids.h"
#include "dataplane/api/messages.h"

namespace sallyport::control {

// One IKE connection of this name and its CHILD_SAs.
struct TunnelPlan {
  std::string name;  // <connection>-<public address>-<peer number>
  std::string connection;
  std::string virtual_network;
  std::string public_address;
  IpAddress local, remote;
  IpAddress next_hop;  // on the public side: the peer itself where it is on the link
  std::string port;
  uint32_t preference = 0;  // 0 first
  uint32_t weight = 1;
  TunnelOverride own;
  // A tunnel of the dataplane each, which has one SA to send on.
  std::vector<ChildPlan> children;
  bool operator==(const TunnelPlan&) const = default;
};

// A connection's public addresses times those of its site's peers that are of the same family, in order of
// preference.
[[nodiscard]] std::vector<TunnelPlan> tunnels_of(const Gateway& gateway, const Connection& connection);
[[nodiscard]] std::map<std::string, TunnelPlan> all_tunnels(const Gateway& gateway);

// Prefixes that lead to the connection's tunnels: the site's, and what its selectors name.
[[nodiscard]] std::vector<IpPrefix> remote_prefixes(const Gateway& gateway, const Connection& connection);

// Names of the API have 63 bytes; a longer one is cut and gets a checksum of the whole.
[[nodiscard]] std::string bounded_name(const std::string& name);

// The CHILD_SAs of a connection's tunnels that lead to the same prefixes, and the next-hop group they make.
struct ChildGroup {
  std::string name;
  std::vector<size_t> children;  // indexes, the same ones of each tunnel
  std::vector<IpPrefix> prefixes;
};
// Each of remote_prefixes() is in exactly one.
[[nodiscard]] std::vector<ChildGroup> child_groups(const Gateway& gateway, const Connection& connection);
[[nodiscard]] std::string neighbour_name(const std::string& port, const IpAddress& address);

struct Ids {
  IdPool ports{0, api::kMaxPorts - 1};
  IdPool vrfs{1, api::kMaxVrfs - 1};
  IdPool neighbours{1, 65535};
  IdPool groups{1, 32000};
  IdPool tunnels{1, 65535};
};

// The inside address that stands for a connection's tunnels as a route's next hop: 169.254.128.0/17 plus the
// id of its group, and for IPv6 those 32 bits behind fe80::.
[[nodiscard]] IpAddress inside_next_hop(IpVersion version, uint32_t group_id);

}  // namespace sallyport::control
