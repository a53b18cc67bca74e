// SPDX-License-Identifier: BSD-3-Clause
#include "control/cli/units.h"

#include <array>
#include <cstdio>

namespace sallyport::cli {

namespace {

// Three digits and the unit that fits: 1.23, 12.3, 123.
std::string scaled(uint64_t value, const std::array<const char*, 6>& units, const char* space) {
  constexpr double kStep = 1000;
  constexpr double kRoundsUp = 999.5;
  auto number = static_cast<double>(value);
  size_t unit = 0;
  while (number >= kRoundsUp && unit + 1 < units.size()) {
    number /= kStep;
    ++unit;
  }
  const int decimals = unit == 0 || number >= 99.95 ? 0 : 1;
  std::array<char, 40> text{};
  (void)std::snprintf(text.data(), text.size(), "%.*f%s%s", decimals, number, space, units[unit]);
  return text.data();
}

std::string pair_text(uint64_t large, char large_unit, uint64_t small, char small_unit) {
  std::array<char, 48> text{};
  (void)std::snprintf(text.data(), text.size(), "%llu%c%02llu%c", static_cast<unsigned long long>(large),
                      large_unit, static_cast<unsigned long long>(small), small_unit);
  return text.data();
}

}  // namespace

std::string bytes_text(uint64_t bytes) {
  constexpr uint64_t kStep = 1000;
  if (bytes < kStep) return std::to_string(bytes) + " B";
  return scaled(bytes, {"B", "kB", "MB", "GB", "TB", "PB"}, " ");
}

std::string count_text(uint64_t count) {
  constexpr uint64_t kInFull = 10'000'000;
  if (count < kInFull) return std::to_string(count);
  return scaled(count, {"", "k", "M", "G", "T", "P"}, "");
}

std::string seconds_text(uint64_t seconds) {
  constexpr uint64_t kMinute = 60, kHour = 3600, kDay = 86400;
  if (seconds < kMinute) return std::to_string(seconds) + "s";
  if (seconds < kHour) return pair_text(seconds / kMinute, 'm', seconds % kMinute, 's');
  if (seconds < kDay) return pair_text(seconds / kHour, 'h', seconds % kHour / kMinute, 'm');
  return pair_text(seconds / kDay, 'd', seconds % kDay / kHour, 'h');
}

}  // namespace sallyport::cli
