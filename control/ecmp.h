// SPDX-License-Identifier: BSD-3-Clause
// Which tunnels of a connection its traffic is offered to. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/api/messages.h"

namespace sallyport::control {

struct Candidate {
  uint32_t tunnel_id = 0;
  uint32_t preference = 0;  // 0 first
  bool can_send = false;    // it has an outbound SA
  bool suspect = false;     // its peer does not answer charon at the moment
  uint16_t weight = 1;
};

// All candidates in order of preference, one of them up: the first that can send and is not suspect, or else
// the first that can send. None up when none can send.
[[nodiscard]] std::vector<api::GroupMember> offer_members(std::vector<Candidate> candidates);

}  // namespace sallyport::control
