// SPDX-License-Identifier: BSD-3-Clause
// Answers of the API in, text out.
#include "control/cli/show.h"

#include <gtest/gtest.h>

#include "control/cli/dataplane_args.h"
#include "control/cli/units.h"
#include "control/cli/why_text.h"

namespace sallyport::cli {
namespace {

TEST(Units, Bytes) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(999), "999 B");
  EXPECT_EQ(bytes_text(1000), "1.0 kB");
  EXPECT_EQ(bytes_text(34'567), "34.6 kB");
  EXPECT_EQ(bytes_text(999'499), "999 kB");
  EXPECT_EQ(bytes_text(999'500), "1.0 MB");
  EXPECT_EQ(bytes_text(18'446'744'073'709'551'615u), "18447 PB");
}

TEST(Units, Counts) {
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(9'999'999), "9999999");
  EXPECT_EQ(count_text(12'345'678), "12.3M");
  EXPECT_EQ(count_text(1'234'567'890), "1.2G");
}

TEST(Units, Seconds) {
  EXPECT_EQ(seconds_text(0), "0s");
  EXPECT_EQ(seconds_text(59), "59s");
  EXPECT_EQ(seconds_text(125), "2m05s");
  EXPECT_EQ(seconds_text(3720), "1h02m");
  EXPECT_EQ(seconds_text(86'399), "23h59m");
  EXPECT_EQ(seconds_text(273'600), "3d04h");
}

TEST(Why, OneSentenceForEachTunnel) {
  const Json answer = {
      {"connection", "c"},
      {"up", false},
      {"tunnels",
       {{{"tunnel", "c-a-1"}, {"state", "up"}, {"cause", "none"}, {"why", "is up"}, {"advice", ""}},
        {{"tunnel", "c-b-1"},
         {"state", "down"},
         {"cause", "no-answer"},
         {"why", "is down: \x1b[2J"},
         {"advice", "do it"}}}}};
  EXPECT_EQ(why_text(answer, Colours::kOff), "c-a-1 is up\nc-b-1 is down: ?[2J; do it\n");
  EXPECT_NE(why_text(answer, Colours::kOn).find("\033[32mc-a-1\033[0m is up"), std::string::npos);
}

TEST(Table, AlignsBoundsAndEndsWithoutBlanks) {
  Table table({{"NAME", Align::kLeft, 8}, {"COUNT", Align::kRight, 10}, {"TEXT", Align::kLeft, 0}});
  table.add_row({{"a"}, {"1"}, {"short"}});
  table.add_row({{"a-long-name"}, {"1234567"}, {""}});
  EXPECT_EQ(table.text(Colours::kOff),
            "NAME        COUNT  TEXT\n"
            "a               1  short\n"
            "a-lon...  1234567\n");
}

TEST(Table, LeavesOutAColumnWithoutText) {
  Table table({{"NAME", Align::kLeft, 8}, {"NOTHING", Align::kRight, 10}, {"TEXT", Align::kLeft, 0}});
  table.add_row({{"a"}, {""}, {"b"}});
  EXPECT_EQ(table.text(Colours::kOff), "NAME  TEXT\na     b\n");
}

TEST(Table, ColoursDoNotMoveColumns) {
  Table table({{"S", Align::kLeft, 8}, {"N", Align::kLeft, 8}});
  table.add_row({{"up", Colour::kGreen}, {"x"}});
  EXPECT_EQ(table.text(Colours::kOn), "\033[2mS\033[0m   \033[2mN\033[0m\n\033[32mup\033[0m  x\n");
}

TEST(Show, Tunnels) {
  const Json tunnels = Json::parse(R"([
    {"name": "prod-berlin-a-1", "connection": "prod-berlin", "public_address": "a", "local": "192.0.2.1",
     "remote": "192.0.2.77", "state": "up", "traffic": "carries", "since_s": 3720, "ike_version": 2, "encryption": "AES_GCM_16-256/ESN",
     "in_packets": 7, "in_bytes": 588, "out_packets": 12345678, "out_bytes": 8400, "path_mtu": 1500, "nat": false,
     "reason": ""},
    {"name": "prod-berlin-b-1", "state": "down", "traffic": "none", "since_s": 5, "reason": "the peer does not answer"}])");
  EXPECT_EQ(
      show("tunnels", tunnels, {}),
      "TUNNEL           STATE  TRAFFIC  SINCE  LOCAL      REMOTE      ENCRYPTION          NAT  IN PKTS     "
      "IN  OUT PKTS     OUT   MTU  REASON\n"
      "prod-berlin-a-1  up     carries  1h02m  192.0.2.1  192.0.2.77  AES_GCM_16-256/ESN  no         7  588 "
      "B     12.3M  8.4 kB  1500  -\n"
      "prod-berlin-b-1  down   none        5s  -          -           -                   -          -      "
      "-         -       -     -  the peer does not answer\n");
}

// Only of tunnels that have SAs for several pairs: no line of another is longer for it.
TEST(Show, SelectorsOfSasWhereATunnelHasSeveralPairs) {
  const auto sa = [](const char* tunnel, const char* spi, const Json& local, const Json& remote) {
    return Json{{"tunnel", tunnel}, {"direction", "out"},       {"spi", spi},
                {"slot", 1},        {"home_worker", 0},         {"algorithm", "AES_GCM_16-256"},
                {"esn", true},      {"active", true},           {"packets", 7},
                {"bytes", 588},     {"policy_dropped", 0},      {"last_use_s", nullptr},
                {"icv_failed", 0},  {"local_selectors", local}, {"remote_selectors", remote}};
  };
  const std::string titles =
      "TUNNEL  DIR  SPI       SLOT  WORKER  ALGORITHM       ESN  ACTIVE  PKTS  BYTES  LAST USE  ICV  REPLAY  "
      "POLICY";
  const auto line = [](const std::string& tunnel, const std::string& spi) {
    return tunnel + "     out  " + spi +
           "     1       0  AES_GCM_16-256  yes  yes        7  588 B     never    0       -       0";
  };
  const Json a = {"10.1.0.0/24"}, b = {"10.2.0.0/24", "10.3.0.0/24"}, c = {"10.4.0.0/24"};
  Json sas = {sa("s-1", "c0000001", a, b), sa("s-1", "c0000002", a, b), sa("s-2", "c0000003", a, c)};
  EXPECT_EQ(show("sas", sas, {}), titles + "\n" + line("s-1", "c0000001") + "\n" + line("s-1", "c0000002") +
                                      "\n" + line("s-2", "c0000003") + "\n");
  sas[2]["tunnel"] = "s-1";
  sas.push_back(sa("s-2", "c0000004", a, b));
  EXPECT_EQ(show("sas", sas, {}),
            titles + "  SELECTORS\n" + line("s-1", "c0000001") +
                "  10.1.0.0/24 === 10.2.0.0/24, 10.3.0.0/24\n" + line("s-1", "c0000002") +
                "  10.1.0.0/24 === 10.2.0.0/24, 10.3.0.0/24\n" + line("s-1", "c0000003") +
                "  10.1.0.0/24 === 10.4.0.0/24\n" + line("s-2", "c0000004") + "\n");
}

TEST(Show, DropsWithoutPacketsOnlyWhenAsked) {
  const Json drops = Json::parse(R"([
    {"reason": "replay", "description": "Sequence number seen before", "packets": 2, "by_worker": [2, 0]},
    {"reason": "no_route", "description": "No route", "packets": 0, "by_worker": [0, 0]}])");
  EXPECT_EQ(show("drops", drops, {}),
            "REASON  PACKETS  DESCRIPTION\nreplay        2  Sequence number seen before\n");
  EXPECT_NE(show("drops", drops, {Colours::kOff, DropRows::kAll}).find("no_route        0  No route"),
            std::string::npos);
  EXPECT_EQ(show("drops", Json::parse(R"([{"reason": "x", "packets": 0}])"), {}), "no packet was dropped\n");
}

TEST(Show, EmptyListsSaySo) {
  for (const std::string& noun : show_nouns()) {
    if (noun == "gateway" || noun == "drops") continue;
    EXPECT_EQ(show(noun, Json::array(), {}), "no " + noun + "\n");
  }
}

TEST(Show, EveryNounTakesAnswersOfAnyForm) {
  const std::vector<Json> answers = {
      nullptr,
      1,
      "text",
      Json::object(),
      {1, "x", nullptr},
      {{{"name", {{"a", 1}}}}},
      Json::parse(R"([{"since_s": -5, "packets": "many", "time": "now", "link": 3}])")};
  for (const std::string& noun : show_nouns()) {
    for (const Json& answer : answers)
      EXPECT_EQ(show(noun, answer, {}).back(), '\n') << noun << " " << answer;
  }
}

TEST(Show, AnswersCannotSteerTheTerminal) {
  const Json events = Json::parse(
      R"([{"number": 1, "time": "10:00", "kind": "tunnel", "subject": "x\u001b[2J\n", "text": "\u0007"}])");
  const std::string text = show("events", events, {});
  EXPECT_NE(text.find("x?[2J?"), std::string::npos);
  EXPECT_EQ(text.find('\033'), std::string::npos);
  EXPECT_EQ(text.find('\a'), std::string::npos);
}

TEST(Show, Gateway) {
  const Json gateway = Json::parse(R"({"name": "hq", "uptime_s": 4000,
    "dataplane": {"connected": true, "pid": 12, "workers": 2}, "charon": {"connected": false},
    "workers": [{"core": 1, "rx_packets": 5}, {"core": 2, "rx_packets": 123}]})");
  EXPECT_EQ(show("gateway", gateway, {}),
            "name       hq\n"
            "uptime     1h06m\n"
            "dataplane  connected, pid 12, workers 2\n"
            "charon     not connected\n"
            "\n"
            "core  rx_packets\n"
            "   1           5\n"
            "   2         123\n");
}

TEST(Show, Diff) {
  const Json changes = Json::parse(R"([
    {"op": "+", "path": "sites.berlin.peers", "old": "", "new": "[192.0.2.77]"},
    {"op": "-", "path": "ports.lan1.device", "old": "net_ring0", "new": ""},
    {"op": "~", "path": "connections.x.esp.rekey", "old": "1h", "new": "30m"},
    {"op": "+", "path": "virtual_networks.empty", "old": "", "new": ""}])");
  EXPECT_EQ(diff_text(changes, Colours::kOff),
            "+ sites.berlin.peers: [192.0.2.77]\n"
            "- ports.lan1.device: net_ring0\n"
            "~ connections.x.esp.rekey: 1h -> 30m\n"
            "+ virtual_networks.empty\n");
}

TEST(DataplaneArgs, FollowTheConfiguration) {
  control::Gateway gateway;
  gateway.settings.workers = {3, 1};
  gateway.settings.idle = control::Idle::kSleep;
  gateway.settings.hugepages = false;
  gateway.settings.memory_mb = 300;
  gateway.settings.sa_capacity = 4096;
  gateway.ports["lan0"] = {"lan0", "net_tap0", 9000};
  gateway.ports["wan0"] = {"wan0", "net_tap1", 1400};
  EXPECT_EQ(dataplane_args(gateway),
            "--workers 3,1 --idle sleep --no-huge --memory 300 --slots 4096 --max-mtu 9000");
}

TEST(DataplaneArgs, MemoryGrowsWithWhatIsAskedFor) {
  const auto memory_mb = [](uint32_t slots, uint32_t workers) {
    control::Gateway gateway;
    for (uint32_t core = 0; core < workers; ++core)
      gateway.settings.workers.push_back(core);
    gateway.settings.sa_capacity = slots;
    const std::string args = dataplane_args(gateway);
    return std::stoul(args.substr(args.find("--memory ") + 9));
  };
  EXPECT_GE(memory_mb(16, 1), 256u);
  EXPECT_GT(memory_mb(1u << 20, 1), memory_mb(1u << 17, 1));
  EXPECT_GT(memory_mb(1u << 17, 16), memory_mb(1u << 17, 1));
}

}  // namespace
}  // namespace sallyport::cli
