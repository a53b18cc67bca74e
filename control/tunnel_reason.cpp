// SPDX-License-Identifier: BSD-3-Clause
#include "control/tunnel_reason.h"

#include <fmt/format.h>

#include "vici-bridge/feed_text.h"

namespace sallyport::control {
namespace {

// What says more replaces what says less, and of two that say as much the newer one stays.
int telling(Finding finding) {
  switch (finding) {
    case Finding::kNone:
    case Finding::kNotTried:
      return 0;
    case Finding::kClosed:
    case Finding::kAttemptFailed:
      return 1;
    case Finding::kSilent:
      return 2;
    case Finding::kNotLoaded:
      return 4;  // whatever charon finds then comes of it
    case Finding::kHeldDown:
      return 5;
    default:
      return 3;
  }
}

Finding finding_of(sp_alert alert) {
  switch (alert) {
    case SP_ALERT_RETRANSMIT_SEND:
      return Finding::kSilent;
    case SP_ALERT_RETRANSMIT_TIMEOUT:
    case SP_ALERT_PEER_UNREACHABLE:
      return Finding::kNoAnswer;
    case SP_ALERT_PEER_AUTH_FAILED:
      return Finding::kPeerAuth;
    case SP_ALERT_LOCAL_AUTH_FAILED:
      return Finding::kOurAuth;
    case SP_ALERT_PROPOSAL_MISMATCH_IKE:
      return Finding::kIkeProposal;
    case SP_ALERT_PROPOSAL_MISMATCH_CHILD:
      return Finding::kEspProposal;
    case SP_ALERT_TS_MISMATCH:
      return Finding::kSelectors;
    case SP_ALERT_INSTALL_FAILED:
      return Finding::kInstall;
    case SP_ALERT_RETRANSMIT_CLEARED:
      break;
  }
  return Finding::kNone;
}

std::string text_of(const vici::FeedAlert& alert) {
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
    case SP_ALERT_RETRANSMIT_CLEARED:
      break;
  }
  return vici::alert_name(alert.alert);
}

std::string known(const std::string& id) {
  return id == "%any" ? "" : id;
}

}  // namespace

TunnelReason::TunnelReason() : TunnelReason(Finding::kNotTried, "not tried yet") {}

void TunnelReason::offer(Finding finding, std::string text) {
  if (telling(finding) >= telling(finding_)) *this = TunnelReason(finding, std::move(text));
}

void TunnelReason::hear(const vici::FeedAlert& alert) {
  const Finding finding = finding_of(alert.alert);
  // Both ends may try: the peer's refusal of ours says nothing that its own proposals didn't.
  if (finding == finding_ && alert.detail.empty() && !detail_.empty()) return;
  offer(finding, text_of(alert));
  if (finding != finding_) return;
  detail_ = alert.detail;
  peer_id_ = known(alert.remote_id);
  own_id_ = known(alert.local_id);
}

}  // namespace sallyport::control
