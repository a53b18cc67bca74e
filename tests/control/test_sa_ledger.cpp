// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <cstring>

#include "control/sa_ledger.h"

namespace sallyport::control {
namespace {

using std::chrono::seconds;

constexpr uint32_t kSlotA = 1, kSlotB = 2;
const Policy kPolicy = {"t", {}, {}};

// 10.NUMBER.0.0/16
sp_selector selector(uint8_t number) {
  sp_selector made{};
  made.family = 4;
  made.port_to = 65535;
  const std::array<uint8_t, 4> from{10, number, 0, 0}, to{10, number, 255, 255};
  std::copy(from.begin(), from.end(), made.from);
  std::copy(to.begin(), to.end(), made.to);
  return made;
}

class SaLedgerTest : public ::testing::Test {
 protected:
  static vici::FeedSaAdd sa(uint32_t spi, uint32_t slot, bool inbound, uint32_t ike_id) {
    vici::FeedSaAdd add;
    add.id = {spi, slot, inbound};
    add.ike_id = ike_id;
    add.child_id = 100 + slot;
    add.ike_name = add.child_name = "t";
    add.tunnel_mode = add.esn = true;
    add.encryption = 20;
    std::array<uint8_t, 36> key{};
    key[0] = 0xaa;
    add.encryption_key = vici::KeyMaterial(key);
    return add;
  }

  // `numbers`: of the remote selectors.
  void add_child(uint32_t slot, uint32_t ike_id, MonotonicTime when,
                 const std::vector<uint8_t>& numbers = {}) {
    for (const bool inbound : {true, false}) {
      auto add = sa(0x1000 + slot, slot, inbound, ike_id);
      for (const uint8_t number : numbers)
        add.remote_selectors.push_back(selector(number));
      ledger_.name(add, when);
      ledger_.set_state(add.id, SaState::kInstalled);
    }
  }

  static SaId in(uint32_t slot) { return {0x1000 + slot, slot, true}; }
  static SaId out(uint32_t slot) { return {0x1000 + slot, slot, false}; }

  Superfluous superfluous(MonotonicTime now) const {
    return ledger_.superfluous(
        [this](const SaId& id) -> std::optional<MonotonicTime> {
          const auto it = used_.find(id);
          if (it == used_.end()) return std::nullopt;
          return it->second;
        },
        now);
  }

  SaLedger ledger_;
  std::map<SaId, MonotonicTime> used_;
  MonotonicTime start_{seconds(1000)};
};

TEST_F(SaLedgerTest, NewestInstalledOutboundSaIsActive) {
  add_child(kSlotA, 1, start_);
  EXPECT_EQ(ledger_.active_outbound(kPolicy)->id, out(kSlotA));
  const auto newer = sa(0x1000 + kSlotB, kSlotB, false, 1);
  ledger_.name(newer, start_);
  EXPECT_EQ(ledger_.active_outbound(kPolicy)->id, out(kSlotA)) << "not before the dataplane has it";
  EXPECT_FALSE(ledger_.is_newest_outbound(*ledger_.find(out(kSlotA))));
  ledger_.set_state(newer.id, SaState::kInstalled);
  EXPECT_EQ(ledger_.active_outbound(kPolicy)->id, out(kSlotB));
  ledger_.set_state(newer.id, SaState::kDeleting);
  EXPECT_EQ(ledger_.active_outbound(kPolicy)->id, out(kSlotA));
  EXPECT_EQ(ledger_.active_outbound({"another", {}, {}}), nullptr);
}

// charon, as the responder of a rekey, deletes the old outbound SA right after it added the new one.
TEST_F(SaLedgerTest, RekeyKeepsTheTunnelSending) {
  EXPECT_FALSE(ledger_.can_send("t", true));
  const auto first = sa(0x1000 + kSlotA, kSlotA, false, 1);
  ledger_.name(first, start_);
  EXPECT_FALSE(ledger_.can_send("t", false)) << "not before the dataplane has its first";
  ledger_.set_state(first.id, SaState::kInstalled);
  EXPECT_TRUE(ledger_.can_send("t", false));
  const auto second = sa(0x1000 + kSlotB, kSlotB, false, 1);
  ledger_.name(second, start_);
  ledger_.set_state(first.id, SaState::kDeleting);
  EXPECT_TRUE(ledger_.can_send("t", true));
  ledger_.set_state(second.id, SaState::kRefused);
  EXPECT_FALSE(ledger_.can_send("t", true));
}

// RFC 7296 section 1.2: the responder has its SAs when it answers, the initiator only when the answer
// arrives.
TEST_F(SaLedgerTest, ResponderOfAnotherIkeSaWaitsForThePeer) {
  const auto newcomer = ledger_.name(sa(0x1000 + kSlotB, kSlotB, false, 2), start_);
  EXPECT_FALSE(waits_for_peer(newcomer, nullptr, false)) << "the first SA of a tunnel is sent on at once";
  add_child(kSlotA, 1, start_);
  EXPECT_TRUE(waits_for_peer(newcomer, ledger_.find(out(kSlotA)), false));
  EXPECT_FALSE(waits_for_peer(newcomer, ledger_.find(out(kSlotA)), true)) << "the peer has it already";
  ledger_.rename_ike(1, 2);
  EXPECT_FALSE(waits_for_peer(newcomer, ledger_.find(out(kSlotA)), false)) << "a rekey in the same IKE_SA";
  ledger_.set_state(out(kSlotA), SaState::kDeleting);
  EXPECT_FALSE(waits_for_peer(newcomer, ledger_.find(out(kSlotA)), false));
}

TEST_F(SaLedgerTest, OrphansSendUntilThePeerUsesTheirReplacement) {
  add_child(kSlotA, 1, start_);
  ledger_.begin_snapshot();
  ASSERT_TRUE(ledger_.end_snapshot(false, start_).empty());
  auto newcomer = ledger_.name(sa(0x1000 + kSlotB, kSlotB, false, 1), start_);
  EXPECT_TRUE(waits_for_peer(newcomer, ledger_.find(out(kSlotA)), false));
  EXPECT_FALSE(waits_for_peer(newcomer, ledger_.find(out(kSlotA)), true));
  newcomer.ike_id = 0;
  EXPECT_TRUE(waits_for_peer(newcomer, ledger_.find(out(kSlotA)), false)) << "an orphan has no IKE_SA";
}

// Of an IKE_SA with several CHILD_SAs one alone may have been made again in another.
TEST_F(SaLedgerTest, AnIkeSaStaysForTheChildrenThatItAloneHas) {
  add_child(kSlotA, 1, start_);
  auto other = sa(0x1000 + 3, 3, false, 1);
  other.child_name = "t.2";
  ledger_.name(other, start_);
  ledger_.set_state(other.id, SaState::kInstalled);
  add_child(kSlotB, 2, start_);
  used_[in(kSlotB)] = start_ + seconds(5);
  EXPECT_TRUE(superfluous(start_ + seconds(60)).ike_sas.empty());
  other.id = {0x1000 + 4, 4, false};
  other.ike_id = 2;
  ledger_.name(other, start_);
  ledger_.set_state(other.id, SaState::kInstalled);
  EXPECT_EQ(superfluous(start_ + seconds(60)).ike_sas, std::vector<uint32_t>{1});
}

TEST_F(SaLedgerTest, InboundSaOfAChildHasItsSlot) {
  add_child(kSlotA, 1, start_);
  add_child(kSlotB, 1, start_);
  EXPECT_EQ(ledger_.inbound_of(*ledger_.find(out(kSlotB)))->id, in(kSlotB));
  ledger_.erase(in(kSlotB));
  EXPECT_EQ(ledger_.inbound_of(*ledger_.find(out(kSlotB))), nullptr);
}

TEST_F(SaLedgerTest, SnapshotOfTheSameCharonSweepsWhatItDoesNotName) {
  add_child(kSlotA, 1, start_);
  add_child(kSlotB, 1, start_);
  ledger_.begin_snapshot();
  for (const bool inbound : {true, false})
    ledger_.name(sa(0x1000 + kSlotB, kSlotB, inbound, 1), start_);
  EXPECT_EQ(ledger_.end_snapshot(true, start_), (std::vector<SaId>{out(kSlotA), in(kSlotA)}));
  EXPECT_EQ(ledger_.find(in(kSlotB))->state, SaState::kInstalled);
}

TEST_F(SaLedgerTest, SnapshotOfAnotherCharonLeavesOrphansThatStillSend) {
  add_child(kSlotA, 1, start_);
  ledger_.begin_snapshot();
  EXPECT_TRUE(ledger_.end_snapshot(false, start_).empty());
  EXPECT_TRUE(ledger_.find(out(kSlotA))->orphan);
  EXPECT_EQ(ledger_.active_outbound(kPolicy)->id, out(kSlotA));
  EXPECT_FALSE(ledger_.has_living_child("t"));
}

TEST_F(SaLedgerTest, OrphansGoOnceTheNewerChildAloneReceives) {
  add_child(kSlotA, 1, start_);
  used_[in(kSlotA)] = start_;
  ledger_.begin_snapshot();
  (void)ledger_.end_snapshot(false, start_);
  const MonotonicTime later = start_ + seconds(10);
  add_child(kSlotB, 1, later);  // the new charon's first IKE_SA has the same number
  EXPECT_TRUE(superfluous(later + seconds(60)).orphans.empty()) << "the newer one has received nothing";
  used_[in(kSlotB)] = later + seconds(1);
  EXPECT_TRUE(superfluous(later + seconds(60)).orphans.empty()) << "too soon after its installation";
  used_[in(kSlotB)] = later + seconds(3);
  EXPECT_EQ(superfluous(later + seconds(60)).orphans, (std::vector<SaId>{out(kSlotA), in(kSlotA)}));
  used_[in(kSlotA)] = later + seconds(2);
  EXPECT_TRUE(superfluous(later + seconds(60)).orphans.empty()) << "the peer still sends on the old one";
}

TEST_F(SaLedgerTest, OrphansGoAtTheirHardLifetime) {
  auto add = sa(0x1000 + kSlotA, kSlotA, true, 1);
  add.hard_seconds = 100;
  ledger_.name(add, start_);
  ledger_.begin_snapshot();
  (void)ledger_.end_snapshot(false, start_ + seconds(50));
  EXPECT_TRUE(superfluous(start_ + seconds(99)).orphans.empty());
  EXPECT_EQ(superfluous(start_ + seconds(100)).orphans.size(), 1u);
}

TEST_F(SaLedgerTest, WhatAChangedConfigurationLeftBehindGoesOnceItsSuccessorHasSettled) {
  add_child(kSlotA, 1, start_);
  add_child(kSlotB, 1, start_, {7});  // the peer narrowed this one
  ledger_.outdate("t", Outdated::kReplaceable);
  EXPECT_TRUE(ledger_.left_behind(start_ + seconds(60)).child_sas.empty()) << "there is no other";
  const MonotonicTime later = start_ + seconds(60);
  add_child(3, 1, later);
  EXPECT_TRUE(ledger_.left_behind(later + seconds(4)).child_sas.empty());
  const LeftBehind left = ledger_.left_behind(later + seconds(5));
  EXPECT_EQ(left.child_sas, std::set<uint32_t>{100 + kSlotA}) << "the other has another policy";
  EXPECT_TRUE(left.ike_sas.empty()) << "it is the successor's, too";
  ledger_.outdate("another", Outdated::kGone);
  EXPECT_EQ(ledger_.left_behind(later + seconds(5)).child_sas.size(), 1u);
}

TEST_F(SaLedgerTest, WhatIsOfOtherSelectorsGoesOnceThereIsAnyNewerOne) {
  add_child(kSlotA, 1, start_, {7});
  ledger_.outdate("t", Outdated::kOther);
  add_child(kSlotB, 2, start_, {8});
  const LeftBehind left = ledger_.left_behind(start_ + seconds(5));
  EXPECT_EQ(left.child_sas, std::set<uint32_t>{100 + kSlotA});
  EXPECT_EQ(left.ike_sas, std::set<uint32_t>{1}) << "nothing is left in it";
}

TEST_F(SaLedgerTest, WhatIsOfNoTunnelGoesAtOnce) {
  add_child(kSlotA, 1, start_);
  ledger_.outdate("t", Outdated::kGone);
  EXPECT_EQ(ledger_.left_behind(start_).child_sas, std::set<uint32_t>{100 + kSlotA});
}

// Also over a snapshot, which names all of them again.
TEST_F(SaLedgerTest, ARekeyKeepsWhatItReplacesOutdated) {
  add_child(kSlotA, 1, start_);
  ledger_.outdate("t", Outdated::kReplaceable);
  add_child(kSlotB, 1, start_);
  ledger_.inherit("t", 100 + kSlotA, 100 + kSlotB);
  for (const bool inbound : {true, false})
    ledger_.name(sa(0x1000 + kSlotB, kSlotB, inbound, 1), start_);
  EXPECT_TRUE(ledger_.left_behind(start_ + seconds(60)).child_sas.empty())
      << "no successor of the new settings";
  add_child(3, 1, start_);
  EXPECT_EQ(ledger_.left_behind(start_ + seconds(60)).child_sas,
            (std::set<uint32_t>{100 + kSlotA, 100 + kSlotB}));
}

// What charon would do, were it there.
TEST_F(SaLedgerTest, AnyInstalledSaExpiresAtItsHardLifetime) {
  auto add = sa(0x1000 + kSlotA, kSlotA, true, 1);
  add.hard_seconds = 100;
  ledger_.name(add, start_);
  add_child(kSlotB, 1, start_);  // without one
  EXPECT_TRUE(ledger_.expired(start_ + seconds(100)).empty()) << "it is not there yet";
  ledger_.set_state(add.id, SaState::kInstalled);
  EXPECT_TRUE(ledger_.expired(start_ + seconds(99)).empty());
  EXPECT_EQ(ledger_.expired(start_ + seconds(100)), (std::vector<SaId>{in(kSlotA)}));
  ledger_.set_state(add.id, SaState::kDeleting);
  EXPECT_TRUE(ledger_.expired(start_ + seconds(100)).empty());
}

TEST_F(SaLedgerTest, OlderIkeSaIsRetiredOnceTheNewerChildAloneReceives) {
  add_child(kSlotA, 1, start_);
  used_[in(kSlotA)] = start_ + seconds(1);
  add_child(kSlotB, 2, start_ + seconds(1));
  EXPECT_TRUE(superfluous(start_ + seconds(60)).ike_sas.empty());
  used_[in(kSlotB)] = start_ + seconds(4);
  EXPECT_EQ(superfluous(start_ + seconds(60)).ike_sas, std::vector<uint32_t>{1});
}

// Both peers made an IKE_SA at the same time; each receives on the one that the other made last.
TEST_F(SaLedgerTest, NeitherPeerRetiresTheIkeSaTheOtherSendsOn) {
  add_child(kSlotA, 1, start_);
  add_child(kSlotB, 2, start_);
  used_[in(kSlotA)] = start_ + seconds(30);  // the peer sends on A; B is our newest
  used_[in(kSlotB)] = start_ + seconds(5);
  EXPECT_TRUE(superfluous(start_ + seconds(31)).ike_sas.empty());
}

TEST_F(SaLedgerTest, RekeyedIkeSaIsNotAnOlderOne) {
  add_child(kSlotA, 1, start_);
  ledger_.rename_ike(1, 5);
  add_child(kSlotB, 5, start_ + seconds(1));
  used_[in(kSlotB)] = start_ + seconds(30);
  EXPECT_TRUE(superfluous(start_ + seconds(60)).ike_sas.empty());
}

// A peer that makes a CHILD_SA for each pair of its selectors: they lie side by side in one tunnel.
TEST_F(SaLedgerTest, EachPolicyOfATunnelHasItsOwnNewestSa) {
  add_child(1, 1, start_, {20});
  add_child(2, 1, start_, {21});
  add_child(3, 1, start_, {20, 22});
  const auto newest = [this](uint32_t slot) {
    return ledger_.active_outbound(ledger_.find(out(slot))->policy)->id;
  };
  for (const uint32_t slot : {1, 2, 3}) {
    EXPECT_TRUE(ledger_.is_newest_outbound(*ledger_.find(out(slot)))) << slot;
    EXPECT_EQ(newest(slot), out(slot));
  }
  add_child(4, 1, start_, {22, 20});  // the third, in another order
  EXPECT_EQ(newest(3), out(4));
  EXPECT_FALSE(ledger_.is_newest_outbound(*ledger_.find(out(3))));
  EXPECT_TRUE(ledger_.is_newest_outbound(*ledger_.find(out(1))));
  ledger_.set_state(out(4), SaState::kDeleting);
  EXPECT_EQ(newest(4), out(3));
  EXPECT_EQ(newest(2), out(2));
  for (const uint32_t slot : {1, 2, 3})
    ledger_.set_state(out(slot), SaState::kDeleting);
  EXPECT_FALSE(ledger_.can_send("t", true));
  ledger_.set_state(out(2), SaState::kInstalled);
  EXPECT_TRUE(ledger_.can_send("t", false)) << "by one of them";
  EXPECT_TRUE(ledger_.has_living_child("t"));
}

// The dataplane's dump and charon's snapshot say the same of an SA.
TEST_F(SaLedgerTest, APolicyOutlivesARestart) {
  auto add = sa(0x12300000 + kSlotA, kSlotA, false, 1);
  add.local_selectors = {selector(2), selector(1)};
  add.remote_selectors = {selector(20)};
  const auto message = outbound_message(add, 7);
  ASSERT_TRUE(message);
  ledger_.learn_outbound(*message, "t", start_);
  const Policy learnt = ledger_.find(add.id)->policy;
  EXPECT_EQ(learnt.local.size(), 2u);
  EXPECT_EQ(learnt.local[0].from[1], 1) << "sorted";
  ledger_.name(add, start_);
  EXPECT_EQ(ledger_.find(add.id)->policy, learnt);
  add.id.inbound = true;
  const auto inbound = inbound_message(add, 7);
  ASSERT_TRUE(inbound);
  ledger_.learn_inbound(*inbound, "t", start_);
  EXPECT_EQ(ledger_.find(add.id)->policy, learnt);
  std::swap(add.local_selectors, add.remote_selectors);
  EXPECT_NE(ledger_.name(add, start_).policy, learnt);
}

TEST_F(SaLedgerTest, WhatIsSuperfluousIsSoToItsPolicyAlone) {
  add_child(1, 1, start_, {20});
  add_child(2, 1, start_, {21});
  add_child(3, 2, start_, {20});
  used_[in(3)] = start_ + seconds(5);
  EXPECT_TRUE(superfluous(start_ + seconds(60)).ike_sas.empty()) << "it alone has the second policy";
  add_child(4, 2, start_, {21});
  used_[in(4)] = start_ + seconds(1);
  EXPECT_TRUE(superfluous(start_ + seconds(60)).ike_sas.empty()) << "its replacement has hardly been used";
  used_[in(4)] = start_ + seconds(5);
  EXPECT_EQ(superfluous(start_ + seconds(60)).ike_sas, std::vector<uint32_t>{1});
}

TEST_F(SaLedgerTest, AnOrphanStaysWhileNoSaOfItsPolicyHasCome) {
  add_child(1, 1, start_, {20});
  add_child(2, 1, start_, {21});
  ledger_.begin_snapshot();
  (void)ledger_.end_snapshot(false, start_);
  add_child(3, 1, start_, {20});
  used_[in(3)] = start_ + seconds(5);
  EXPECT_EQ(superfluous(start_ + seconds(60)).orphans, (std::vector<SaId>{out(1), in(1)}));
}

TEST_F(SaLedgerTest, WhatTheDataplaneLostIsForgotten) {
  add_child(kSlotA, 1, start_);
  add_child(kSlotB, 1, start_);
  ledger_.retain_only({in(kSlotA)});
  EXPECT_EQ(ledger_.records().size(), 1u);
  EXPECT_EQ(ledger_.inbound_spis(), std::vector<uint32_t>{0x1000 + kSlotA});
}

TEST_F(SaLedgerTest, EachTunnelHasItsOwnSas) {
  auto other = sa(0x1000 + kSlotB, kSlotB, false, 2);
  other.child_name = "other";
  ledger_.name(other, start_);
  ledger_.set_state(other.id, SaState::kInstalled);
  EXPECT_EQ(ledger_.active_outbound(kPolicy), nullptr);
  EXPECT_FALSE(ledger_.can_send("t", true));
  EXPECT_FALSE(ledger_.has_living_child("t"));
  EXPECT_EQ(ledger_.active_outbound({"other", {}, {}})->id, other.id);

  add_child(kSlotA, 1, start_);
  EXPECT_EQ(ledger_.active_outbound(kPolicy)->id, out(kSlotA));
  EXPECT_EQ(ledger_.inbound_of(*ledger_.find(out(kSlotA)))->id, in(kSlotA));
  EXPECT_EQ(ledger_.inbound_of(*ledger_.find(other.id)), nullptr);

  other.child_name = "t";  // a restarted sallyportd knew it by another name
  ledger_.name(other, start_);
  EXPECT_EQ(ledger_.active_outbound({"other", {}, {}}), nullptr);
  EXPECT_EQ(ledger_.active_outbound(kPolicy)->id, other.id);
  ledger_.erase(other.id);
  EXPECT_EQ(ledger_.active_outbound(kPolicy)->id, out(kSlotA));
  ledger_.retain_only({});
  EXPECT_EQ(ledger_.active_outbound(kPolicy), nullptr);
}

TEST_F(SaLedgerTest, MessagesCarryWhatCharonNegotiated) {
  auto add = sa(0x12300001, kSlotA, true, 1);
  add.replay_window = 1024;
  add.hard_packets = 99;
  sp_selector any{};
  any.family = 4;
  any.port_to = 65535;
  std::memset(any.to, 0xff, 4);
  add.remote_selectors = {any};
  const auto inbound = inbound_message(add, 7);
  ASSERT_TRUE(inbound);
  EXPECT_EQ(inbound->spi, 0x12300001u);
  EXPECT_EQ(inbound->tunnel_id, 7u);
  EXPECT_EQ(inbound->keys.algorithm, api::Algorithm::kAes256Gcm16);
  EXPECT_EQ(inbound->keys.key_bytes, 36);
  EXPECT_EQ(inbound->keys.key[0], 0xaa);
  EXPECT_EQ(inbound->replay_window, 1024u);
  EXPECT_EQ(inbound->lifetimes.hard_packets, 99u);
  ASSERT_EQ(inbound->remote_selector_count, 1);
  EXPECT_EQ(api::remote_selectors(*inbound)[0].to[3], 0xff);
  EXPECT_EQ(api::remote_selectors(*inbound)[0].port_to, 65535);

  add.installed = true;
  EXPECT_EQ(outbound_message(add, 7)->may_have_sent, 1);
  add.encryption = 13;  // AES-CTR
  EXPECT_FALSE(outbound_message(add, 7));
}

}  // namespace
}  // namespace sallyport::control
