// SPDX-License-Identifier: BSD-3-Clause
// What people see of a change, and what has to be done again because of it.
#include <fstream>
#include <functional>
#include <sstream>

#include "control/config/diff.h"
#include "tests/config/fixture.h"

namespace sallyport::control {
namespace {

using Names = std::set<std::string>;

class DiffTest : public ConfigTest {
 protected:
  void SetUp() override {
    ConfigTest::SetUp();
    std::ifstream file(SALLYPORT_SOURCE_DIR "/tests/config/gateway.example.yaml");
    std::stringstream text;
    text << file.rdbuf();
    auto result = parse_text(text.str());
    ASSERT_TRUE(result.ok());
    before_ = after_ = result.gateway;
  }
  Connection& connection() { return after_.connections.at("prod-berlin"); }
  [[nodiscard]] std::string shown() const {
    std::string text;
    for (const Change& change : diff(before_, after_)) {
      text +=
          std::string(1, change.op) + " " + change.path + ": " + change.before + " -> " + change.after + "\n";
    }
    return text;
  }

  Gateway before_, after_;
};

TEST_F(DiffTest, NothingChanged) {
  EXPECT_EQ(shown(), "");
  const Touched reach = touched(before_, after_);
  EXPECT_FALSE(reach.settings);
  EXPECT_TRUE(reach.ports.empty() && reach.public_addresses.empty() && reach.virtual_networks.empty() &&
              reach.sites.empty() && reach.connections.empty());
}

TEST_F(DiffTest, ASettingOfTheGateway) {
  after_.settings.audit = false;
  EXPECT_EQ(shown(), "~ gateway.audit: true -> false\n");
  EXPECT_TRUE(touched(before_, after_).settings);
}

TEST_F(DiffTest, ValuesOfAConnection) {
  connection().esp.rekey = std::chrono::minutes(30);
  connection().esp.rekey_bytes = 1'000'000;
  connection().ike.local_id.clear();
  connection().selectors.push_back({*parse_prefix("10.0.0.0/16"), *parse_prefix("10.20.0.0/16"), 6, 0, 443});
  connection().probe.reset();
  EXPECT_EQ(shown(),
            "- connections.prod-berlin.ike.local_id: hq.example -> \n"
            "~ connections.prod-berlin.esp.rekey: 1h -> 30m\n"
            "+ connections.prod-berlin.esp.rekey_bytes:  -> 1000000\n"
            "~ connections.prod-berlin.selectors: route-based -> [{local: 10.0.0.0/16, remote: 10.20.0.0/16, "
            "protocol: 6, port: 443}]\n"
            "- connections.prod-berlin.probe: {interval: 100ms, misses: 3} -> \n");
  EXPECT_EQ(touched(before_, after_).connections, Names{"prod-berlin"});
}

TEST_F(DiffTest, ObjectsComeAndGoInTheOrderOfTheFile) {
  after_.sites.erase("berlin");
  after_.ports["lan1"] = {"lan1", "net_ring0", 9000};
  after_.virtual_networks["empty"] = {"empty", {}};
  EXPECT_EQ(shown(),
            "+ ports.lan1.device:  -> net_ring0\n"
            "+ ports.lan1.mtu:  -> 9000\n"
            "+ virtual_networks.empty:  -> \n"
            "- sites.berlin.peers: [192.0.2.77, 198.51.100.77] -> \n"
            "- sites.berlin.prefixes: [10.20.0.0/16] -> \n");
}

TEST_F(DiffTest, AnotherConnectionLeavesThisOneAlone) {
  Connection other = connection();
  other.name = "prod-paris";
  after_.connections["prod-paris"] = other;
  EXPECT_EQ(touched(before_, after_).connections, Names{"prod-paris"});
}

struct Reach {
  const char* name;
  std::function<void(Gateway&)> change;
  Names connections;
};

TEST_F(DiffTest, WhatTouchesTheTunnels) {
  const std::vector<Reach> table = {
      {"peer of the site", [](Gateway& g) { g.sites["berlin"].peers.pop_back(); }, {"prod-berlin"}},
      {"prefix of the site",
       [](Gateway& g) { g.sites["berlin"].prefixes.push_back(*parse_prefix("10.21.0.0/16")); },
       {}},
      {"public address",
       [](Gateway& g) { g.public_addresses["a"].address.address.bytes[3] = 9; },
       {"prod-berlin"}},
      {"its port", [](Gateway& g) { g.public_addresses["a"].port = "wan1"; }, {"prod-berlin"}},
      {"its next hop", [](Gateway& g) { g.public_addresses["a"].next_hop.bytes[3] = 9; }, {}},
      {"LAN address", [](Gateway& g) { g.virtual_networks["prod"].ports["lan0"].pop_back(); }, {}},
      {"MTU", [](Gateway& g) { g.ports["lan0"].mtu_bytes = 1400; }, {}},
      {"workers", [](Gateway& g) { g.settings.workers.push_back(3); }, {}},
  };
  for (const Reach& row : table) {
    Gateway changed = before_;
    row.change(changed);
    EXPECT_EQ(touched(before_, changed).connections, row.connections) << row.name;
    EXPECT_FALSE(diff(before_, changed).empty()) << row.name;
  }
}

TEST_F(DiffTest, FirstConfiguration) {
  EXPECT_TRUE(diff({}, {}).empty());
  const auto changes = diff({}, after_);
  ASSERT_GT(changes.size(), 10u);
  EXPECT_EQ(changes.front(), (Change{'+', "gateway.name", "", "hq"}));
  for (const Change& change : changes)
    EXPECT_EQ(change.op, '+') << change.path;
}

}  // namespace
}  // namespace sallyport::control
