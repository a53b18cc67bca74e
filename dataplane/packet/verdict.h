// SPDX-License-Identifier: BSD-3-Clause
// What a step decides about a packet: keep it, or drop it for one described reason. Pure values, any thread.
#pragma once

#include "dataplane/api/drop_reason.h"

namespace sallyport::dataplane {

inline constexpr api::DropReason kKeep = api::DropReason::kCount;  // not dropped

}  // namespace sallyport::dataplane
