// SPDX-License-Identifier: BSD-3-Clause
// Seeds of the targets that read messages: the dataplane's API, the SA feed, VICI; and of fuzz_esp_input.
#include <functional>

#include "dataplane/manager/codec.h"
#include "tests/dataplane/ipv6_packets.h"
#include "tests/fuzz/seeds.h"
#include "tests/vici/feed_samples.h"
#include "vici-bridge/message.h"

namespace sallyport::dataplane::testing {

namespace {

template <typename Message>
Bytes bytes_of(const Message& message, size_t bytes = sizeof(Message)) {
  Bytes result(bytes);
  std::memcpy(result.data(), &message, std::min(bytes, sizeof message));
  return result;
}

api::SetInboundSa good_sa() {
  auto sa = make_message<api::SetInboundSa>(api::Type::kSetInboundSa, 7);
  sa.spi = 0x12300005;
  sa.replay_window = 64;
  sa.keys.algorithm = api::Algorithm::kAes128Gcm16;
  sa.keys.key_bytes = 20;
  sa.local.family = sa.remote.family = api::Family::kIpv4;
  sa.local.bytes[0] = sa.remote.bytes[0] = 192;
  sa.local_selector_count = sa.remote_selector_count = 1;
  api::Selector all{};
  all.family = api::Family::kIpv4;
  all.port_to = 65535;
  std::fill_n(all.to.begin(), 4, uint8_t{255});
  sa.selectors[0] = sa.selectors[1] = all;
  return sa;
}

// The inner packet, its padding and trailer: `choice` as in fuzz_esp_input.cpp.
Bytes esp_text(uint8_t choice, Bytes inner, uint8_t pad_length, uint8_t next_header) {
  while ((inner.size() + 2) % 16 != 0)
    inner.push_back(1);
  inner.push_back(pad_length);
  inner.push_back(next_header);
  inner.insert(inner.begin(), choice);
  return inner;
}

Bytes changed(Bytes bytes, size_t at, uint32_t value) {
  put16(bytes, at, value);
  return bytes;
}

}  // namespace

std::vector<Seed> esp_input_seeds() {
  std::vector<Seed> seeds;
  const Bytes inner = ipv4_of_size(60), inner6 = ipv6_of_size(80);
  for (uint8_t suite = 0; suite < 8; ++suite) {
    const auto name = [&](const char* what) { return what + ("-" + std::to_string(suite)); };
    const auto choice = static_cast<uint8_t>(suite << 3 | (suite & 1) << 2);
    seeds.push_back({name("ipv4"), esp_text(choice, inner, 2, 4)});
    seeds.push_back({name("ipv6"), esp_text(choice, inner6, 14, 41)});
    Bytes esp = ipv4(Bytes(8 + 2 * suite), {0xc6336402, 0xc6336401, 50});
    esp.insert(esp.begin(), choice);
    seeds.push_back({name("short"), esp});
  }
  const auto add = [&](const char* name, const Bytes& packet, uint8_t pad_length, uint8_t next_header,
                       uint8_t choice = 0) {
    seeds.push_back({name, esp_text(choice, packet, pad_length, next_header)});
  };
  add("inner-total-length-zero", changed(inner, 2, 0), 2, 4);
  add("inner-total-length-beyond", changed(inner, 2, 100), 2, 4);
  add("inner-ihl-zero", changed(inner, 0, 0x4000), 2, 4);
  add("inner-ihl-beyond", changed(inner, 0, 0x4f00), 42, 4);
  add("pad-length-beyond", inner, 255, 4);
  add("dummy", inner, 2, 59);
  add("transport-mode", inner, 2, 6);
  add("version-disagrees", inner, 2, 41);
  add("ecn-ce", inner, 2, 4, 3);
  add("ipv6-length-beyond", changed(inner6, 4, 999), 14, 41);
  add("ipv6-extensions", ipv6(extension6(60, extension6(17, Bytes(20))), {.next_header = 0}), 14, 41);
  return seeds;
}

std::vector<Seed> api_seeds() {
  std::vector<Seed> seeds;
  using Sa = api::SetInboundSa;
  const auto add_sa = [&](const char* name, const std::function<void(Sa&)>& spoil) {
    Sa sa = good_sa();
    spoil(sa);
    seeds.push_back({name, bytes_of(sa, std::min<size_t>(sizeof sa, api::wire_bytes(sa)))});
  };
  add_sa("sa", [](Sa&) {});
  add_sa("sa-spi-zero", [](Sa& sa) { sa.spi = 0; });
  add_sa("sa-replay-length-absurd", [](Sa& sa) { sa.replay_window = 0xffffffff; });
  add_sa("sa-key-size", [](Sa& sa) { sa.keys.key_bytes = 16; });
  add_sa("sa-key-size-absurd", [](Sa& sa) { sa.keys.key_bytes = 0xffff; });
  add_sa("sa-algorithm", [](Sa& sa) { sa.keys.algorithm = static_cast<api::Algorithm>(77); });
  add_sa("sa-without-integrity", [](Sa& sa) { sa.keys.algorithm = api::Algorithm::kAes128Cbc; });
  add_sa("sa-selectors-absurd", [](Sa& sa) { sa.local_selector_count = sa.remote_selector_count = 0xffff; });
  add_sa("sa-selectors-uncounted", [](Sa& sa) { sa.local_selector_count = 2; });
  add_sa("sa-range-upside-down", [](Sa& sa) { std::swap(sa.selectors[0].from, sa.selectors[0].to); });
  auto route = make_message<api::SetRoute>(api::Type::kSetRoute, 1);
  route.vrf_id = route.group_id = 1;
  route.prefix.address.family = api::Family::kIpv4;
  route.prefix.address.bytes[0] = 10;
  for (const uint8_t length : {8, 33, 255}) {
    route.prefix.length = length;
    seeds.push_back({"route-" + std::to_string(length), bytes_of(route)});
  }
  route.prefix.address.family = api::Family::kIpv6;
  for (const uint8_t length : {64, 129}) {
    route.prefix.length = length;
    seeds.push_back({"route-ipv6-" + std::to_string(length), bytes_of(route)});
  }
  auto group = make_message<api::SetGroup>(api::Type::kSetGroup, 1);
  group.vrf_id = group.member_count = 1;
  group.members[0] = {api::MemberKind::kTunnel, 1, 1, 1};
  set_text(group.name, "group");
  seeds.push_back({"group", bytes_of(group)});
  group.member_count = 0xffffffff;
  seeds.push_back({"group-count-absurd", bytes_of(group)});
  auto tunnel = make_message<api::SetTunnel>(api::Type::kSetTunnel, 1);
  tunnel.vrf_id = 1;
  set_text(tunnel.name, "tunnel");
  seeds.push_back({"tunnel", bytes_of(tunnel)});
  tunnel.name.fill('x');
  seeds.push_back({"tunnel-name-without-end", bytes_of(tunnel)});
  seeds.push_back({"tunnel-short", bytes_of(tunnel, sizeof tunnel - 1)});
  seeds.push_back({"tunnel-long", bytes_of(tunnel, sizeof tunnel + 1)});
  auto port = make_message<api::SetPort>(api::Type::kSetPort, 1);
  port.mtu_bytes = 1500;
  set_text(port.name, "wan0");
  set_text(port.device, "net_null0");
  seeds.push_back({"port", bytes_of(port)});
  for (uint16_t type = 1; type <= static_cast<uint16_t>(api::Type::kActivateSa); ++type) {
    api::Header header{api::kMagic, api::kVersion, static_cast<api::Type>(type), sizeof header, 1};
    seeds.push_back({"header-" + std::to_string(type), bytes_of(header)});
  }
  return seeds;
}

std::vector<Seed> feed_seeds() {
  using namespace sallyport::vici;
  std::vector<Seed> seeds;
  seeds.push_back({"hello", sample_hello()});
  seeds.push_back({"sa", sample_sa_datagram()});
  const auto add_sa = [&](const char* name, const std::function<void(sp_feed_sa&)>& spoil) {
    sp_feed_sa sa = sample_sa();
    spoil(sa);
    seeds.push_back({name, sample_sa_datagram(sa)});
  };
  add_sa("sa-replay-length-absurd", [](sp_feed_sa& sa) { sa.replay_window = 0xffffffff; });
  add_sa("sa-spi-zero", [](sp_feed_sa& sa) { sa.spi = 0; });
  add_sa("sa-slot-of-another", [](sp_feed_sa& sa) { sa.slot = 6; });
  add_sa("sa-key-size", [](sp_feed_sa& sa) { sa.encryption_key_length = 65; });
  add_sa("sa-selectors-absurd", [](sp_feed_sa& sa) { sa.local_selectors = 0xffff; });
  Datagram cut = sample_sa_datagram();
  cut.resize(cut.size() - 1);
  seeds.push_back({"sa-cut", cut});
  cut.resize(sizeof(sp_feed_header));
  seeds.push_back({"sa-header", cut});
  for (const auto type : {SP_FEED_SNAPSHOT_BEGIN, SP_FEED_SNAPSHOT_END})
    seeds.push_back({"header-" + std::to_string(type), bytes_of(sample_header(type, 2))});
  const auto add = [&](const char* name, auto message) { seeds.push_back({name, to_datagram(message)}); };
  add("sa-update", sample<sp_feed_sa_update>(SP_FEED_SA_UPDATE, 4));
  add("sa-del", sample<sp_feed_sa_del>(SP_FEED_SA_DEL, 4));
  add("child-state", sample<sp_feed_child_event>(SP_FEED_CHILD_STATE, 4));
  add("ike-state", sample<sp_feed_ike_event>(SP_FEED_IKE_STATE, 4));
  add("alert", sample<sp_feed_alert>(SP_FEED_ALERT, 4));
  add("expired", sample<sp_feed_sa_expired>(SP_FEED_SA_EXPIRED, 4));
  return seeds;
}

std::vector<Seed> vici_seeds() {
  using namespace sallyport::vici;
  std::vector<Seed> seeds;
  const auto add = [&](const char* name, PacketType type, const char* event, const Message& message) {
    const auto encoded = encode_packet(type, event, message);
    if (encoded) seeds.push_back({name, Bytes(encoded->begin() + 4, encoded->end())});
  };
  Message updown;
  updown.set("up", "yes");
  Message& ike = updown.section("berlin");
  ike.set("uniqueid", "7").set("version", "2").set("state", "ESTABLISHED").set("local-host", "192.0.2.1");
  ike.set("remote-host", "192.0.2.2").set("remote-id", "peer.example").set("initiator-spi", "00112233");
  Message& child = ike.section("child-sas").section("berlin-1");
  child.set("name", "berlin-1").set("uniqueid", "9").set("reqid", "1").set("state", "INSTALLED");
  child.set("mode", "TUNNEL").set("protocol", "ESP").set("spi-in", "c0000005").set("spi-out", "d0000001");
  child.set_list("local-ts", {"10.1.0.0/24"}).set_list("remote-ts", {"10.2.0.0/24", "2001:db8::/32"});
  for (const char* event : {"ike-updown", "child-updown", "ike-rekey", "child-rekey"})
    add(event, PacketType::kEvent, event, updown);
  Message rekey;
  Message& rekeyed = rekey.section("berlin");
  rekeyed.section("old") = ike;
  rekeyed.section("new") = ike;
  add("ike-rekeyed", PacketType::kEvent, "ike-rekey", rekey);
  Message log;
  log.set("group", "IKE").set("level", "1").set("thread", "4").set("msg", "no proposal chosen");
  add("log", PacketType::kEvent, "log", log);
  Message connections;
  Message& connection = connections.section("berlin");
  connection.set_list("local_addrs", {"192.0.2.1"})
      .set_list("remote_addrs", {"192.0.2.2"})
      .set("version", "IKEv2");
  connection.section("local-1").set("class", "public key").set("id", "gw.example");
  connection.section("children")
      .section("berlin-1")
      .set("mode", "TUNNEL")
      .set_list("local-ts", {"10.1.0.0/24"});
  add("list-conn", PacketType::kEvent, "list-conn", connections);
  Message failure;
  failure.set("success", "no").set("errmsg", "it did not work");
  add("failure", PacketType::kResponse, "", failure);
  add("nothing", PacketType::kConfirm, "", {});
  Bytes cut = seeds.front().bytes;
  cut.resize(cut.size() - 1);
  seeds.push_back({"cut", cut});
  seeds.push_back({"unclosed-section", {0x01, 0x01, 0x01, 'a'}});
  seeds.push_back({"value-beyond", {0x01, 0x03, 0x01, 'a', 0xff, 0xff, 'b'}});
  return seeds;
}

}  // namespace sallyport::dataplane::testing
