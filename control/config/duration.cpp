// SPDX-License-Identifier: BSD-3-Clause
#include "control/config/duration.h"

#include <array>
#include <charconv>
#include <cstdint>

namespace sallyport::control {

namespace {

struct Unit {
  std::string_view name;
  int64_t milliseconds;
};

constexpr std::array<Unit, 5> kUnits = {
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};
constexpr int64_t kLongestMs = int64_t{10} * 366 * 86'400'000;  // ten years: no sum of units overflows

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  if (text == "0") return Duration::zero();
  if (text.empty()) return std::nullopt;
  int64_t total_ms = 0;
  size_t next_unit = 0;
  while (!text.empty()) {
    int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || number < 0 || number > kLongestMs) return std::nullopt;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    const std::string_view name = text.substr(0, text.find_first_of("0123456789"));
    text.remove_prefix(name.size());
    while (next_unit < kUnits.size() && kUnits[next_unit].name != name)
      ++next_unit;
    if (next_unit == kUnits.size() || number > kLongestMs / kUnits[next_unit].milliseconds)
      return std::nullopt;
    total_ms += number * kUnits[next_unit].milliseconds;
    ++next_unit;
  }
  if (total_ms > kLongestMs) return std::nullopt;
  return Duration(total_ms);
}

std::string print_duration(Duration duration) {
  int64_t rest_ms = duration.count();
  if (rest_ms == 0) return "0";
  std::string text;
  for (const Unit& unit : kUnits) {
    if (rest_ms < unit.milliseconds) continue;
    text += std::to_string(rest_ms / unit.milliseconds);
    text += unit.name;
    rest_ms %= unit.milliseconds;
  }
  return text;
}

}  // namespace sallyport::control
