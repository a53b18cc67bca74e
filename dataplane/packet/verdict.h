// SPDX-License-Identifier: BSD-3-Clause
// What a step decides about a packet: keep it, or drop it for one described reason. Pure values, any thread.
#pragma once

#include "dataplane/api/drop_reason.h"

namespace sallyport::dataplane {

inline constexpr api::DropReason kKeep = api::DropReason::kCount;  // not dropped
// Not dropped either, and an IPv6 packet now: where IPv4 packets go straight on, it takes its own way.
inline constexpr auto kKeepIpv6 =
    static_cast<api::DropReason>(static_cast<uint16_t>(api::DropReason::kCount) + 1);

inline bool is_kept(api::DropReason verdict) {
  return verdict >= kKeep;
}

}  // namespace sallyport::dataplane
