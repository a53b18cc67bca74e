// SPDX-License-Identifier: BSD-3-Clause
// Typed commands and events against the keys of swanctl.conf(5) and of charon's event descriptions.
#include <gtest/gtest.h>

#include "vici-bridge/commands.h"

namespace sallyport::vici {
namespace {

TEST(Encoding, LeavesUnsetFieldsToCharon) {
  Message expected;
  expected.section("site");
  EXPECT_EQ(encode_connection({.name = "site"}), expected);
}

TEST(Encoding, WritesAConnection) {
  ConnectionConfig connection{.name = "prod-berlin-a-1", .version = 2, .local_addrs = {"192.0.2.1"}};
  connection.remote_addrs = {"198.51.100.1", "198.51.100.2"};
  connection.encap = true;
  connection.mobike = false;
  connection.unique = "never";
  connection.dpd_delay = Seconds(2);
  connection.rekey_time = Seconds(14400);
  connection.keyingtries = 1;
  connection.local = {{.auth = "psk", .id = "gw.example"}};
  connection.remote = {{.auth = "pubkey", .id = "peer.example", .cacerts = {"CA"}}};
  ChildConfig child{.name = "prod-berlin-a-1", .esp_proposals = {"aes256gcm16-x25519-esn"}};
  child.local_ts = {"0.0.0.0/0"};
  child.remote_ts = {"10.1.0.0/16"};
  child.life_time = Seconds(3960);
  child.life_packets = 1000000;
  child.replay_window = 4096;
  child.dpd_action = "clear";
  child.policies = false;
  child.copy_df = false;
  connection.children = {child};

  Message expected;
  Message& section = expected.section("prod-berlin-a-1");
  section.set("version", "2").set_list("local_addrs", {"192.0.2.1"});
  section.set_list("remote_addrs", {"198.51.100.1", "198.51.100.2"}).set("encap", "yes").set("mobike", "no");
  section.set("unique", "never").set("keyingtries", "1").set("dpd_delay", "2").set("rekey_time", "14400");
  section.section("local-1").set("auth", "psk").set("id", "gw.example");
  section.section("remote-1").set("auth", "pubkey").set("id", "peer.example").set_list("cacerts", {"CA"});
  Message& expected_child = section.section("children").section("prod-berlin-a-1");
  expected_child.set_list("esp_proposals", {"aes256gcm16-x25519-esn"}).set_list("local_ts", {"0.0.0.0/0"});
  expected_child.set_list("remote_ts", {"10.1.0.0/16"})
      .set("life_time", "3960")
      .set("life_packets", "1000000");
  expected_child.set("replay_window", "4096")
      .set("dpd_action", "clear")
      .set("policies", "no")
      .set("copy_df", "no");
  EXPECT_EQ(encode_connection(connection), expected);
}

TEST(Encoding, NamesATarget) {
  Message expected;
  expected.set("child", "c").set("ike", "i").set("child-id", "3").set("ike-id", "4");
  EXPECT_EQ(encode_target({.child = "c", .ike = "i", .child_id = 3, .ike_id = 4}), expected);
  EXPECT_TRUE(encode_target({}).empty());
}

// A connection may be called "up": the value and the section don't meet.
Message child_updown() {
  Message event;
  event.set("up", "yes");
  Message& ike = event.section("up");
  ike.set("uniqueid", "7").set("version", "2").set("state", "ESTABLISHED").set("local-host", "192.0.2.1");
  ike.set("local-port", "4500").set("remote-host", "198.51.100.1").set("remote-port", "4500");
  ike.set("initiator", "yes")
      .set("initiator-spi", "0123456789abcdef")
      .set("responder-spi", "fedcba9876543210");
  ike.set("nat-remote", "yes")
      .set("established", "12")
      .set("rekey-time", "-3")
      .set_list("remote-vips", {"10.9.0.1"});
  Message& child = ike.section("child-sas").section("net-12");
  child.set("name", "net")
      .set("uniqueid", "12")
      .set("reqid", "5")
      .set("state", "INSTALLED")
      .set("encap", "yes");
  child.set("spi-in", "c0000005").set("spi-out", "00000abc").set("encr-alg", "AES_GCM_16");
  child.set("encr-keysize", "256").set("esn", "1").set("bytes-in", "12345678901234").set("packets-in", "9");
  child.set("use-in", "2")
      .set("life-time", "3600")
      .set_list("local-ts", {"0.0.0.0/0"})
      .set_list("remote-ts", {"10.1.0.0/16"});
  return event;
}

TEST(Decoding, ReadsAnIkeSaAndItsChild) {
  const ChildUpdown event = decode_child_updown(child_updown());
  EXPECT_TRUE(event.up);
  ASSERT_EQ(event.sas.size(), 1u);
  const IkeSa& ike = event.sas[0];
  EXPECT_EQ(ike.name, "up");
  EXPECT_EQ(ike.unique_id, 7u);
  EXPECT_EQ(ike.version, 2);
  EXPECT_EQ(ike.state, "ESTABLISHED");
  EXPECT_EQ(ike.local_port, 4500);
  EXPECT_EQ(ike.remote_host, "198.51.100.1");
  EXPECT_TRUE(ike.initiator);
  EXPECT_EQ(ike.initiator_spi, 0x0123456789abcdefu);
  EXPECT_EQ(ike.responder_spi, 0xfedcba9876543210u);
  EXPECT_TRUE(ike.nat_remote);
  EXPECT_FALSE(ike.nat_local);
  EXPECT_EQ(ike.established_ago, Seconds(12));
  EXPECT_EQ(ike.rekey_in, Seconds(-3));
  EXPECT_EQ(ike.reauth_in, std::nullopt);
  EXPECT_EQ(ike.remote_vips, Strings{"10.9.0.1"});
  ASSERT_EQ(ike.children.size(), 1u);
  const ChildSa& child = ike.children[0];
  EXPECT_EQ(child.name, "net");
  EXPECT_EQ(child.unique_id, 12u);
  EXPECT_EQ(child.spi_in, 0xc0000005u);
  EXPECT_EQ(child.spi_out, 0xabcu);
  EXPECT_TRUE(child.encap);
  EXPECT_TRUE(child.esn);
  EXPECT_EQ(child.encr_keysize, 256u);
  EXPECT_EQ(child.bytes_in, 12345678901234u);
  EXPECT_EQ(child.used_in_ago, Seconds(2));
  EXPECT_EQ(child.used_out_ago, std::nullopt);
  EXPECT_EQ(child.remote_ts, Strings{"10.1.0.0/16"});
}

TEST(Decoding, TellsDownByTheAbsenceOfUp) {
  Message event;
  event.section("site").set("uniqueid", "1");
  EXPECT_FALSE(decode_ike_updown(event).up);
  EXPECT_EQ(decode_ike_updown(event).sas.at(0).unique_id, 1u);
}

TEST(Decoding, ReadsRekeys) {
  Message ike;
  ike.section("site").section("old").set("uniqueid", "1");
  ike.section("site").section("new").set("uniqueid", "2");
  EXPECT_EQ(decode_ike_rekey(ike).old_sa.unique_id, 1u);
  EXPECT_EQ(decode_ike_rekey(ike).new_sa.unique_id, 2u);
  EXPECT_EQ(decode_ike_rekey(ike).new_sa.name, "site");

  Message child;
  Message& pair = child.section("site").set("uniqueid", "3").section("child-sas").section("net");
  pair.section("old").set("spi-in", "c0000001");
  pair.section("new").set("spi-in", "c0000002");
  const std::vector<ChildRekey> rekeys = decode_child_rekey(child);
  ASSERT_EQ(rekeys.size(), 1u);
  EXPECT_EQ(rekeys[0].ike.unique_id, 3u);
  EXPECT_EQ(rekeys[0].old_sa.spi_in, 0xc0000001u);
  EXPECT_EQ(rekeys[0].new_sa.spi_in, 0xc0000002u);
  EXPECT_EQ(rekeys[0].new_sa.name, "net");
}

}  // namespace
}  // namespace sallyport::vici
