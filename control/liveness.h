// SPDX-License-Identifier: BSD-3-Clause
// One tunnel's state as people see it, with its reason in words, and when to try to bring it up again. Fed
// with what charon's listener tells and what the SA ledger holds. Pure; main thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <set>
#include <string>

#include "control/sa_ledger.h"
#include "control/tunnel_reason.h"
#include "vici-bridge/feed_message.h"
#include "vici-bridge/feed_text.h"

namespace sallyport::control {

enum class TunnelState : uint8_t { kDown, kConnecting, kUp };
[[nodiscard]] const char* to_string(TunnelState state);

// How many of a tunnel's CHILD_SAs there are to send on.
enum class Sending : uint8_t { kNothing, kSome, kAll };

class TunnelLiveness {
 public:
  [[nodiscard]] TunnelState state() const { return state_; }
  [[nodiscard]] const std::string& reason() const { return reason_.text(); }
  [[nodiscard]] const TunnelReason& why() const { return reason_; }
  [[nodiscard]] MonotonicTime since() const { return since_; }
  [[nodiscard]] bool suspect() const { return suspect_since_.has_value(); }
  // What the next review says may differ by time or packets alone, of which no event tells.
  [[nodiscard]] bool awaits_review() const { return suspect() || authentic_at_.has_value(); }
  [[nodiscard]] uint32_t ike_id() const { return established_.empty() ? 0 : *established_.rbegin(); }
  [[nodiscard]] uint8_t ike_version() const { return ike_version_; }
  [[nodiscard]] bool held_down() const { return held_down_; }

  // By the operator: stays down until asked up.
  void hold_down(bool held, MonotonicTime now);
  // Its configuration is another one now: what was found before says nothing of it.
  void start_over(MonotonicTime now);
  void on_ike(const vici::FeedIkeEvent& event, MonotonicTime now);
  // From charon's own list, after a restart of ours.
  void seed(uint32_t ike_id, uint8_t version);
  void on_alert(const vici::FeedAlert& alert, MonotonicTime now);
  // charon went away: none of its IKE_SAs is left.
  void on_charon_lost();
  // What the ledger says now; true when the state changed. last_inbound clears a suspicion older than it.
  [[nodiscard]] bool review(Sending sending, std::optional<MonotonicTime> last_inbound, MonotonicTime now);

  // True when an attempt is due; the next one is then 1, 2, 4 ... 30 s later, each with up to a quarter of
  // jitter.
  [[nodiscard]] bool take_attempt(bool has_living_child, MonotonicTime now, std::minstd_rand& random);
  void attempt_failed(const std::string& why);
  // charon is told the tunnel's configuration; load_failed: it did not take that, or we have not all of it.
  void loading() {
    if (reason_.finding() == Finding::kNotLoaded) reason_.clear();
  }
  void load_failed(const std::string& why) { reason_.offer(Finding::kNotLoaded, why); }
  void retry_at_once(MonotonicTime now);

 private:
  void enter(TunnelState state, MonotonicTime now);
  void trust();  // no retransmission counts any more

  TunnelState state_ = TunnelState::kDown;
  TunnelReason reason_;
  MonotonicTime since_ = std::chrono::steady_clock::now();
  std::optional<MonotonicTime> retransmits_since_, suspect_since_;
  std::optional<MonotonicTime> authentic_at_;    // unless the peer refuses us until then
  std::set<uint32_t> connecting_, established_;  // IKE_SAs by unique id
  uint8_t ike_version_ = 0;
  bool held_down_ = false;
  uint32_t attempts_ = 0;
  MonotonicTime next_attempt_{};
};

}  // namespace sallyport::control
