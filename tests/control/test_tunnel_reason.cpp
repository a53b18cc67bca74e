// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include "control/tunnel_reason.h"

namespace sallyport::control {
namespace {

vici::FeedAlert alert(sp_alert kind, const std::string& detail = "") {
  vici::FeedAlert event;
  event.alert = kind;
  event.detail = detail;
  event.remote = {4, {}, 500, 0, {192, 0, 2, 17}};
  return event;
}

TEST(TunnelReason, WhatSaysLessNeverReplacesWhatSaysMore) {
  TunnelReason reason;
  EXPECT_EQ(reason.finding(), Finding::kNotTried);
  reason.offer(Finding::kClosed, "closed");
  reason.hear(alert(SP_ALERT_RETRANSMIT_SEND));
  EXPECT_EQ(reason.finding(), Finding::kSilent);
  reason.offer(Finding::kAttemptFailed, "failed");
  EXPECT_EQ(reason.finding(), Finding::kSilent);
  reason.hear(alert(SP_ALERT_PEER_AUTH_FAILED));
  for (const Finding less : {Finding::kClosed, Finding::kAttemptFailed, Finding::kSilent})
    reason.offer(less, "less");
  EXPECT_EQ(reason.finding(), Finding::kPeerAuth);
  EXPECT_NE(reason.text().find("192.0.2.17"), std::string::npos);
}

TEST(TunnelReason, OfTwoThatSayAsMuchTheNewerOneStays) {
  TunnelReason reason;
  reason.hear(alert(SP_ALERT_LOCAL_AUTH_FAILED));
  reason.hear(alert(SP_ALERT_RETRANSMIT_TIMEOUT));
  EXPECT_EQ(reason.finding(), Finding::kNoAnswer);
  reason.hear(alert(SP_ALERT_TS_MISMATCH, "10.1.0.0/16 and 10.2.0.0/16"));
  EXPECT_EQ(reason.finding(), Finding::kSelectors);
  reason.offer(Finding::kNotLoaded, "no such key");
  EXPECT_EQ(reason.text(), "no such key");
  EXPECT_EQ(reason.detail(), "");
}

TEST(TunnelReason, APeersRefusalDoesNotReplaceItsProposals) {
  TunnelReason reason;
  reason.hear(alert(SP_ALERT_PROPOSAL_MISMATCH_IKE, "IKE:AES_CBC_128"));
  reason.hear(alert(SP_ALERT_PROPOSAL_MISMATCH_IKE));
  EXPECT_EQ(reason.detail(), "IKE:AES_CBC_128");
  reason.hear(alert(SP_ALERT_PROPOSAL_MISMATCH_IKE, "IKE:AES_CBC_256"));
  EXPECT_EQ(reason.detail(), "IKE:AES_CBC_256");
  reason.hear(alert(SP_ALERT_PROPOSAL_MISMATCH_CHILD));
  EXPECT_EQ(reason.finding(), Finding::kEspProposal);
  EXPECT_EQ(reason.detail(), "");
}

TEST(TunnelReason, KeepsTheIdentitiesThatAreKnown) {
  TunnelReason reason;
  vici::FeedAlert event = alert(SP_ALERT_PEER_AUTH_FAILED);
  event.remote_id = "other.example";
  event.local_id = "%any";
  reason.hear(event);
  EXPECT_EQ(reason.peer_id(), "other.example");
  EXPECT_EQ(reason.own_id(), "");
  reason.clear();
  EXPECT_EQ(reason.finding(), Finding::kNone);
  EXPECT_EQ(reason.peer_id(), "");
}

}  // namespace
}  // namespace sallyport::control
