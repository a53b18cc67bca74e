// SPDX-License-Identifier: BSD-3-Clause
// What comes from a public port, what a mirror may send, what routers quote: tables of (description, packet,
// verdict).
#include "dataplane/path/classify.h"
#include "dataplane/path/mirror_filter.h"
#include "dataplane/path/path_mtu.h"
#include "tests/dataplane_path/sites.h"

namespace sallyport::dataplane::testing {

namespace {

using api::DropReason;

// A public port with one address, without a device.
struct PublicPort : Port {
  PublicPort() {
    id = 0;
    device = 0;
    rx_queues = 1;
    vrf_id = kPublicVrf;
    mtu_bytes = 1500;
    address_count = 1;
    mac = mac_of(1);
    addresses_be = {rte_cpu_to_be_32(kPublicA)};
  }
};

Bytes udp(uint16_t source, uint16_t destination, const Bytes& payload) {
  Bytes datagram(8);
  put16(datagram, 0, source);
  put16(datagram, 2, destination);
  put16(datagram, 4, static_cast<uint32_t>(8 + payload.size()));
  datagram.insert(datagram.end(), payload.begin(), payload.end());
  return datagram;
}

Bytes ike(bool with_responder_spi, bool with_marker) {
  Bytes message(28, 0);
  std::fill(message.begin(), message.begin() + 8, 0x11);
  if (with_responder_spi) std::fill(message.begin() + 8, message.begin() + 16, 0x22);
  if (with_marker) message.insert(message.begin(), 4, 0);
  return message;
}

Bytes in(const Bytes& payload, uint8_t protocol, uint16_t fragment = 0, uint32_t destination = kPublicA) {
  return ipv4(payload, {kPublicB, destination, protocol, 0, 64, 7, fragment});
}

Bytes with_udp_length(Bytes packet, uint16_t length) {
  put16(packet, 24, length);
  return packet;
}

Bytes fragmentation_needed(const Bytes& quoted, uint16_t mtu) {
  Bytes icmp(8);
  icmp[0] = 3;
  icmp[1] = 4;
  put16(icmp, 6, mtu);
  icmp.insert(icmp.end(), quoted.begin(), quoted.end());
  put16(icmp, 2, internet_checksum(icmp, 0, icmp.size()));
  return icmp;
}

Bytes esp_bytes(uint32_t spi) {
  Bytes esp(40, 0xab);
  put32(esp, 0, spi);
  return esp;
}

struct ClassifyCase {
  const char* description;
  Bytes packet;
  PublicClass what;
  DropReason drop = kKeep;
  uint16_t esp_offset = 0;
};

TEST(Classify, PublicPackets) {
  const Bytes esp = esp_bytes(0x12345678);
  Bytes options = in(esp, 50);
  options[0] = 0x46;
  const std::vector<ClassifyCase> cases = {
      {"ESP", in(esp, 50), PublicClass::kEsp, kKeep, 20},
      {"ESP behind IP options", options, PublicClass::kEsp, kKeep, 24},
      {"ESP in UDP", in(udp(4500, 4500, esp), 17), PublicClass::kEsp, kKeep, 28},
      {"ESP in UDP from behind a NAT", in(udp(61000, 4500, esp), 17), PublicClass::kEsp, kKeep, 28},
      {"ESP in UDP to another port", in(udp(4500, 4501, esp), 17), PublicClass::kDrop, DropReason::kNotForUs},
      {"ESP to another address", in(esp, 50, 0, kPublicB + 1), PublicClass::kForeign},
      {"IKE_SA_INIT", in(udp(500, 500, ike(false, false)), 17), PublicClass::kIkeInit},
      {"IKE of an SA", in(udp(500, 500, ike(true, false)), 17), PublicClass::kIke},
      {"IKE_SA_INIT on 4500", in(udp(4500, 4500, ike(false, true)), 17), PublicClass::kIkeInit},
      {"IKE on 4500", in(udp(1024, 4500, ike(true, true)), 17), PublicClass::kIke},
      {"truncated IKE", in(udp(500, 500, Bytes(15)), 17), PublicClass::kDrop, DropReason::kRxMalformed},
      {"only a marker", in(udp(4500, 4500, Bytes(4)), 17), PublicClass::kDrop, DropReason::kRxMalformed},
      {"keepalive", in(udp(4500, 4500, Bytes{0xff}), 17), PublicClass::kDrop, DropReason::kNatKeepalive},
      {"another single byte", in(udp(4500, 4500, Bytes{0xfe}), 17), PublicClass::kDrop,
       DropReason::kUdpBadLength},
      {"empty on 4500", in(udp(4500, 4500, {}), 17), PublicClass::kDrop, DropReason::kUdpBadLength},
      {"UDP longer than IP", with_udp_length(in(udp(4500, 4500, esp), 17), 49), PublicClass::kDrop,
       DropReason::kUdpBadLength},
      {"UDP shorter than IP", with_udp_length(in(udp(4500, 4500, esp), 17), 47), PublicClass::kDrop,
       DropReason::kUdpBadLength},
      {"half a UDP header", in(Bytes(7), 17), PublicClass::kDrop, DropReason::kUdpBadLength},
      {"DNS", in(udp(53, 53, Bytes(30)), 17), PublicClass::kDrop, DropReason::kNotForUs},
      {"TCP", in(Bytes(20), 6), PublicClass::kDrop, DropReason::kNotForUs},
      {"AH", in(Bytes(40), 51), PublicClass::kDrop, DropReason::kNotForUs},
      {"a first fragment of ESP", in(esp, 50, 0x2000), PublicClass::kFragment},
      {"a later fragment of UDP", in(esp, 17, 0x0010), PublicClass::kFragment},
      {"a fragment of TCP", in(Bytes(40), 6, 0x2000), PublicClass::kDrop, DropReason::kNotForUs},
      {"echo request", in(Bytes{8, 0, 0xf7, 0xff, 0, 0, 0, 0}, 1), PublicClass::kIcmp},
      {"fragmentation needed about TCP",
       in(fragmentation_needed(ipv4(Bytes(20), {kPublicA, kPublicB, 6}), 1400), 1), PublicClass::kIcmp},
      {"fragmentation needed about ESP",
       in(fragmentation_needed(ipv4(esp, {kPublicA, kPublicB, 50}), 1400), 1), PublicClass::kPathMtu},
  };
  const PublicPort port;
  for (const ClassifyCase& test : cases) {
    SCOPED_TRACE(test.description);
    const Classified result =
        classify_public(test.packet.data(), static_cast<uint32_t>(test.packet.size()), port);
    EXPECT_EQ(result.what, test.what);
    EXPECT_EQ(result.drop, test.drop);
    EXPECT_EQ(result.esp_offset_bytes, test.esp_offset);
  }
}

Bytes from_mirror(const Bytes& packet, uint16_t ether_type = 0x0800, uint8_t source_mac = 1) {
  Bytes frame = ethernet(packet, mac_of(0x99), ether_type);
  std::memcpy(frame.data() + 6, mac_of(source_mac).addr_bytes, 6);
  return frame;
}

Bytes out(const Bytes& payload, uint8_t protocol, uint16_t fragment = 0, uint32_t source = kPublicA) {
  return ipv4(payload, {source, kPublicB, protocol, 0, 64, 7, fragment});
}

Bytes arp(uint16_t operation, uint32_t sender, uint32_t target, uint8_t sender_mac = 1) {
  Bytes packet = {0, 1, 8, 0, 6, 4, 0, 0};
  packet.resize(28);
  put16(packet, 6, operation);
  std::memcpy(packet.data() + 8, mac_of(sender_mac).addr_bytes, 6);
  put32(packet, 14, sender);
  put32(packet, 24, target);
  return packet;
}

struct MirrorCase {
  const char* description;
  Bytes frame;
  DropReason verdict;
};

TEST(MirrorFilter, PublicPort) {
  constexpr DropReason kNo = DropReason::kMirrorForbidden;
  const Bytes esp = esp_bytes(0x12345678);
  Bytes long_ip = out(udp(500, 500, ike(true, false)), 17);
  put16(long_ip, 2, 1000);
  const std::vector<MirrorCase> cases = {
      {"IKE", from_mirror(out(udp(500, 500, ike(true, false)), 17)), kKeep},
      {"IKE to a NAT's port", from_mirror(out(udp(500, 61000, ike(true, false)), 17)), kKeep},
      {"IKE on 4500", from_mirror(out(udp(4500, 61000, ike(true, true)), 17)), kKeep},
      {"keepalive", from_mirror(out(udp(4500, 4500, Bytes{0xff}), 17)), kKeep},
      {"ping", from_mirror(out(Bytes(8), 1)), kKeep},
      {"ARP request", from_mirror(arp(1, kPublicA, kPublicB), 0x0806), kKeep},
      {"ARP reply", from_mirror(arp(2, kPublicA, kPublicB), 0x0806), kKeep},
      {"ARP probe", from_mirror(arp(1, 0, kPublicA), 0x0806), kKeep},
      {"ARP probe for another's address", from_mirror(arp(1, 0, kPublicB), 0x0806), kNo},
      {"ARP reply for another's address", from_mirror(arp(2, kPublicB, kPublicA), 0x0806), kNo},
      {"ARP with another MAC inside", from_mirror(arp(2, kPublicA, kPublicB, 7), 0x0806), kNo},
      {"half an ARP", from_mirror(Bytes(20), 0x0806), kNo},
      {"ESP", from_mirror(out(esp, 50)), kNo},
      {"ESP in UDP", from_mirror(out(udp(4500, 4500, esp), 17)), kNo},
      {"ESP in UDP from 500", from_mirror(out(udp(500, 4500, esp), 17)), kNo},
      {"IKE from an address that isn't ours",
       from_mirror(out(udp(500, 500, ike(true, false)), 17, 0, kPublicB)), kNo},
      {"a ping from a LAN's address", from_mirror(out(Bytes(8), 1, 0, kHostA)), kNo},
      {"DNS", from_mirror(out(udp(5353, 53, Bytes(20)), 17)), kNo},
      {"UDP to 500 from elsewhere", from_mirror(out(udp(1234, 500, ike(true, false)), 17)), kNo},
      {"TCP", from_mirror(out(Bytes(20), 6)), kNo},
      {"an IKE fragment", from_mirror(out(udp(500, 500, ike(true, false)), 17, 0x2000)), kNo},
      {"a later fragment", from_mirror(out(Bytes(40), 17, 0x0010)), kNo},
      {"an IP length beyond the frame", from_mirror(long_ip), kNo},
      {"a UDP length that disagrees",
       from_mirror(with_udp_length(out(udp(500, 500, ike(true, false)), 17), 9)), kNo},
      {"IPv6", from_mirror(Bytes(40), 0x86dd), kNo},
      {"VLAN", from_mirror(out(Bytes(8), 1), 0x8100), kNo},
      {"another source MAC", from_mirror(out(Bytes(8), 1), 0x0800, 9), kNo},
      {"a runt", Bytes(13), DropReason::kRxMalformed},
  };
  const PublicPort port;
  for (const MirrorCase& test : cases) {
    SCOPED_TRACE(test.description);
    EXPECT_EQ(mirror_may_send(test.frame, port), test.verdict);
  }
}

TEST(MirrorFilter, LanPortSendsAnythingUnderItsOwnMac) {
  PublicPort port;
  port.vrf_id = kVrf;
  EXPECT_EQ(mirror_may_send(from_mirror(out(Bytes(20), 6)), port), kKeep);
  EXPECT_EQ(mirror_may_send(from_mirror(Bytes(40), 0x86dd), port), kKeep);
  EXPECT_EQ(mirror_may_send(from_mirror(out(Bytes(20), 6), 0x0800, 9), port), DropReason::kMirrorForbidden);
}

TEST(PathMtu, ReadsTheQuotedEsp) {
  const Bytes quoted = ipv4(esp_bytes(0xcafe0001), {kPublicA, kPublicB, 50});
  const auto plain = read_fragmentation_needed(in(fragmentation_needed(quoted, 1380), 1));
  ASSERT_TRUE(plain);
  EXPECT_EQ(ipv4_of(plain->local), kPublicA);
  EXPECT_EQ(ipv4_of(plain->remote), kPublicB);
  EXPECT_EQ(plain->spi, 0xcafe0001);
  EXPECT_EQ(plain->mtu_bytes, 1380);
  EXPECT_EQ(plain->remote_port, 0);
  // Routers quote as little as 8 bytes of payload (RFC 792); their header says the whole length.
  const Bytes shortest(quoted.begin(), quoted.begin() + 28);
  EXPECT_TRUE(read_fragmentation_needed(in(fragmentation_needed(shortest, 1380), 1)));
  const Bytes too_short(quoted.begin(), quoted.begin() + 27);
  EXPECT_FALSE(read_fragmentation_needed(in(fragmentation_needed(too_short, 1380), 1)));

  const Bytes natt = ipv4(udp(4500, 61000, esp_bytes(0xcafe0002)), {kPublicA, kPublicB, 17});
  const auto in_udp = read_fragmentation_needed(in(fragmentation_needed(natt, 1300), 1));
  ASSERT_TRUE(in_udp);
  EXPECT_EQ(in_udp->spi, 0xcafe0002);
  EXPECT_EQ(in_udp->remote_port, 61000);
  const Bytes of_ike = ipv4(udp(4500, 4500, ike(true, true)), {kPublicA, kPublicB, 17});
  EXPECT_FALSE(read_fragmentation_needed(in(fragmentation_needed(of_ike, 1300), 1)));

  Bytes bad_checksum = fragmentation_needed(quoted, 1380);
  bad_checksum[3] ^= 1;
  EXPECT_FALSE(read_fragmentation_needed(in(bad_checksum, 1)));
  Bytes other_code = fragmentation_needed(quoted, 1380);
  other_code[1] = 3;
  put16(other_code, 2, 0);
  put16(other_code, 2, internet_checksum(other_code, 0, other_code.size()));
  EXPECT_FALSE(read_fragmentation_needed(in(other_code, 1)));
}

}  // namespace

}  // namespace sallyport::dataplane::testing
