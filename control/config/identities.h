// SPDX-License-Identifier: BSD-3-Clause
// What the two ends of a tunnel are called in IKE (RFC 7296 section 3.5). Pure; any thread.
#pragma once

#include <cstddef>
#include <string>

#include "control/config/gateway.h"

namespace sallyport::control {

// What a tunnel has of its own; an empty one where that is nothing. Peers count from 0.
[[nodiscard]] const TunnelOverride& own_of(const Connection& connection, const std::string& public_address,
                                           size_t peer);

struct Identities {
  std::string local, remote;
};

// Of the tunnel from `local`, the public address of that name, to `remote`: its own, or else the public
// address's, the connection's, the address itself.
[[nodiscard]] Identities identities_of(const Connection& connection, const std::string& public_address,
                                       const TunnelOverride& own, const IpAddress& local,
                                       const IpAddress& remote);

}  // namespace sallyport::control
