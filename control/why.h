// SPDX-License-Identifier: BSD-3-Clause
// Why a tunnel does not carry traffic, in a sentence, and what to do about it: the first cause of all that
// would explain it. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "control/liveness.h"

namespace sallyport::control {

enum class Cause : uint8_t {
  kNone,  // it is up
  kHeldDown,
  kDataplane,
  kCharon,
  kPlugin,
  kPort,
  kLink,
  kAddress,
  kRoute,
  kNextHop,
  kNotLoaded,
  kNoAnswer,
  kPeerAuthentication,
  kOurAuthentication,
  kIkeProposal,
  kEspProposal,
  kSelectors,
  kInstall,
  kWaiting,
  kConnecting,
  kAttempt,
  kHealth,
  kPartial,
};
// For programs: "ike-proposal".
[[nodiscard]] const char* to_string(Cause cause);

// What is known of one tunnel and of what it needs.
struct TunnelFacts {
  std::string connection, port;
  std::string local, peer, next_hop;  // addresses
  // From the configuration, as it has them; identities with their defaults.
  std::string ike_proposals, esp_proposals, selectors, local_id, remote_id;
  bool is_psk = false, initiate = true;

  TunnelState state = TunnelState::kDown;
  bool held_down = false;
  TunnelReason reason{};
  std::string health_reason;     // why it is up and yet not healthy; empty: it is
  std::string missing_children;  // CHILD_SAs that are not up, of a tunnel that is

  // Why these do not work; nothing: they do.
  std::optional<std::string> dataplane_error, charon_error, plugin_error, port_error;
  bool link_down = false;
  // Of Linux, on the public side.
  bool has_address = true, has_route = true, next_hop_failed = false;
};

struct Explanation {
  Cause cause = Cause::kNone;
  std::string why;     // a sentence without its subject and full stop: "is up", "is down: ..."
  std::string advice;  // what to do; empty: nothing
};

[[nodiscard]] Explanation explain(const TunnelFacts& facts);

}  // namespace sallyport::control
