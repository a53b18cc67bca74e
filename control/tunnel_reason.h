// SPDX-License-Identifier: BSD-3-Clause
// Why a tunnel is not up, as far as charon tells it: the most telling finding is kept until the tunnel is up
// or another telling one comes. A value; main thread.
#pragma once

#include <cstdint>
#include <string>

#include "vici-bridge/feed_message.h"

namespace sallyport::control {

enum class Finding : uint8_t {
  kNone,
  kNotTried,
  kClosed,         // the IKE SA was closed, nobody said why
  kAttemptFailed,  // charon's words are the text, here and below
  kNotLoaded,
  kSilent,  // retransmissions, but charon has not given up
  kNoAnswer,
  kPeerAuth,  // the peer's authentication failed
  kOurAuth,   // the peer refused ours
  kIkeProposal,
  kEspProposal,
  kSelectors,
  kInstall,
  kHeldDown,
};

class TunnelReason {
 public:
  void hear(const vici::FeedAlert& alert);
  // A finding less telling than the present one is ignored.
  void offer(Finding finding, std::string text);
  void clear() { *this = TunnelReason(Finding::kNone, ""); }

  TunnelReason();
  [[nodiscard]] Finding finding() const { return finding_; }
  [[nodiscard]] bool is_authentication() const {
    return finding_ == Finding::kPeerAuth || finding_ == Finding::kOurAuth;
  }
  // Whether SAs that are up disprove it. What is said of the next ones they don't: they may be on their way
  // out.
  [[nodiscard]] bool is_of_the_sas() const {
    return !is_authentication() && finding_ != Finding::kNotLoaded && finding_ != Finding::kHeldDown;
  }
  // For people; empty with kNone.
  [[nodiscard]] const std::string& text() const { return text_; }
  // What the peer proposed or asked for (vici-bridge/key_message.h, sp_alert); empty: not known.
  [[nodiscard]] const std::string& detail() const { return detail_; }
  // The identities of the exchange that failed: the peer's own, and what it takes us for; empty: not known.
  [[nodiscard]] const std::string& peer_id() const { return peer_id_; }
  [[nodiscard]] const std::string& own_id() const { return own_id_; }

 private:
  TunnelReason(Finding finding, std::string text) : finding_(finding), text_(std::move(text)) {}

  Finding finding_;
  std::string text_, detail_, peer_id_, own_id_;
};

}  // namespace sallyport::control
