// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <set>

#include "control/ecmp.h"

namespace sallyport::control {
namespace {

IpAddress address(const char* text) {
  return *parse_address(text);
}

TunnelPlan plan(const char* local, const char* remote, uint32_t preference) {
  TunnelPlan tunnel;
  tunnel.local = address(local);
  tunnel.remote = address(remote);
  tunnel.preference = preference;
  tunnel.weight = 7;
  return tunnel;
}

TEST(PathKey, IsTheSameAtBothEnds) {
  for (const auto& [a, b] : {std::pair{"192.0.2.1", "198.51.100.2"}, {"2001:db8::1", "2001:db8:2::1"}})
    EXPECT_EQ(path_key(address(a), address(b)), path_key(address(b), address(a)));
}

TEST(PathKey, TellsPathsApart) {
  std::set<uint32_t> keys;
  for (const char* local : {"192.0.2.1", "198.51.100.1"}) {
    for (const char* remote : {"192.0.2.2", "198.51.100.2"})
      keys.insert(path_key(address(local), address(remote)));
  }
  EXPECT_EQ(keys.size(), 4u);
}

TEST(GroupMember, OfActiveActiveAllAreOfOneRank) {
  Connection connection;
  for (const uint32_t preference : {0u, 3u}) {
    const auto member = group_member(connection, plan("192.0.2.1", "192.0.2.2", preference), 9, true, 2);
    EXPECT_EQ(member.rank, 0);
    EXPECT_EQ(member.kind, api::MemberKind::kTunnel);
    EXPECT_EQ(member.id, 9u);
    EXPECT_EQ(member.policy, 2);
    EXPECT_EQ(member.weight, 7);
    EXPECT_EQ(member.up, 1);
    EXPECT_EQ(member.key, path_key(address("192.0.2.1"), address("192.0.2.2")));
  }
}

TEST(GroupMember, OfActiveStandbyTheRankIsThePreference) {
  Connection connection;
  connection.mode = Mode::kActiveStandby;
  EXPECT_EQ(group_member(connection, plan("192.0.2.1", "192.0.2.2", 3), 9, true, 0).rank, 3);
}

TEST(GroupMember, IsUpWhereItCanSend) {
  EXPECT_EQ(group_member({}, plan("192.0.2.1", "192.0.2.2", 0), 9, false, 0).up, 0);
}

}  // namespace
}  // namespace sallyport::control
