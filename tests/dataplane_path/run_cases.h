// SPDX-License-Identifier: BSD-3-Clause
// Packets that a run of one SA may hold, each with what the RFCs say of it.
#pragma once

#include <functional>
#include <vector>

#include "tests/dataplane_path/sites_ipv6.h"

namespace sallyport::dataplane::testing {

inline constexpr uint32_t kPathMtu = 1400;  // of the tunnels, which lower the MSS to it

// What becomes of a packet whose number may come.
enum class Fate : uint8_t {
  kForwarded,
  kPolicy,     // forwarded, but not where selectors name the two LANs' IPv4 alone
  kCounted,    // verified, counted, dropped
  kUncounted,  // verified, dropped before it is counted
  kForged,
  kRefused,  // before its number is looked at
};

struct Made {
  Bytes packet;  // the outer one
  Fate fate = Fate::kForwarded;
  Bytes inner = {};          // to be forwarded
  size_t payload_bytes = 0;  // with TFC padding: what the row counts
  api::DropReason drop = kKeep;
};

// Which number the packet gets.
enum class Number : uint8_t {
  kNext,
  kRepeated,  // the last one's
  kLate,      // one that was left out right before the last one
  kLeftEdge,  // the last one that is in the window
  kBehind,    // the first one that isn't
  kJump,      // a few ahead
  kFar,       // further ahead than any window is wide
  kZero,
};

enum class Buffer : uint8_t { kOwn, kShared, kSegmented };

struct RunCase {
  const char* description;
  std::function<Made(const OracleSa&, uint64_t sequence)> make;
  Number number = Number::kNext;
  Buffer buffer = Buffer::kOwn;
};

Made make_good(const OracleSa& sa, uint64_t sequence);

// Good ones and unusual ones.
const std::vector<RunCase>& run_cases();

}  // namespace sallyport::dataplane::testing
