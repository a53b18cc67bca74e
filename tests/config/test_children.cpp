// SPDX-License-Identifier: BSD-3-Clause
// The CHILD_SAs of a connection: which selectors each has, and which lead to a prefix.
#include <gtest/gtest.h>

#include "control/config/children.h"

namespace sallyport::control {
namespace {

Selector pair(const char* local, const char* remote, uint8_t protocol = 0, uint16_t remote_port = 0) {
  return {*parse_prefix(local), *parse_prefix(remote), protocol, 0, remote_port};
}

Site site(std::vector<const char*> prefixes) {
  Site site;
  for (const char* prefix : prefixes)
    site.prefixes.push_back(*parse_prefix(prefix));
  return site;
}

// As "name: local, local => remote" lines.
std::string shown(const std::vector<ChildPlan>& children) {
  std::string text;
  for (const ChildPlan& child : children) {
    text += child.name + ":";
    for (const TrafficSelector& local : child.local)
      text += " " + local.to_string();
    text += " =>";
    for (const TrafficSelector& remote : child.remote)
      text += " " + remote.to_string();
    text += "\n";
  }
  return text;
}

TEST(Children, RouteBasedHasEverythingOfTheSitesFamilies) {
  Connection connection;
  EXPECT_EQ(shown(children_of(connection, site({"10.20.0.0/16"}), "t")), "t: 0.0.0.0/0 => 0.0.0.0/0\n");
  EXPECT_EQ(shown(children_of(connection, site({"2001:db8:20::/48"}), "t")), "t: ::/0 => ::/0\n");
  const Site both = site({"2001:db8:20::/48", "10.20.0.0/16"});
  EXPECT_EQ(shown(children_of(connection, both, "t")), "t: 0.0.0.0/0 ::/0 => 0.0.0.0/0 ::/0\n");
  connection.ike.version = 1;
  EXPECT_EQ(shown(children_of(connection, both, "t")),
            "t.1: 0.0.0.0/0 => 0.0.0.0/0\n"
            "t.2: ::/0 => ::/0\n");
}

TEST(Children, PairsWithTheSameRemoteShareOneInIkev2) {
  Connection connection;
  connection.selectors = {pair("10.1.0.0/24", "10.2.0.0/24"), pair("10.1.1.0/24", "10.2.1.0/24", 6, 443),
                          pair("10.1.9.0/24", "10.2.0.0/24"), pair("10.1.1.0/24", "10.2.1.0/24", 17)};
  const Site any = site({"10.2.0.0/16"});
  EXPECT_EQ(shown(children_of(connection, any, "t")),
            "t.1: 10.1.0.0/24 10.1.9.0/24 => 10.2.0.0/24\n"
            "t.2: 10.1.1.0/24[6] => 10.2.1.0/24[6/443]\n"
            "t.3: 10.1.1.0/24[17] => 10.2.1.0/24[17]\n");
  connection.ike.version = 1;
  EXPECT_EQ(shown(children_of(connection, any, "t")),
            "t.1: 10.1.0.0/24 => 10.2.0.0/24\n"
            "t.2: 10.1.1.0/24[6] => 10.2.1.0/24[6/443]\n"
            "t.3: 10.1.9.0/24 => 10.2.0.0/24\n"
            "t.4: 10.1.1.0/24[17] => 10.2.1.0/24[17]\n");
}

TEST(Children, ThoseThatCoverAPrefixLeadThere) {
  Connection connection;
  connection.selectors = {pair("10.1.0.0/24", "10.2.0.0/16"), pair("10.1.0.0/24", "10.2.5.0/24"),
                          pair("2001:db8:1::/64", "2001:db8:2::/64")};
  const auto children = children_of(connection, site({"10.2.0.0/15"}), "t");
  using Indexes = std::vector<size_t>;
  EXPECT_EQ(children_towards(children, *parse_prefix("10.2.0.0/16")), Indexes({0}));
  EXPECT_EQ(children_towards(children, *parse_prefix("10.2.5.0/24")), Indexes({0, 1}));
  EXPECT_EQ(children_towards(children, *parse_prefix("10.2.0.0/15")), Indexes({0, 1, 2})) << "wider than any";
  EXPECT_EQ(children_towards(children, *parse_prefix("2001:db8:2::/64")), Indexes({2}));
  EXPECT_EQ(children_towards(children, *parse_prefix("10.9.0.0/16")), Indexes({0, 1, 2}));
}

}  // namespace
}  // namespace sallyport::control
