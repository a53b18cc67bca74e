// SPDX-License-Identifier: BSD-3-Clause
// How long ago something was, as the API shows it.
#pragma once

#include <chrono>
#include <cstdint>

#include "control/sa_ledger.h"

namespace sallyport::control {

inline int64_t seconds_since(MonotonicTime then) {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - then).count();
}

}  // namespace sallyport::control
