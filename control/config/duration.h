// SPDX-License-Identifier: BSD-3-Clause
// Durations as people write them in the configuration: 100ms, 2s, 1h30m, 1d. Pure; any thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::control {

using Duration = std::chrono::milliseconds;

// One or more NUMBER UNIT without spaces; units d, h, m, s, ms, each at most once and from large to small.
// "0" is zero.
[[nodiscard]] std::optional<Duration> parse_duration(std::string_view text);
// The shortest exact form: 5400 s is "1h30m"; parse_duration() of it gives the same duration.
[[nodiscard]] std::string print_duration(Duration duration);

}  // namespace sallyport::control
