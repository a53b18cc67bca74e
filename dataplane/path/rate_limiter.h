// SPDX-License-Identifier: BSD-3-Clause
// A token bucket. Its worker alone uses it.
#pragma once

#include <algorithm>
#include <cstdint>

namespace sallyport::dataplane {

class RateLimiter {
 public:
  RateLimiter() = default;
  RateLimiter(uint32_t rate_pps, uint32_t burst)
      : rate_pps_(rate_pps), burst_(burst), tokens_ns_(capacity_ns()) {}

  // Takes a token; false: there is none.
  bool allow(uint64_t now_ns) {
    // Tokens are kept as nanoseconds x rate, so that nothing is lost to rounding.
    const uint64_t elapsed_ns = std::min<uint64_t>(now_ns - last_ns_, kSecondNs * 64);
    last_ns_ = now_ns;
    tokens_ns_ = std::min(tokens_ns_ + elapsed_ns * rate_pps_, capacity_ns());
    if (tokens_ns_ < kSecondNs) return false;
    tokens_ns_ -= kSecondNs;
    return true;
  }

 private:
  static constexpr uint64_t kSecondNs = 1'000'000'000;
  uint64_t capacity_ns() const { return burst_ * kSecondNs; }

  uint64_t rate_pps_ = 0, burst_ = 0, tokens_ns_ = 0, last_ns_ = 0;
};

}  // namespace sallyport::dataplane
