// SPDX-License-Identifier: BSD-3-Clause
// Who carries in a next-hop group: ranks, health, preemption and policies.
#include "dataplane/manager/carriers.h"

#include <gtest/gtest.h>

namespace sallyport::dataplane {
namespace {

using api::HealthCause;
using enum api::HealthCause;

api::GroupMember member(uint8_t rank, uint16_t policy = 0) {
  api::GroupMember result;
  result.kind = api::MemberKind::kTunnel;
  result.up = 1;
  result.weight = 1;
  result.rank = rank;
  result.policy = policy;
  return result;
}

struct Group {
  std::vector<api::GroupMember> members;
  std::vector<HealthCause> causes = std::vector<HealthCause>(members.size(), kHealthy);
  api::MemberChoice choice = api::MemberChoice::kByFlow;
  Preemption preemption = Preemption::kYes;
  std::vector<RankInForce> in_force{};

  uint64_t choose() { return choose_carriers(members, causes, choice, preemption, in_force); }
};

TEST(Carriers, AllOfTheLowestRank) {
  Group group{{member(1), member(0), member(0), member(2)}};
  EXPECT_EQ(group.choose(), 0b0110u);
}

TEST(Carriers, OnlyWhoIsUpAndHasAWeight) {
  Group group{{member(0), member(0), member(0)}};
  group.members[0].up = 0;
  group.members[2].weight = 0;
  EXPECT_EQ(group.choose(), 0b010u);
  group.members[1].up = 0;
  EXPECT_EQ(group.choose(), 0u);
  EXPECT_EQ(Group{}.choose(), 0u);
}

TEST(Carriers, EveryCauseButHealthyTakesAMemberOut) {
  for (const auto cause : {kLink, kSuspect, kProbe, kHold}) {
    Group group{{member(0), member(0)}};
    group.causes[0] = cause;
    EXPECT_EQ(group.choose(), 0b10u);
  }
}

TEST(Carriers, WhereNobodyIsHealthyTheHeldCarryAndElseAllWithALink) {
  Group group{{member(0), member(0), member(0)}, {kProbe, kHold, kLink}};
  EXPECT_EQ(group.choose(), 0b010u);
  group.causes[1] = kSuspect;
  EXPECT_EQ(group.choose(), 0b011u);
  group.members[0].up = 0;
  EXPECT_EQ(group.choose(), 0b010u);
}

TEST(Carriers, ALinkThatIsDownCarriesOnlyWhereAllAre) {
  Group group{{member(0), member(1)}, {kLink, kProbe}};
  EXPECT_EQ(group.choose(), 0b10u);
  group.causes[1] = kLink;
  EXPECT_EQ(group.choose(), 0b01u);
}

TEST(Carriers, AnotherRankTakesOverAndGivesBack) {
  Group group{{member(0), member(1)}};
  EXPECT_EQ(group.choose(), 0b01u);
  group.causes[0] = kProbe;
  EXPECT_EQ(group.choose(), 0b10u);
  group.causes[0] = kHold;
  EXPECT_EQ(group.choose(), 0b10u);
  group.causes[0] = kHealthy;
  EXPECT_EQ(group.choose(), 0b01u);
}

TEST(Carriers, WithoutPreemptionARankKeepsTheTraffic) {
  Group group{{member(0), member(1)}};
  group.preemption = Preemption::kNo;
  EXPECT_EQ(group.choose(), 0b01u);
  group.causes[0] = kProbe;
  EXPECT_EQ(group.choose(), 0b10u);
  group.causes[0] = kHealthy;
  EXPECT_EQ(group.choose(), 0b10u) << "the other one lives";
  group.causes[1] = kLink;
  EXPECT_EQ(group.choose(), 0b01u);
  group.causes[1] = kHealthy;
  EXPECT_EQ(group.choose(), 0b01u);
}

TEST(Carriers, WithoutPreemptionAllUnhealthyChangesNothing) {
  Group group{{member(0), member(1)}, {kProbe, kHealthy}};
  group.preemption = Preemption::kNo;
  EXPECT_EQ(group.choose(), 0b10u);
  group.causes[1] = kProbe;
  EXPECT_EQ(group.choose(), 0b10u);
}

TEST(Carriers, WhereNobodyWasUpTheLowestRankBeginsAgain) {
  Group group{{member(0), member(1)}, {kProbe, kHealthy}};
  group.preemption = Preemption::kNo;
  EXPECT_EQ(group.choose(), 0b10u);
  group.members[0].up = group.members[1].up = 0;
  EXPECT_EQ(group.choose(), 0u);
  group.members[0].up = group.members[1].up = 1;
  group.causes[0] = kHealthy;
  EXPECT_EQ(group.choose(), 0b01u);
}

TEST(Carriers, EachPolicyChoosesForItself) {
  Group group{{member(0, 7), member(0, 9), member(1, 7), member(1, 9)}};
  group.choice = api::MemberChoice::kByPolicy;
  group.preemption = Preemption::kNo;
  EXPECT_EQ(group.choose(), 0b0011u);
  group.causes[1] = kProbe;
  EXPECT_EQ(group.choose(), 0b1001u);
  group.causes = {kProbe, kHealthy, kProbe, kHealthy};
  EXPECT_EQ(group.choose(), 0b1001u) << "of policy 7 nobody is healthy, of 9 the second keeps it";
  group.choice = api::MemberChoice::kByFlow;
  group.in_force.clear();
  EXPECT_EQ(group.choose(), 0b0010u) << "a group of kByFlow has no policies";
}

}  // namespace
}  // namespace sallyport::dataplane
