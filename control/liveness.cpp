// SPDX-License-Identifier: BSD-3-Clause
#include "control/liveness.h"

#include <algorithm>

namespace sallyport::control {
namespace {

constexpr uint32_t kSuspiciousRetransmissions = 2;
constexpr std::chrono::seconds kLongestPause{30};
// An initiator that finds us not authentic says so when our SAs are up already (RFC 7296 section 2.21.2).
constexpr std::chrono::seconds kLateRefusal{1};

bool refuses_authentication(const vici::FeedAlert& alert) {
  return alert.alert == SP_ALERT_LOCAL_AUTH_FAILED || alert.alert == SP_ALERT_PEER_AUTH_FAILED;
}

}  // namespace

const char* to_string(TunnelState state) {
  switch (state) {
    case TunnelState::kDown:
      return "down";
    case TunnelState::kConnecting:
      return "connecting";
    case TunnelState::kUp:
      break;
  }
  return "up";
}

void TunnelLiveness::enter(TunnelState state, MonotonicTime now) {
  state_ = state;
  since_ = now;
}

void TunnelLiveness::hold_down(bool held, MonotonicTime now) {
  held_down_ = held;
  if (held) {
    reason_.offer(Finding::kHeldDown, "taken down by the operator");
  } else {
    start_over(now);
  }
}

void TunnelLiveness::start_over(MonotonicTime now) {
  if (held_down_) return;
  reason_ = TunnelReason();
  retry_at_once(now);
}

void TunnelLiveness::retry_at_once(MonotonicTime now) {
  attempts_ = 0;
  next_attempt_ = now;
}

void TunnelLiveness::on_ike(const vici::FeedIkeEvent& event, MonotonicTime now) {
  if (event.rekey) {
    if (established_.erase(event.ike_id) > 0) established_.insert(event.other_id);
    connecting_.erase(event.other_id);
    return;
  }
  const std::string& state = event.state_name;
  if (state == "CONNECTING") {
    connecting_.insert(event.ike_id);
  } else if (state == "ESTABLISHED" || state == "up") {
    connecting_.erase(event.ike_id);
    established_.insert(event.ike_id);
    ike_version_ = event.version;
    trust();
    if (reason_.is_authentication()) authentic_at_ = now + kLateRefusal;
  } else if (state == "DELETING" || state == "DESTROYING" || state == "down") {
    connecting_.erase(event.ike_id);
    const bool was_established = established_.erase(event.ike_id) > 0;
    if (established_.empty()) authentic_at_.reset();
    if (was_established && established_.empty() && !held_down_) {
      reason_.offer(Finding::kClosed, "the IKE SA was closed");
      if (attempts_ == 0) next_attempt_ = now;  // it had been up, not just refused again
    }
  }
}

void TunnelLiveness::seed(uint32_t ike_id, uint8_t version) {
  established_.insert(ike_id);
  ike_version_ = version;
}

void TunnelLiveness::on_alert(const vici::FeedAlert& alert, MonotonicTime now) {
  const bool is_current = established_.contains(alert.ike_id) || established_.empty();
  if (!is_current) return;
  if (alert.alert == SP_ALERT_RETRANSMIT_CLEARED) {
    trust();
    if (reason_.finding() == Finding::kSilent) reason_.clear();
    return;
  }
  const bool is_retransmission = alert.alert == SP_ALERT_RETRANSMIT_SEND;
  if (is_retransmission && alert.count < kSuspiciousRetransmissions) {
    retransmits_since_ = now;
    return;
  }
  reason_.hear(alert);
  if (refuses_authentication(alert)) authentic_at_.reset();
  // A path that has come back carries packets already, when the answer to what was sent again is still under
  // way.
  if (is_retransmission && !suspect_since_ && !established_.empty())
    suspect_since_ = retransmits_since_.value_or(now);
}

void TunnelLiveness::trust() {
  suspect_since_.reset();
  retransmits_since_.reset();
}

void TunnelLiveness::on_charon_lost() {
  connecting_.clear();
  established_.clear();
  authentic_at_.reset();
  trust();
}

bool TunnelLiveness::review(Sending sending, std::optional<MonotonicTime> last_inbound, MonotonicTime now) {
  if (suspect_since_ && last_inbound && *last_inbound > *suspect_since_) suspect_since_.reset();
  const TunnelState next = sending != Sending::kNothing                  ? TunnelState::kUp
                           : connecting_.empty() && established_.empty() ? TunnelState::kDown
                                                                         : TunnelState::kConnecting;
  if (next == TunnelState::kConnecting && reason_.finding() == Finding::kNotTried) reason_.clear();
  if (sending == Sending::kAll && !suspect_since_ && reason_.is_of_the_sas()) reason_.clear();
  if (authentic_at_ && now >= *authentic_at_) {
    authentic_at_.reset();
    if (reason_.is_authentication()) reason_.clear();
  }
  if (next == state_) return false;
  enter(next, now);
  return true;
}

bool TunnelLiveness::take_attempt(bool has_living_child, MonotonicTime now, std::minstd_rand& random) {
  if (has_living_child) {
    attempts_ = 0;
    return false;
  }
  if (held_down_ || !connecting_.empty() || now < next_attempt_) return false;
  using std::chrono::milliseconds;
  const milliseconds pause =
      std::min<milliseconds>(std::chrono::seconds(1) * (1u << std::min(attempts_, 5u)), kLongestPause);
  ++attempts_;
  std::uniform_int_distribution<int64_t> jitter(0, pause.count() / 4);
  next_attempt_ = now + pause + milliseconds(jitter(random));
  return true;
}

void TunnelLiveness::attempt_failed(const std::string& why) {
  if (state_ != TunnelState::kUp) reason_.offer(Finding::kAttemptFailed, why);
}

}  // namespace sallyport::control
