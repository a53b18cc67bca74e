// SPDX-License-Identifier: BSD-3-Clause
// The CHILD_SAs that a tunnel of a connection has, and the traffic selectors of each. Pure; any thread.
//
// A CHILD_SA protects whatever is from one of its local selectors to one of its remote ones (RFC 7296 section
// 2.9), so the pairs of a policy-based connection are spread over as many as keep them exact: one for each
// remote selector, with all local ones that lead there. IKEv1 has one pair in each (RFC 2409 section 5.5).
#pragma once

#include <string>
#include <vector>

#include "control/config/gateway.h"

namespace sallyport::control {

struct TrafficSelector {
  IpPrefix prefix;
  uint8_t protocol = 0;  // 0: any
  uint16_t port = 0;     // 0: any
  // As swanctl.conf(5) has it: 10.0.0.0/16[6/443].
  [[nodiscard]] std::string to_string() const;
  bool operator==(const TrafficSelector&) const = default;
};

struct ChildPlan {
  std::string name;  // the tunnel's own where it has but one, else <tunnel>.<number from 1>
  std::vector<TrafficSelector> local, remote;
  bool operator==(const ChildPlan&) const = default;
};

// In the order of the connection's selectors. Route-based: everything, of each family that the site has
// prefixes of.
[[nodiscard]] std::vector<ChildPlan> children_of(const Connection& connection, const Site& site,
                                                 const std::string& tunnel);

// Which of the children lead to a prefix, by index: those with a remote selector that covers it. Where none
// does, all of them: what is not of theirs is then dropped by their selectors.
[[nodiscard]] std::vector<size_t> children_towards(const std::vector<ChildPlan>& children,
                                                   const IpPrefix& prefix);

}  // namespace sallyport::control
