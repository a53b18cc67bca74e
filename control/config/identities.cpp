// SPDX-License-Identifier: BSD-3-Clause
#include "control/config/identities.h"

namespace sallyport::control {

namespace {

const std::string& first_of(const std::string& wanted, const std::string& otherwise) {
  return wanted.empty() ? otherwise : wanted;
}

}  // namespace

const TunnelOverride& own_of(const Connection& connection, const std::string& public_address, size_t peer) {
  static const TunnelOverride kNothing;
  const auto own = connection.tunnels.find(tunnel_key(public_address, peer));
  return own == connection.tunnels.end() ? kNothing : own->second;
}

Identities identities_of(const Connection& connection, const std::string& public_address,
                         const TunnelOverride& own, const IpAddress& local, const IpAddress& remote) {
  const Ike& ike = connection.ike;
  const auto by_address = ike.local_ids.find(public_address);
  const std::string& local_id = by_address == ike.local_ids.end() ? ike.local_id : by_address->second;
  return {first_of(own.local_id, first_of(local_id, local.to_string())),
          first_of(own.remote_id, first_of(ike.remote_id, remote.to_string()))};
}

}  // namespace sallyport::control
