// SPDX-License-Identifier: BSD-3-Clause
// How the dataplane is to find out whether a tunnel's path is alive, from the configuration. Pure.
#pragma once

#include <optional>

#include "control/config/gateway.h"
#include "control/model.h"
#include "dataplane/api/messages.h"

namespace sallyport::control {

struct TunnelProbe {
  size_t child = 0;  // the CHILD_SA it goes through
  api::Probe probe{};
};

// Nothing where the connection has no probe, or no CHILD_SA of the tunnel leads to what it asks.
[[nodiscard]] std::optional<TunnelProbe> probe_of(const Gateway& gateway, const TunnelPlan& tunnel);

}  // namespace sallyport::control
