// SPDX-License-Identifier: BSD-3-Clause
// Whether a tunnel's path may carry: what is wrong with it now, and for how long nothing has been. No clock
// and no I/O: time comes with every call, in nanoseconds of CLOCK_MONOTONIC, and never runs backwards.
#pragma once

#include <cstdint>

#include "dataplane/api/messages.h"

namespace sallyport::dataplane {

enum class Fault : uint8_t { kLink, kSuspect, kProbe };  // the first one that is there gives the cause

class Health {
 public:
  static constexpr uint64_t kNever = ~uint64_t{0};

  // Healthy, and never anything else.
  explicit Health(uint32_t hold_ms = 0) : hold_ms_(hold_ms) {}

  // For the next hold; one that has begun goes on.
  void set_hold(uint32_t hold_ms) { hold_ms_ = hold_ms; }

  // Something is wrong, or is not any more. True: cause() is another than before.
  bool raise(Fault fault, uint64_t now_ns);
  bool clear(Fault fault, uint64_t now_ns);
  // True: the hold is over, and it is healthy again.
  bool advance(uint64_t now_ns);

  api::HealthCause cause() const;
  bool has(Fault fault) const { return (faults_ & bit(fault)) != 0; }
  // When advance() will say so; kNever: not held.
  uint64_t hold_ends_ns() const { return hold_ends_ns_; }
  // When it became unhealthy last.
  uint64_t unhealthy_since_ns() const { return unhealthy_since_ns_; }

 private:
  static constexpr uint64_t kRelapseNs = 60'000'000'000;  // of a return: counts as one fault with the last
  static constexpr uint8_t kMaxDoublings = 6;

  static uint8_t bit(Fault fault) { return static_cast<uint8_t>(1u << static_cast<uint8_t>(fault)); }
  void recover(uint64_t now_ns);

  uint32_t hold_ms_;
  uint8_t faults_ = 0;     // a bit for each
  uint8_t doublings_ = 0;  // of the hold
  bool healthy_ = true;
  uint64_t unhealthy_since_ns_ = 0;
  uint64_t returned_ns_ = kNever;  // to health
  uint64_t hold_ends_ns_ = kNever;
};

}  // namespace sallyport::dataplane
