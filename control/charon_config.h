// SPDX-License-Identifier: BSD-3-Clause
// The configuration in charon's terms: swanctl's connections, one for each tunnel, and their credentials.
// Reads the secrets' files; the caller wipes what it gets. Any thread.
#pragma once

#include <string>
#include <vector>

#include "control/config/gateway.h"
#include "control/config/identities.h"
#include "control/model.h"
#include "vici-bridge/result.h"
#include "vici-bridge/types.h"

namespace sallyport::control {

[[nodiscard]] vici::ConnectionConfig charon_connection(const Connection& connection,
                                                       const TunnelPlan& tunnel);

struct Credentials {
  Credentials() = default;
  ~Credentials();
  Credentials(Credentials&&) = default;
  Credentials& operator=(Credentials&&) = default;
  Credentials(const Credentials&) = delete;
  Credentials& operator=(const Credentials&) = delete;

  std::string psk;                   // without the line's end
  std::string certificate, key, ca;  // whole files
};
[[nodiscard]] Result<Credentials> read_credentials(const Auth& auth);

// The connection's, with what the tunnel has of its own.
[[nodiscard]] Auth auth_of(const Connection& connection, const TunnelPlan& tunnel);

// Those of the tunnel, which a shared secret of it is for, too.
[[nodiscard]] Identities identities(const Connection& connection, const TunnelPlan& tunnel);

}  // namespace sallyport::control
