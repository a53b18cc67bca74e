// SPDX-License-Identifier: BSD-3-Clause
// Numbers as people read them: SI bytes and counts, durations of two units. Pure.
#pragma once

#include <cstdint>
#include <string>

namespace sallyport::cli {

[[nodiscard]] std::string bytes_text(uint64_t bytes);      // 999 B, 1.2 kB, 34 MB
[[nodiscard]] std::string count_text(uint64_t count);      // up to 9,999,999 in full, then 12.3M
[[nodiscard]] std::string seconds_text(uint64_t seconds);  // 7s, 2m05s, 1h02m, 3d04h

}  // namespace sallyport::cli
