// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include "control/ecmp.h"

namespace sallyport::control {
namespace {

// id, preference, can send, suspect
std::vector<uint32_t> up_members(const std::vector<Candidate>& candidates) {
  std::vector<uint32_t> up;
  for (const api::GroupMember& member : offer_members(candidates)) {
    if (member.up) up.push_back(member.id);
  }
  return up;
}

using Ids = std::vector<uint32_t>;

TEST(OfferMembers, TakesThePreferredOneOfThoseThatCanSend) {
  EXPECT_EQ(up_members({{7, 1, true}, {5, 0, true}}), Ids{5});
  EXPECT_EQ(up_members({{7, 1, true}, {5, 0, false}}), Ids{7});
}

TEST(OfferMembers, AvoidsASuspectWhileThereIsAnother) {
  EXPECT_EQ(up_members({{5, 0, true, true}, {7, 1, true, false}}), Ids{7});
  EXPECT_EQ(up_members({{5, 0, true, true}, {7, 1, false, false}}), Ids{5});
}

TEST(OfferMembers, ListsAllInOrderWithNoneUpWhenNoneCanSend) {
  const auto members = offer_members({{7, 1, false}, {5, 0, false}});
  ASSERT_EQ(members.size(), 2u);
  EXPECT_EQ(members[0].id, 5u);
  EXPECT_EQ(members[1].id, 7u);
  EXPECT_FALSE(members[0].up || members[1].up);
  EXPECT_TRUE(offer_members({}).empty());
}

}  // namespace
}  // namespace sallyport::control
