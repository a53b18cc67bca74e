// SPDX-License-Identifier: BSD-3-Clause
#include "control/config/children.h"

#include <algorithm>

namespace sallyport::control {

namespace {

TrafficSelector everything(IpVersion version) {
  return {{{version, {}}, 0}};
}

std::vector<IpVersion> families_of(const Site& site) {
  std::vector<IpVersion> families;
  for (const IpVersion version : {IpVersion::kV4, IpVersion::kV6}) {
    const bool is_there =
        std::any_of(site.prefixes.begin(), site.prefixes.end(),
                    [&](const IpPrefix& prefix) { return prefix.address.version == version; });
    if (is_there) families.push_back(version);
  }
  return families;
}

std::vector<ChildPlan> route_based_children(const Connection& connection, const Site& site) {
  std::vector<ChildPlan> children;
  for (const IpVersion version : families_of(site)) {
    if (children.empty() || connection.ike.version == 1) children.emplace_back();
    children.back().local.push_back(everything(version));
    children.back().remote.push_back(everything(version));
  }
  return children;
}

std::vector<ChildPlan> policy_based_children(const Connection& connection) {
  std::vector<ChildPlan> children;
  for (const Selector& selector : connection.selectors) {
    const TrafficSelector local{selector.local, selector.protocol, selector.local_port};
    const TrafficSelector remote{selector.remote, selector.protocol, selector.remote_port};
    const auto same = std::find_if(children.begin(), children.end(), [&](const ChildPlan& child) {
      return connection.ike.version == 2 && child.remote.front() == remote;
    });
    if (same != children.end()) {
      same->local.push_back(local);
    } else {
      children.push_back({"", {local}, {remote}});
    }
  }
  return children;
}

}  // namespace

std::string TrafficSelector::to_string() const {
  if (protocol == 0) return prefix.to_string();
  const std::string ports = port == 0 ? "" : "/" + std::to_string(port);
  return prefix.to_string() + "[" + std::to_string(protocol) + ports + "]";
}

std::vector<ChildPlan> children_of(const Connection& connection, const Site& site,
                                   const std::string& tunnel) {
  std::vector<ChildPlan> children =
      connection.route_based() ? route_based_children(connection, site) : policy_based_children(connection);
  for (size_t i = 0; i < children.size(); ++i)
    children[i].name = children.size() == 1 ? tunnel : tunnel + "." + std::to_string(i + 1);
  return children;
}

std::vector<size_t> children_towards(const std::vector<ChildPlan>& children, const IpPrefix& prefix) {
  std::vector<size_t> all, covering;
  for (size_t i = 0; i < children.size(); ++i) {
    all.push_back(i);
    const auto& remote = children[i].remote;
    const bool covers = std::any_of(remote.begin(), remote.end(), [&](const TrafficSelector& one) {
      return one.prefix.length <= prefix.length && one.prefix.overlaps(prefix);
    });
    if (covers) covering.push_back(i);
  }
  return covering.empty() ? all : covering;
}

}  // namespace sallyport::control
