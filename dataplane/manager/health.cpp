// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/manager/health.h"

#include <algorithm>

namespace sallyport::dataplane {

bool Health::raise(Fault fault, uint64_t now_ns) {
  const auto before = cause();
  faults_ |= bit(fault);
  hold_ends_ns_ = kNever;
  if (healthy_) {
    healthy_ = false;
    unhealthy_since_ns_ = now_ns;
    const bool relapse = returned_ns_ != kNever && now_ns - returned_ns_ <= kRelapseNs;
    doublings_ =
        relapse ? std::min<uint8_t>(static_cast<uint8_t>(doublings_ + 1), kMaxDoublings) : uint8_t{0};
  }
  return cause() != before;
}

bool Health::clear(Fault fault, uint64_t now_ns) {
  if (!has(fault)) return false;
  const auto before = cause();
  faults_ &= static_cast<uint8_t>(~bit(fault));
  if (faults_ == 0) {
    hold_ends_ns_ = now_ns + (uint64_t{hold_ms_} * 1'000'000 << doublings_);
    if (hold_ms_ == 0) recover(now_ns);
  }
  return cause() != before;
}

bool Health::advance(uint64_t now_ns) {
  if (now_ns < hold_ends_ns_) return false;
  recover(now_ns);
  return true;
}

void Health::recover(uint64_t now_ns) {
  healthy_ = true;
  returned_ns_ = now_ns;
  hold_ends_ns_ = kNever;
}

api::HealthCause Health::cause() const {
  if (healthy_) return api::HealthCause::kHealthy;
  if (has(Fault::kLink)) return api::HealthCause::kLink;
  if (has(Fault::kSuspect)) return api::HealthCause::kSuspect;
  return has(Fault::kProbe) ? api::HealthCause::kProbe : api::HealthCause::kHold;
}

}  // namespace sallyport::dataplane
