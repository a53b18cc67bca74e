// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include "control/liveness.h"

namespace sallyport::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class LivenessTest : public ::testing::Test {
 protected:
  void ike(uint32_t id, const char* state) {
    vici::FeedIkeEvent event;
    event.ike_id = id;
    event.version = 2;
    event.state_name = state;
    tunnel_.on_ike(event, now_);
  }

  void alert(sp_alert kind, uint32_t count, uint32_t ike_id = 1) {
    vici::FeedAlert event;
    event.alert = kind;
    event.count = count;
    event.ike_id = ike_id;
    tunnel_.on_alert(event, now_);
  }

  bool attempt(bool has_child = false) { return tunnel_.take_attempt(has_child, now_, random_); }

  TunnelLiveness tunnel_;
  MonotonicTime now_{seconds(1000)};
  std::minstd_rand random_{1};
};

TEST_F(LivenessTest, FollowsTheIkeSaAndTheOutboundSa) {
  EXPECT_EQ(tunnel_.state(), TunnelState::kDown);
  ike(1, "CONNECTING");
  EXPECT_TRUE(tunnel_.review(Sending::kNothing, std::nullopt, now_));
  EXPECT_EQ(tunnel_.state(), TunnelState::kConnecting);
  ike(1, "ESTABLISHED");
  EXPECT_TRUE(tunnel_.review(Sending::kAll, std::nullopt, now_));
  EXPECT_EQ(tunnel_.state(), TunnelState::kUp);
  EXPECT_EQ(tunnel_.ike_version(), 2);
  EXPECT_FALSE(tunnel_.review(Sending::kAll, std::nullopt, now_));
  ike(1, "DESTROYING");
  EXPECT_TRUE(tunnel_.review(Sending::kNothing, std::nullopt, now_));
  EXPECT_EQ(tunnel_.state(), TunnelState::kDown);
  EXPECT_EQ(tunnel_.reason(), "the IKE SA was closed");
}

TEST_F(LivenessTest, TriesAtOneTwoFourSecondsAndNeverSlowerThanThirtyPlusJitter) {
  EXPECT_TRUE(attempt());
  EXPECT_FALSE(attempt());
  milliseconds expected = seconds(1);
  for (int i = 0; i < 8; ++i) {
    now_ += expected - milliseconds(1);
    EXPECT_FALSE(attempt()) << i;
    now_ += milliseconds(1) + expected / 4;
    EXPECT_TRUE(attempt()) << i;
    expected = std::min<milliseconds>(expected * 2, seconds(30));
  }
}

TEST_F(LivenessTest, DoesNotTryWhileUpConnectingOrHeldDown) {
  EXPECT_FALSE(attempt(true));
  ike(1, "CONNECTING");
  EXPECT_FALSE(attempt());
  ike(1, "DESTROYING");
  tunnel_.hold_down(true, now_);
  EXPECT_FALSE(attempt());
  EXPECT_EQ(tunnel_.reason(), "taken down by the operator");
  tunnel_.hold_down(false, now_);
  EXPECT_TRUE(attempt());
}

TEST_F(LivenessTest, SecondUnansweredRetransmissionMakesSuspectUntilAPacketComes) {
  ike(1, "ESTABLISHED");
  (void)tunnel_.review(Sending::kAll, std::nullopt, now_);
  alert(SP_ALERT_RETRANSMIT_SEND, 1);
  EXPECT_FALSE(tunnel_.suspect());
  alert(SP_ALERT_RETRANSMIT_SEND, 2);
  EXPECT_TRUE(tunnel_.suspect());
  (void)tunnel_.review(Sending::kAll, now_ - seconds(1), now_);
  EXPECT_TRUE(tunnel_.suspect());
  (void)tunnel_.review(Sending::kAll, now_ + seconds(1), now_ + seconds(1));
  EXPECT_FALSE(tunnel_.suspect());
}

// The path was silent when charon first sent the request again, and carries packets since: they say more than
// the retransmission.
TEST_F(LivenessTest, PacketsSinceTheFirstRetransmissionForbidTheSuspicion) {
  ike(1, "ESTABLISHED");
  alert(SP_ALERT_RETRANSMIT_SEND, 1);
  const MonotonicTime heard = now_ + seconds(2);
  now_ += seconds(3);
  alert(SP_ALERT_RETRANSMIT_SEND, 2);
  (void)tunnel_.review(Sending::kAll, heard, now_);
  EXPECT_FALSE(tunnel_.suspect());
  EXPECT_EQ(tunnel_.reason(), "");
}

TEST_F(LivenessTest, PacketsBeforeTheFirstRetransmissionDoNot) {
  ike(1, "ESTABLISHED");
  const MonotonicTime heard = now_;
  now_ += seconds(1);
  alert(SP_ALERT_RETRANSMIT_SEND, 1);
  now_ += seconds(3);
  alert(SP_ALERT_RETRANSMIT_SEND, 2);
  (void)tunnel_.review(Sending::kAll, heard, now_);
  EXPECT_TRUE(tunnel_.suspect());
}

// An answered request's retransmission is nothing to the next one.
TEST_F(LivenessTest, AnAnswerEndsWhatTheFirstRetransmissionBegan) {
  ike(1, "ESTABLISHED");
  alert(SP_ALERT_RETRANSMIT_SEND, 1);
  alert(SP_ALERT_RETRANSMIT_CLEARED, 0);
  now_ += seconds(3);
  alert(SP_ALERT_RETRANSMIT_SEND, 2);
  (void)tunnel_.review(Sending::kAll, now_ - seconds(1), now_);
  EXPECT_TRUE(tunnel_.suspect());
}

// Where both ends suspect the tunnel no packet will come by it.
TEST_F(LivenessTest, AnAnswerToARetransmissionEndsTheSuspicion) {
  ike(1, "ESTABLISHED");
  (void)tunnel_.review(Sending::kAll, std::nullopt, now_);
  alert(SP_ALERT_RETRANSMIT_SEND, 2);
  ASSERT_TRUE(tunnel_.suspect());
  alert(SP_ALERT_RETRANSMIT_CLEARED, 0, 7);
  EXPECT_TRUE(tunnel_.suspect()) << "another IKE_SA's";
  alert(SP_ALERT_RETRANSMIT_CLEARED, 0);
  EXPECT_FALSE(tunnel_.suspect());
  EXPECT_EQ(tunnel_.reason(), "");
}

TEST_F(LivenessTest, AnOlderIkeSasSilenceIsNotHeldAgainstTheTunnel) {
  ike(2, "ESTABLISHED");
  alert(SP_ALERT_RETRANSMIT_SEND, 4, 1);
  EXPECT_FALSE(tunnel_.suspect());
}

TEST_F(LivenessTest, KeepsWhatCharonFoundUntilEveryChildIsUp) {
  ike(1, "CONNECTING");
  alert(SP_ALERT_TS_MISMATCH, 0);
  ike(1, "DESTROYING");
  ike(2, "CONNECTING");
  (void)tunnel_.review(Sending::kNothing, std::nullopt, now_);
  tunnel_.attempt_failed("initiate failed");
  EXPECT_EQ(tunnel_.why().finding(), Finding::kSelectors);
  ike(2, "ESTABLISHED");
  (void)tunnel_.review(Sending::kSome, std::nullopt, now_);
  EXPECT_EQ(tunnel_.why().finding(), Finding::kSelectors);
  (void)tunnel_.review(Sending::kAll, std::nullopt, now_);
  EXPECT_EQ(tunnel_.why().finding(), Finding::kNone);
  EXPECT_EQ(tunnel_.reason(), "");
}

TEST_F(LivenessTest, APeerThatRefusesUsLateIsHeardThoughTheSasAreUp) {
  ike(1, "ESTABLISHED");
  (void)tunnel_.review(Sending::kAll, std::nullopt, now_);
  alert(SP_ALERT_LOCAL_AUTH_FAILED, 0);
  (void)tunnel_.review(Sending::kAll, std::nullopt, now_);
  ike(1, "DESTROYING");
  (void)tunnel_.review(Sending::kNothing, std::nullopt, now_);
  EXPECT_EQ(tunnel_.why().finding(), Finding::kOurAuth);
  ike(2, "ESTABLISHED");
  EXPECT_TRUE(tunnel_.awaits_review());
  now_ += milliseconds(999);
  (void)tunnel_.review(Sending::kAll, std::nullopt, now_);
  EXPECT_EQ(tunnel_.why().finding(), Finding::kOurAuth) << "it may refuse us again";
  ike(2, "DESTROYING");
  now_ += milliseconds(1);
  (void)tunnel_.review(Sending::kNothing, std::nullopt, now_);
  EXPECT_EQ(tunnel_.why().finding(), Finding::kOurAuth);
  ike(3, "ESTABLISHED");
  alert(SP_ALERT_LOCAL_AUTH_FAILED, 0, 3);
  now_ += seconds(1);
  (void)tunnel_.review(Sending::kAll, std::nullopt, now_);
  EXPECT_EQ(tunnel_.why().finding(), Finding::kOurAuth);
  ike(3, "DESTROYING");
  ike(4, "ESTABLISHED");
  alert(SP_ALERT_RETRANSMIT_SEND, 2, 4);  // says nothing of who is who
  alert(SP_ALERT_RETRANSMIT_CLEARED, 0, 4);
  now_ += seconds(1);
  (void)tunnel_.review(Sending::kAll, std::nullopt, now_);
  EXPECT_EQ(tunnel_.why().finding(), Finding::kNone);
  EXPECT_FALSE(tunnel_.awaits_review());
}

TEST_F(LivenessTest, AnotherConfigurationStartsOver) {
  tunnel_.load_failed("no such key");
  alert(SP_ALERT_LOCAL_AUTH_FAILED, 0);
  EXPECT_EQ(tunnel_.reason(), "no such key");
  tunnel_.start_over(now_);
  EXPECT_EQ(tunnel_.why().finding(), Finding::kNotTried);
  tunnel_.hold_down(true, now_);
  tunnel_.start_over(now_);
  EXPECT_EQ(tunnel_.why().finding(), Finding::kHeldDown);
}

TEST_F(LivenessTest, WhatCouldNotBeLoadedIsSaidThoughTheOldSasAreStillThere) {
  ike(1, "ESTABLISHED");
  (void)tunnel_.review(Sending::kAll, std::nullopt, now_);
  tunnel_.load_failed("no such key");
  (void)tunnel_.review(Sending::kAll, std::nullopt, now_);
  ike(1, "DESTROYING");
  (void)tunnel_.review(Sending::kNothing, std::nullopt, now_);
  alert(SP_ALERT_LOCAL_AUTH_FAILED, 0);
  EXPECT_EQ(tunnel_.reason(), "no such key");
  tunnel_.loading();
  EXPECT_EQ(tunnel_.why().finding(), Finding::kNone);
  alert(SP_ALERT_LOCAL_AUTH_FAILED, 0);
  tunnel_.loading();
  EXPECT_EQ(tunnel_.why().finding(), Finding::kOurAuth);
}

TEST_F(LivenessTest, HeldDownIsSaidThoughItsSasAreStillThere) {
  ike(1, "ESTABLISHED");
  tunnel_.hold_down(true, now_);
  (void)tunnel_.review(Sending::kAll, std::nullopt, now_);
  ike(1, "DESTROYING");
  (void)tunnel_.review(Sending::kNothing, std::nullopt, now_);
  EXPECT_EQ(tunnel_.why().finding(), Finding::kHeldDown);
}

TEST_F(LivenessTest, HeldDownSaysSoUntilReleased) {
  alert(SP_ALERT_LOCAL_AUTH_FAILED, 0);
  tunnel_.hold_down(true, now_);
  alert(SP_ALERT_PEER_AUTH_FAILED, 0);
  EXPECT_EQ(tunnel_.why().finding(), Finding::kHeldDown);
  tunnel_.hold_down(false, now_);
  EXPECT_EQ(tunnel_.why().finding(), Finding::kNotTried);
}

TEST_F(LivenessTest, SaysWhyInWords) {
  alert(SP_ALERT_PROPOSAL_MISMATCH_IKE, 0);
  EXPECT_NE(tunnel_.reason().find("no common IKE proposal"), std::string::npos);
  alert(SP_ALERT_PEER_AUTH_FAILED, 0);
  EXPECT_NE(tunnel_.reason().find("authentication failed"), std::string::npos);
}

}  // namespace
}  // namespace sallyport::control
