// SPDX-License-Identifier: BSD-3-Clause
#include "control/why.h"

#include <gtest/gtest.h>

namespace sallyport::control {
namespace {

TunnelFacts facts() {
  TunnelFacts facts;
  facts.connection = "prod-branch";
  facts.port = "wan0";
  facts.local = "192.0.2.1";
  facts.peer = "192.0.2.17";
  facts.next_hop = "192.0.2.14";
  facts.ike_proposals = "aes256gcm16-prfsha384-ecp384";
  facts.esp_proposals = "aes256gcm16-esn";
  facts.selectors = "10.1.0.0/24 to 10.2.0.0/24";
  facts.local_id = "hq.example";
  facts.remote_id = "@branch.example";
  facts.reason.clear();
  return facts;
}

vici::FeedAlert alert(sp_alert kind, const std::string& detail = "") {
  vici::FeedAlert event;
  event.alert = kind;
  event.detail = detail;
  return event;
}

void expect(const TunnelFacts& facts, Cause cause, std::initializer_list<const char*> words) {
  const Explanation explanation = explain(facts);
  const std::string text = explanation.why + "; " + explanation.advice;
  EXPECT_STREQ(to_string(explanation.cause), to_string(cause)) << text;
  for (const char* word : words)
    EXPECT_NE(text.find(word), std::string::npos) << word << " in: " << text;
  EXPECT_EQ(text.find("  "), std::string::npos) << text;
  EXPECT_EQ(explanation.cause == Cause::kNone || !explanation.advice.empty(), true) << text;
}

// From the last to be looked at to the first: each outranks all before it.
TEST(Why, TheFirstCauseOfAllIsTold) {
  TunnelFacts f = facts();
  f.reason = TunnelReason();
  expect(f, Cause::kConnecting, {"not tried yet"});
  f.initiate = false;
  expect(f, Cause::kWaiting, {"waits for peer 192.0.2.17", "sallyport up prod-branch"});
  f.reason.offer(Finding::kClosed, "closed");
  expect(f, Cause::kWaiting, {});
  f.state = TunnelState::kConnecting;
  expect(f, Cause::kConnecting, {"is connecting"});
  f.reason.hear(alert(SP_ALERT_RETRANSMIT_TIMEOUT));
  expect(f, Cause::kNoAnswer, {"no answer from peer 192.0.2.17", "UDP 500 and 4500", "192.0.2.1"});
  f.next_hop_failed = true;
  expect(f, Cause::kNextHop, {"no route to the peer", "192.0.2.14", "wan0", "next_hop"});
  f.has_route = false;
  expect(f, Cause::kRoute, {"no route to the peer", "192.0.2.17"});
  f.has_address = false;
  expect(f, Cause::kAddress, {"192.0.2.1 on wan0"});
  f.link_down = true;
  expect(f, Cause::kLink, {"no route to the peer", "link of port wan0"});
  f.port_error = "no such device";
  expect(f, Cause::kPort, {"wan0", "no such device"});
  f.plugin_error = "connection refused";
  expect(f, Cause::kPlugin, {"plugin", "connection refused"});
  f.charon_error = "no such file";
  expect(f, Cause::kCharon, {"charon is not running", "no such file"});
  f.dataplane_error = "gone";
  expect(f, Cause::kDataplane, {"the dataplane is not running", "gone"});
  f.held_down = true;
  expect(f, Cause::kHeldDown, {"operator", "sallyport up prod-branch"});
}

TEST(Why, ProposalsOfBothEnds) {
  TunnelFacts f = facts();
  f.reason.hear(alert(SP_ALERT_PROPOSAL_MISMATCH_IKE));
  expect(f, Cause::kIkeProposal, {"refused all our IKE", "aes256gcm16-prfsha384-ecp384", "ike.proposals"});
  f.reason.hear(alert(SP_ALERT_PROPOSAL_MISMATCH_IKE, "IKE:AES_CBC_128"));
  expect(f, Cause::kIkeProposal, {"offers IKE:AES_CBC_128", "ours are aes256gcm16-prfsha384-ecp384"});
  f.reason.hear(alert(SP_ALERT_PROPOSAL_MISMATCH_CHILD, "ESP:AES_CBC_128"));
  expect(f, Cause::kEspProposal, {"offers ESP:AES_CBC_128", "ours are aes256gcm16-esn", "esp.proposals"});
  f.reason.hear(alert(SP_ALERT_TS_MISMATCH));
  expect(f, Cause::kSelectors, {"refused our traffic selectors", "10.1.0.0/24 to 10.2.0.0/24"});
  f.reason.hear(alert(SP_ALERT_TS_MISMATCH, "10.3.0.0/24 and 10.1.0.0/24"));
  expect(f, Cause::kSelectors, {"wants 10.3.0.0/24 and 10.1.0.0/24", "mirror"});
}

TEST(Why, WhoseAuthenticationFailed) {
  TunnelFacts f = facts();
  vici::FeedAlert event = alert(SP_ALERT_PEER_AUTH_FAILED);
  event.remote_id = "branch.example";  // an identity is written with or without the @
  event.local_id = "hq.example";
  f.reason.hear(event);
  expect(f, Cause::kPeerAuthentication,
         {"the peer's authentication failed", "branch.example", "certificate"});
  f.is_psk = true;
  expect(f, Cause::kPeerAuthentication, {"pre-shared key"});
  event.local_id = "main.example";
  f.reason.hear(event);
  expect(f, Cause::kPeerAuthentication, {"asks for 'main.example'", "local_id is 'hq.example'"});
  event.remote_id = "mallory.example";
  f.reason.hear(event);
  expect(f, Cause::kPeerAuthentication, {"calls itself 'mallory.example'", "remote_id"});
  f.remote_id = "%any";
  event.local_id = "";
  f.reason.hear(event);
  expect(f, Cause::kPeerAuthentication, {"could not prove"});
  f.reason.hear(alert(SP_ALERT_LOCAL_AUTH_FAILED));
  expect(f, Cause::kOurAuthentication, {"refused our authentication as 'hq.example'", "pre-shared key"});
}

TEST(Why, TheOtherThingsThatCharonSays) {
  TunnelFacts f = facts();
  f.reason.offer(Finding::kAttemptFailed, "charon is busy");
  expect(f, Cause::kAttempt, {"charon is busy"});
  f.reason.hear(alert(SP_ALERT_INSTALL_FAILED));
  expect(f, Cause::kInstall, {"could not be installed", "show events"});
  f.reason.offer(Finding::kNotLoaded, "cannot read branch.key");
  expect(f, Cause::kNotLoaded, {"cannot read branch.key"});
}

TEST(Why, ATunnelThatIsUp) {
  TunnelFacts f = facts();
  f.state = TunnelState::kUp;
  f.next_hop_failed = f.link_down = true;  // the tunnel's own health tells
  expect(f, Cause::kNone, {"is up"});
  f.charon_error = "gone";
  expect(f, Cause::kNone, {"is up", "charon is not running"});
  f.missing_children = "prod-branch-a-1.2";
  expect(f, Cause::kPartial, {"is up, but not its CHILD_SA prod-branch-a-1.2"});
  f.reason.hear(alert(SP_ALERT_TS_MISMATCH));
  expect(f, Cause::kSelectors, {"CHILD_SA prod-branch-a-1.2: peer 192.0.2.17 refused our traffic selectors"});
  f.health_reason = "its probes are not answered";
  expect(f, Cause::kHealth,
         {"is up but not healthy", "only where no other tunnel can: its probes are not answered"});
  f.dataplane_error = "gone";
  expect(f, Cause::kDataplane, {"carries nothing"});
}

}  // namespace
}  // namespace sallyport::control
