// SPDX-License-Identifier: BSD-3-Clause
// Two sites with a tunnel between: 10.1.0.0/24 behind gateway A, 10.2.0.0/24 behind gateway B, a host .2 on
// each LAN, and an oracle that knows both SAs.
#pragma once

#include "tests/dataplane_path/gateway.h"

namespace sallyport::dataplane::testing {

inline constexpr uint32_t kPublicA = 0xc6336401, kPublicB = 0xc6336402;  // 198.51.100.1, .2
inline constexpr uint32_t kLanA = 0x0a010000, kLanB = 0x0a020000;
inline constexpr uint32_t kHostA = kLanA | 2, kHostB = kLanB | 2;
inline constexpr uint32_t kGroupTunnel = 1, kGroupHost = 2, kGroupLocal = 3, kGroupConnected = 4;
inline constexpr uint32_t kTunnel = 1, kPeerNeighbour = 1, kHostNeighbour = 2;
inline constexpr uint16_t kDf = 0x4000;

// IPv4 addresses and ports, both ends included; protocol 0: any.
inline api::Selector range(uint32_t from, uint32_t to, uint8_t protocol = 0, uint16_t port_from = 0,
                           uint16_t port_to = 65535) {
  api::Selector selector{};
  selector.family = api::Family::kIpv4;
  selector.protocol = protocol;
  selector.port_from = port_from;
  selector.port_to = port_to;
  selector.from = address_of(from).bytes;
  selector.to = address_of(to).bytes;
  return selector;
}

struct SiteOptions {
  uint32_t workers = 1;
  uint32_t slot = 4;  // of the SAs; with 2 workers an odd slot lives on worker 1
  bool encap = false;
  bool esn = false;
};

inline OracleSa sa_between(uint32_t from, uint32_t to, const SiteOptions& options) {
  OracleSa sa;
  sa.spi = (from & 0xff) << 28 | options.slot;
  sa.key = Bytes(20, static_cast<uint8_t>(from));
  sa.source = from;
  sa.destination = to;
  sa.encap = options.encap;
  sa.esn = options.esn;
  return sa;
}

// One of the two: A is `local`.
class Site {
 public:
  Site(uint32_t local, uint32_t remote, uint32_t lan, uint32_t remote_lan, const SiteOptions& options)
      : gateway(options.workers),
        inbound(sa_between(remote, local, options)),
        outbound(sa_between(local, remote, options)) {
    gateway.add_vrf(kVrf);
    gateway.add_port(kPublicPort, kPublicVrf, local);
    gateway.add_port(kLanPort, kVrf, lan | 1);
    gateway.add_neighbour(kPeerNeighbour, kPublicPort, remote);
    gateway.add_neighbour(kHostNeighbour, kLanPort, lan | 2);
    gateway.add_group(kGroupTunnel, kVrf, {{api::MemberKind::kTunnel, 1, 1, kTunnel}});
    gateway.add_group(kGroupHost, kVrf, {{api::MemberKind::kNeighbour, 1, 1, kHostNeighbour}});
    gateway.add_group(kGroupLocal, kVrf, {{api::MemberKind::kLocal, 1, 1, 0}});
    gateway.add_group(kGroupConnected, kVrf, {{api::MemberKind::kConnected, 1, 1, kLanPort}});
    gateway.add_route(kVrf, remote_lan, 24, kGroupTunnel);
    gateway.add_route(kVrf, lan, 24, kGroupConnected);
    gateway.add_route(kVrf, lan | 1, 32, kGroupLocal);
    gateway.add_route(kVrf, lan | 2, 32, kGroupHost);
    tunnel = &gateway.add_tunnel(kTunnel, kVrf, kPeerNeighbour);
  }

  void add_sas(const SelectorSet* selectors = nullptr, api::Lifetimes lifetimes = {}) {
    inbound_sa = &gateway.add_inbound(inbound, kTunnel, selectors, lifetimes);
    outbound_sa =
        &gateway.add_outbound(outbound, inbound.spi & api::kSlotMask, kTunnel, selectors, lifetimes);
  }
  void from_lan(const Bytes& packet, uint32_t queue = 0) {
    gateway.receive(kLanPort, ethernet(packet, gateway.mac(kLanPort)), queue);
  }
  void from_outside(const Bytes& packet, uint32_t queue = 0) {
    gateway.receive(kPublicPort, ethernet(packet, gateway.mac(kPublicPort)), queue);
  }

  Gateway gateway;
  OracleSa inbound, outbound;
  Tunnel* tunnel = nullptr;
  InboundSa* inbound_sa = nullptr;
  OutboundSa* outbound_sa = nullptr;
};

struct SiteA : Site {
  explicit SiteA(const SiteOptions& options = {}) : Site(kPublicA, kPublicB, kLanA, kLanB, options) {}
};
struct SiteB : Site {
  explicit SiteB(const SiteOptions& options = {}) : Site(kPublicB, kPublicA, kLanB, kLanA, options) {}
};

// An IPv4 header without options gets the right checksum.
inline Bytes with_checksum(Bytes packet) {
  put16(packet, 10, 0);
  put16(packet, 10, internet_checksum(packet, 0, 20));
  return packet;
}

// An IPv4 packet without options with these, a multiple of 4 bytes.
inline Bytes with_options(const Bytes& packet, const Bytes& options) {
  Bytes result(packet.begin(), packet.begin() + 20);
  result.insert(result.end(), options.begin(), options.end());
  result.insert(result.end(), packet.begin() + 20, packet.end());
  result[0] = static_cast<uint8_t>(0x40 | (20 + options.size()) / 4);
  put16(result, 2, static_cast<uint32_t>(result.size()));
  put16(result, 10, 0);
  put16(result, 10, internet_checksum(result, 0, 20 + options.size()));
  return result;
}

// What forwarding `times` times leaves of a packet.
inline Bytes forwarded(Bytes packet, uint8_t times = 1) {
  packet.at(8) = static_cast<uint8_t>(packet.at(8) - times);
  return with_checksum(std::move(packet));
}

class PathTest : public ::testing::Test {
 protected:
  void SetUp() override { packets_before_ = rte_mempool_avail_count(packet_pool()); }
  void TearDown() override {
    EXPECT_EQ(rte_mempool_avail_count(packet_pool()), packets_before_) << "packets leaked";
  }

  uint32_t packets_before_ = 0;
};

// IPv4, then TCP without data and with an MSS option.
inline Bytes tcp_with_mss(Ipv4Fields fields, uint8_t flags, uint32_t mss, uint64_t sequence = 0) {
  Bytes tcp(24);
  put16(tcp, 0, 40000);
  put16(tcp, 2, 443);
  put32(tcp, 4, static_cast<uint32_t>(sequence));
  tcp[12] = 6 << 4;
  tcp[13] = flags;
  tcp[20] = 2;
  tcp[21] = 4;
  put16(tcp, 22, mss);
  Bytes pseudo(12);
  put32(pseudo, 0, fields.source);
  put32(pseudo, 4, fields.destination);
  pseudo[9] = 6;
  put16(pseudo, 10, 24);
  pseudo.insert(pseudo.end(), tcp.begin(), tcp.end());
  put16(tcp, 16, internet_checksum(pseudo, 0, pseudo.size()));
  fields.protocol = 6;
  return ipv4(tcp, fields);
}

}  // namespace sallyport::dataplane::testing
