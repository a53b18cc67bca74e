// SPDX-License-Identifier: BSD-3-Clause
#include "control/liveness.h"

#include <fmt/format.h>

#include <algorithm>

namespace sallyport::control {
namespace {

constexpr const char* kNotTried = "not tried yet";
constexpr uint32_t kSuspiciousRetransmissions = 2;
constexpr std::chrono::seconds kLongestPause{30};

std::string reason_of(const vici::FeedAlert& alert) {
  const std::string peer = vici::to_string(alert.remote);
  switch (alert.alert) {
    case SP_ALERT_RETRANSMIT_SEND:
      return fmt::format("peer {} does not answer (retransmission {})", peer, alert.count);
    case SP_ALERT_RETRANSMIT_TIMEOUT:
    case SP_ALERT_PEER_UNREACHABLE:
      return fmt::format("no answer from peer {}: is it reachable on UDP 500 and 4500?", peer);
    case SP_ALERT_PEER_AUTH_FAILED:
      return fmt::format("the peer's authentication failed: wrong key, certificate or remote_id ({})", peer);
    case SP_ALERT_LOCAL_AUTH_FAILED:
      return fmt::format("peer {} refused our authentication: wrong key, certificate or local_id", peer);
    case SP_ALERT_PROPOSAL_MISMATCH_IKE:
      return fmt::format("no common IKE proposal with peer {}: compare ike.proposals", peer);
    case SP_ALERT_PROPOSAL_MISMATCH_CHILD:
      return fmt::format("no common ESP proposal with peer {}: compare esp.proposals", peer);
    case SP_ALERT_TS_MISMATCH:
      return fmt::format("no common traffic selectors with peer {}: compare selectors", peer);
    case SP_ALERT_INSTALL_FAILED:
      return "the SA could not be installed: see the events";
  }
  return vici::alert_name(alert.alert);
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

TunnelLiveness::TunnelLiveness() : reason_(kNotTried) {}

void TunnelLiveness::enter(TunnelState state, MonotonicTime now) {
  state_ = state;
  since_ = now;
}

void TunnelLiveness::hold_down(bool held, MonotonicTime now) {
  held_down_ = held;
  if (held) reason_ = "taken down by the operator";
  if (!held) retry_at_once(now);
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
    suspect_since_.reset();
  } else if (state == "DELETING" || state == "DESTROYING" || state == "down") {
    connecting_.erase(event.ike_id);
    const bool was_established = established_.erase(event.ike_id) > 0;
    if (was_established && established_.empty() && !held_down_) {
      if (!suspect_since_) reason_ = "the IKE SA was closed";
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
  if (alert.alert != SP_ALERT_RETRANSMIT_SEND) {
    if (!held_down_) reason_ = reason_of(alert);
    return;
  }
  if (alert.count < kSuspiciousRetransmissions) return;
  if (!held_down_) reason_ = reason_of(alert);
  if (!suspect_since_ && !established_.empty()) suspect_since_ = now;
}

void TunnelLiveness::on_charon_lost() {
  connecting_.clear();
  established_.clear();
  suspect_since_.reset();
}

bool TunnelLiveness::review(bool can_send, std::optional<MonotonicTime> last_inbound, MonotonicTime now) {
  if (suspect_since_ && last_inbound && *last_inbound > *suspect_since_) suspect_since_.reset();
  const TunnelState next = can_send                                      ? TunnelState::kUp
                           : connecting_.empty() && established_.empty() ? TunnelState::kDown
                                                                         : TunnelState::kConnecting;
  if (next == TunnelState::kConnecting && reason_ == kNotTried) reason_.clear();
  if (next == TunnelState::kUp && !suspect_since_) reason_.clear();
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
  if (!held_down_ && state_ != TunnelState::kUp) reason_ = why;
}

}  // namespace sallyport::control
