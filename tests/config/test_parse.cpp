// SPDX-License-Identifier: BSD-3-Clause
// The whole file: the example is accepted with the values it shows, and each mistake is reported where it
// stands.
#include <fstream>
#include <sstream>

#include "tests/config/fixture.h"

namespace sallyport::control {
namespace {

// Line numbers of the table below count in this text.
constexpr char kGood[] = R"(gateway: {name: hq, workers: [1, 2]}
ports:
  wan0: {device: "0000:3b:00.0"}
  wan1: {device: "0000:3b:00.1", mtu: 1400}
  lan0: {device: "net_tap0,iface=hq-lan0"}
  lan1: {device: net_ring0}
public_addresses:
  a: {port: wan0, address: 192.0.2.1/24, next_hop: 192.0.2.254}
  b: {port: wan1, address: 198.51.100.1/24, next_hop: 198.51.100.254}
virtual_networks:
  prod:
    ports: {lan0: [10.0.0.1/16, "2001:db8:0:1::1/64"]}
  test:
    ports: {lan1: [10.0.0.1/16]}
sites:
  berlin:
    peers: [192.0.2.77, 198.51.100.77]
    prefixes: [10.20.0.0/16]
connections:
  prod-berlin:
    virtual_network: prod
    site: berlin
    public_addresses: [a, b]
    ike:
      proposals: [aes256gcm16-prfsha384-ecp384]
      local_id: hq.example
    esp:
      proposals: [aes256gcm16-esn]
      rekey: 1h
    auth: {psk_file: secrets/berlin.psk}
    selectors:
      - {local: 10.0.0.0/16, remote: 10.20.0.0/24, protocol: 6, port: 443}
)";

struct Mistake {
  const char* name;
  const char* good;  // a part of kGood
  const char* bad;   // what stands there instead
  const char* errors;
};

void PrintTo(const Mistake& mistake, std::ostream* out) {
  *out << mistake.name;
}

#include "tests/config/mistakes.inc"

class Mistakes : public ConfigTest, public testing::WithParamInterface<Mistake> {};

TEST_P(Mistakes, AreReportedWhereTheyStand) {
  write("secrets/open.psk", "secret\n", 0644);
  write("secrets/empty.psk", "", 0600);
  write("secrets/blank.psk", "\r\n\n", 0600);
  write("secrets/other.psk", "another horse\n", 0600);
  write("secret.pem", "-----BEGIN CERTIFICATE-----\n", 0600);
  write("encrypted.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n", 0600);
  std::string text = kGood;
  const std::string good = GetParam().good;
  const size_t at = text.find(good);
  ASSERT_NE(at, std::string::npos);
  text.replace(at, good.size(), GetParam().bad);
  EXPECT_EQ(listing(parse_text(text), directory_), GetParam().errors);
}

INSTANTIATE_TEST_SUITE_P(Table, Mistakes, testing::ValuesIn(kMistakes),
                         [](const auto& mistake) { return std::string(mistake.param.name); });

TEST_F(ConfigTest, GoodTextHasNoMistake) {
  const ParseResult result = parse_text(kGood);
  EXPECT_EQ(listing(result, directory_), "");
  const Connection& connection = result.gateway.connections.at("prod-berlin");
  ASSERT_EQ(connection.selectors.size(), 1u);
  EXPECT_EQ(connection.selectors[0].protocol, 6);
  EXPECT_EQ(connection.selectors[0].remote_port, 443);
  EXPECT_EQ(connection.selectors[0].local_port, 0);
  EXPECT_FALSE(connection.route_based());
  EXPECT_EQ(result.gateway.ports.at("wan1").mtu_bytes, 1400);
  EXPECT_EQ(result.gateway.ports.at("wan0").mtu_bytes, 1500);
}

TEST_F(ConfigTest, ExampleIsAccepted) {
  std::ifstream file(SALLYPORT_SOURCE_DIR "/tests/config/gateway.example.yaml");
  std::stringstream text;
  text << file.rdbuf();
  ASSERT_FALSE(text.str().empty());
  const ParseResult result = parse_text(text.str());
  ASSERT_EQ(listing(result, directory_), "");
  const Gateway& gateway = result.gateway;
  EXPECT_EQ(gateway.settings.name, "hq");
  EXPECT_EQ(gateway.settings.workers, (std::vector<uint32_t>{1, 2}));
  EXPECT_TRUE(gateway.settings.hugepages);
  EXPECT_TRUE(gateway.settings.audit);
  EXPECT_EQ(gateway.ports.at("lan0").device, "net_tap0,iface=hq-lan0");
  EXPECT_EQ(gateway.public_addresses.at("b").address.to_string(), "198.51.100.1/24");
  EXPECT_EQ(gateway.public_addresses.at("b").next_hop.to_string(), "198.51.100.254");
  const auto& lan = gateway.virtual_networks.at("prod").ports.at("lan0");
  ASSERT_EQ(lan.size(), 2u);
  EXPECT_EQ(lan[1].to_string(), "2001:db8:0:1::1/64");
  const Connection& connection = gateway.connections.at("prod-berlin");
  EXPECT_EQ(connection.mode, Mode::kActiveActive);
  EXPECT_EQ(connection.public_addresses, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(connection.ike.local_id, "hq.example");
  EXPECT_EQ(connection.ike.remote_id, "berlin.example");
  EXPECT_EQ(connection.esp.proposals, (std::vector<std::string>{"aes256gcm16-esn", "aes128gcm16-esn"}));
  EXPECT_EQ(connection.esp.rekey, std::chrono::hours(1));
  EXPECT_EQ(connection.esp.replay_window, 1024u);
  EXPECT_EQ(connection.auth.psk_file, directory_ + "/secrets/berlin.psk");
  EXPECT_TRUE(connection.route_based());
  EXPECT_TRUE(connection.initiate);
  EXPECT_EQ(connection.dpd.delay, std::chrono::seconds(2));
  EXPECT_FALSE(connection.mobike);
  ASSERT_TRUE(connection.probe);
  EXPECT_EQ(connection.probe->interval, std::chrono::milliseconds(100));
}

TEST_F(ConfigTest, EveryMistakeIsReportedAtOnce) {
  const ParseResult result =
      parse_text("gateway: {name: hq, workers: [1, 1]}\nports: {wan0: {devise: x}}\nsite: {}\n");
  EXPECT_EQ(
      listing(result, directory_),
      "gateway.yaml:1:34: gateway.workers[1]: core 1 is there twice (a worker has a core of its own)\n"
      "gateway.yaml:2:15: ports.wan0: 'device' is missing (a PCI address, or a virtual device of DPDK like "
      "net_tap0)\n"
      "gateway.yaml:2:16: ports.wan0: unknown key 'devise' (did you mean 'device'?)\n"
      "gateway.yaml:3:1: unknown key 'site' (did you mean 'sites'?)\n");
}

TEST_F(ConfigTest, CertificatesAndIdentitiesPerAddress) {
  std::string text = kGood;
  const auto replace = [&text](const std::string& from, const std::string& to) {
    text.replace(text.find(from), from.size(), to);
  };
  replace("{psk_file: secrets/berlin.psk}", "{certificate: hq.pem, key: hq.key, ca: ca.pem}");
  replace("local_id: hq.example", "local_id: {a: a.example, b: b.example}");
  const ParseResult result = parse_text(text);
  ASSERT_EQ(listing(result, directory_), "");
  const Connection& connection = result.gateway.connections.at("prod-berlin");
  EXPECT_FALSE(connection.auth.is_psk());
  EXPECT_EQ(connection.auth.key, directory_ + "/hq.key");
  EXPECT_EQ(connection.ike.local_ids.at("b"), "b.example");
}

TEST_F(ConfigTest, ModesWeightsAndTunnelsOfTheirOwn) {
  write("secrets/a.psk", "another horse\n", 0600);
  std::string text = kGood;
  const auto replace = [&text](const std::string& from, const std::string& to) {
    text.replace(text.find(from), from.size(), to);
  };
  text.resize(text.find("    selectors:"));
  replace(
      "    auth:",
      "    weights: {b: 3}\n    probe: {interval: 50ms, misses: 5}\n    tunnels:\n"
      "      a-1: {local_id: one.example, remote_id: two.example, psk_file: secrets/a.psk, weight: 7,\n"
      "            inside: {local: 169.254.21.2/30, remote: 169.254.21.1}, probe: 169.254.21.1}\n    auth:");
  const ParseResult result = parse_text(text);
  ASSERT_EQ(listing(result, directory_), "");
  const Connection& connection = result.gateway.connections.at("prod-berlin");
  EXPECT_EQ(connection.mode, Mode::kActiveActive);
  EXPECT_TRUE(connection.preempt);
  EXPECT_EQ(connection.weights, (std::map<std::string, uint32_t>{{"b", 3}}));
  ASSERT_EQ(connection.tunnels.size(), 1u);
  const TunnelOverride& own = connection.tunnels.at("a-1");
  EXPECT_EQ(own.local_id, "one.example");
  EXPECT_EQ(own.remote_id, "two.example");
  EXPECT_EQ(own.psk_file, directory_ + "/secrets/a.psk");
  EXPECT_EQ(own.inside_local->to_string(), "169.254.21.2/30");
  EXPECT_EQ(own.inside_remote->to_string(), "169.254.21.1");
  EXPECT_EQ(own.probe->to_string(), "169.254.21.1");
  EXPECT_EQ(own.weight, 7u);

  replace("    weights: {b: 3}\n", "    mode: active-standby\n    preempt: false\n");
  replace("weight: 7,", "");
  const ParseResult standby = parse_text(text);
  ASSERT_EQ(listing(standby, directory_), "");
  EXPECT_EQ(standby.gateway.connections.at("prod-berlin").mode, Mode::kActiveStandby);
  EXPECT_FALSE(standby.gateway.connections.at("prod-berlin").preempt);
}

TEST_F(ConfigTest, OneSecretInTwoFiles) {
  write("secrets/copy.psk", "correct horse battery staple\r\n", 0600);
  std::string text = kGood;
  text.insert(text.find("    auth:"), "    tunnels: {a-1: {psk_file: secrets/copy.psk}}\n");
  EXPECT_EQ(listing(parse_text(text), directory_), "");
}

TEST_F(ConfigTest, InsideAddressesThatASelectorTakesIn) {
  std::string text = kGood;
  text.insert(
      text.find("    auth:"),
      "    probe: {interval: 100ms}\n"
      "    tunnels: {a-1: {inside: {local: 169.254.21.1/31, remote: 169.254.21.0}, probe: 169.254.21.0},\n"
      "              a-2: {probe: 169.254.21.0}, b-1: {probe: 10.20.0.1}, b-2: {probe: 10.20.0.1}}\n");
  text += "      - {local: 169.254.21.0/31, remote: 169.254.21.0/31}\n";
  text += "      - {local: 10.0.0.0/24, remote: 10.20.0.0/24}\n";
  // Tunnel a-2 has no inside address to ask from.
  EXPECT_EQ(
      listing(parse_text(text), directory_),
      "gateway.yaml:32:28: connections.prod-berlin.tunnels.a-2.probe: virtual network 'prod' has no address "
      "to ask 169.254.21.0 from: none is in a local selector that leads there (let the selectors take in "
      "an address of one of its ports)\n");
}

TEST_F(ConfigTest, LifetimesAndTheOuterHeader) {
  std::string text = kGood;
  const std::string rekey = "rekey: 1h";
  text.replace(text.find(rekey), rekey.size(),
               "rekey: 1h\n      life: 2h\n      rekey_bytes: 1000000000\n      life_bytes: 1200000000\n"
               "      rekey_packets: 1000000\n      dscp: 46\n      df: clear");
  const ParseResult result = parse_text(text);
  ASSERT_EQ(listing(result, directory_), "");
  const Esp& esp = result.gateway.connections.at("prod-berlin").esp;
  EXPECT_EQ(esp.life, std::chrono::hours(2));
  EXPECT_EQ(esp.rekey_bytes, 1'000'000'000u);
  EXPECT_EQ(esp.life_bytes, 1'200'000'000u);
  EXPECT_EQ(esp.rekey_packets, 1'000'000u);
  EXPECT_EQ(esp.life_packets, 0u);
  EXPECT_EQ(esp.dscp, 46);
  EXPECT_EQ(esp.df, Df::kClear);
}

TEST_F(ConfigTest, BothFamiliesOnBothSides) {
  std::string text = kGood;
  const auto replace = [&text](const std::string& from, const std::string& to) {
    text.replace(text.find(from), from.size(), to);
  };
  replace("b: {port: wan1, address: 198.51.100.1/24, next_hop: 198.51.100.254}",
          "b: {port: wan0, address: \"2001:DB8:2::1/64\", next_hop: \"fe80::1\"}");
  replace("[192.0.2.77, 198.51.100.77]", "[192.0.2.77, \"2001:db8:77:0::77\"]");
  replace("prefixes: [10.20.0.0/16]", "prefixes: [10.20.0.0/16, \"2001:db8:20::/48\"]");
  const ParseResult result = parse_text(text);
  ASSERT_EQ(listing(result, directory_), "");
  const PublicAddress& address = result.gateway.public_addresses.at("b");
  EXPECT_EQ(address.address.to_string(), "2001:db8:2::1/64");
  EXPECT_TRUE(address.next_hop.is_link_local());
  const Site& site = result.gateway.sites.at("berlin");
  EXPECT_EQ(site.peers.at(1).to_string(), "2001:db8:77::77");
  EXPECT_EQ(site.prefixes.at(1).to_string(), "2001:db8:20::/48");
}

TEST_F(ConfigTest, TextThatIsNotYaml) {
  EXPECT_EQ(parse_text("gateway: [1\n").errors.size(), 1u);
  EXPECT_EQ(parse_text("").errors.size(), 1u);
  EXPECT_EQ(
      listing(parse_text("---\nports: {}\n---\nb: 2\n"), directory_),
      "gateway.yaml:1:1: 'gateway' is missing (gateway: {name: hq, workers: [1]})\n"
      "gateway.yaml:3:1: text behind the end of the YAML document (the file holds one mapping of keys to "
      "values)\n");
  for (const char* text : {",", "'x' , y", "[a] , b", "- a\n, ", "...", "]", "%YAML 1.2", "a: &x [*x]"}) {
    EXPECT_FALSE(parse_text(text).ok()) << text;
  }
  EXPECT_EQ(parse_text(std::string(5u << 20, '#')).errors.size(), 1u);
  const std::string deep(20000, '[');
  EXPECT_FALSE(parse_text("gateway: " + deep).ok());
}

}  // namespace
}  // namespace sallyport::control
