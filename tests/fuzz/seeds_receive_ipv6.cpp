// SPDX-License-Identifier: BSD-3-Clause
// Seeds of fuzz_receive with IPv6 outside, inside or both.
#include "tests/fuzz/receive_script.h"
#include "tests/fuzz/receive_world.h"
#include "tests/fuzz/seeds.h"

namespace sallyport::dataplane::testing {

namespace {

Ip6 behind(uint8_t site) {
  return ip6(site, 2);
}
Bytes inner(SaKind kind = kGcm, size_t bytes = 100) {
  return ipv6_of_size(bytes, {.source = behind(site_behind(kind)), .destination = kHostA6});
}
Bytes to_host(uint8_t next_header, const Bytes& payload, uint8_t site = 2) {
  return ipv6(payload, {.source = behind(site), .destination = kHostA6, .next_header = next_header});
}
Bytes inner_to(const Ip6& destination, uint8_t hop_limit = 64) {
  return ipv6_of_size(80, {.source = behind(2), .destination = destination, .hop_limit = hop_limit});
}
Bytes outgoing(uint8_t site, size_t bytes = 100) {
  return ipv6_of_size(bytes, {.source = kHostA6, .destination = behind(site)});
}
Bytes to_us(uint8_t next_header, const Bytes& payload) {
  return ipv6(payload, {.source = kPublicB6, .destination = kPublicA6, .next_header = next_header});
}
Bytes packet_too_big(const Bytes& payload, uint8_t next_header, uint32_t mtu) {
  Bytes body(4);
  put32(body, 0, mtu);
  const Bytes quoted =
      ipv6(payload, {.source = kPublicA6, .destination = kPublicB6, .next_header = next_header});
  body.insert(body.end(), quoted.begin(), quoted.end());
  return icmp6(2, 0, body, {.source = kPublicB6, .destination = kPublicA6});
}
Bytes spi_of(SaKind kind) {
  Bytes esp(24);
  put32(esp, 0, 0x98700000u | kind);
  return esp;
}

struct List {
  void add(const std::string& name, const Script& script) {
    Bytes bytes = Script().sealed(kOuterIpv6, inner(kOuterIpv6), {.sequence = 1}).bytes();
    const Bytes after = Script().sealed(kOuterIpv6, inner(kOuterIpv6), {.sequence = 90}).run().bytes();
    bytes.insert(bytes.end(), script.bytes().begin(), script.bytes().end());
    bytes.insert(bytes.end(), after.begin(), after.end());
    seeds.push_back({"ipv6-" + name, bytes});
  }
  void add(const std::string& name, const Bytes& packet, uint8_t what = 0) {
    add(name, Script().packet(packet, what));
  }
  void add_sealed(const std::string& name, const Bytes& packet, const Sealing& sealing = {.sequence = 2},
                  SaKind kind = kGcm) {
    add(name, Script().sealed(kind, packet, sealing));
  }
  std::vector<Seed> seeds;
};

void add_inner(List& list) {
  for (uint8_t kind = 0; kind < kSaKinds; ++kind)
    list.add_sealed("inner-" + std::to_string(kind), inner(static_cast<SaKind>(kind)), {.sequence = 2},
                    static_cast<SaKind>(kind));
  Bytes wrong = inner();
  put16(wrong, 4, 200);
  list.add_sealed("inner-length-beyond", wrong);
  list.add_sealed("inner-half-a-header", Bytes(20, 0x60), {.sequence = 2, .next_header = 41});
  list.add_sealed("inner-nothing", {}, {.sequence = 2, .next_header = 41});
  list.add_sealed("inner-called-ipv4", inner(), {.sequence = 2, .next_header = 4});
  list.add_sealed("inner-ecn-ce-outside", inner(), {.sequence = 2, .outer_tos = 3});
  list.add_sealed("inner-hop-limit-one", inner_to(kHostA6, 1));
  list.add_sealed("inner-to-link-local", inner_to(link_local6(1)));
  list.add_sealed("inner-to-loopback", inner_to({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}));
  list.add_sealed("inner-to-multicast", inner_to(multicast6(14, 1)));
  list.add_sealed("inner-to-gateway", inner_to(ip6(1, 1)));
  list.add_sealed("inner-to-another-host", inner_to(ip6(1, 9)));
  list.add_sealed("inner-to-another-tunnel", inner_to(behind(3)));
  list.add_sealed("inner-to-unrouted", inner_to(kStranger));
  list.add_sealed("inner-neighbour-discovery",
                  icmp6(135, 0, Bytes(20), {.source = behind(2), .destination = kHostA6, .hop_limit = 255}));
  for (uint8_t site = kToNowhere; site < kOddNetworksEnd; ++site) {
    list.add_sealed("inner-to-odd-network-" + std::to_string(site), inner_to(behind(site)));
    list.add("lan-to-odd-network-" + std::to_string(site), outgoing(site), kFromLan);
  }
  list.add_sealed("inner-too-big-for-the-lan",
                  ipv6_of_size(1600, {.source = behind(2), .destination = kHostA6}));
  list.add_sealed("selectors-miss", to_host(6, Bytes(40), 4), {.sequence = 2}, kSelective);
  Bytes quote(4);
  const Bytes quoted = ipv6_of_size(80, {.source = kHostA6, .destination = behind(4)});
  quote.insert(quote.end(), quoted.begin(), quoted.end());
  const Ipv6Fields to_lan{.source = behind(4), .destination = kHostA6};
  list.add_sealed("selectors-icmp-error-quotes-them", icmp6(3, 0, quote, to_lan), {.sequence = 2},
                  kSelective);
  list.add_sealed("selectors-icmp-error-quotes-half", icmp6(3, 0, Bytes(20), to_lan), {.sequence = 2},
                  kSelective);
  list.add_sealed("selectors-icmp-error-quotes-ipv4", icmp6(3, 0, Bytes(80, 0x45), to_lan), {.sequence = 2},
                  kSelective);
  list.add_sealed("selectors-icmp-echo", icmp6(128, 0, Bytes(8), to_lan), {.sequence = 2}, kSelective);
}

// RFC 8200 section 4: each kind, in order and out of it, and more than anybody needs.
void add_extensions(List& list) {
  const Bytes udp = with_ports(1000, 2000, Bytes(20));
  const auto nested = [&](int count, uint8_t kind) {
    Bytes payload = udp;
    uint8_t next = 17;
    for (int i = 0; i < count; ++i) {
      payload = extension6(next, payload);
      next = kind;
    }
    return to_host(next, payload);
  };
  list.add_sealed("extensions-one", nested(1, 60));
  list.add_sealed("extensions-many", nested(9, 60));
  list.add_sealed("extensions-too-many", nested(30, 60));
  list.add_sealed("extensions-hop-by-hop", to_host(0, extension6(17, udp)));
  list.add_sealed("extensions-hop-by-hop-second", to_host(60, extension6(0, extension6(17, udp))));
  Bytes routing = extension6(17, udp);
  routing[3] = 1;
  list.add_sealed("extensions-routing", to_host(43, routing));
  Bytes beyond = extension6(17, udp);
  beyond[1] = 200;
  list.add_sealed("extensions-beyond", to_host(60, beyond));
  list.add_sealed("extensions-cut", to_host(60, {17, 0, 1}));
  list.add_sealed("extensions-fragment", to_host(44, fragment6(17, 0, true, 5, udp)));
  list.add_sealed("extensions-later-fragment", to_host(44, fragment6(17, 64, false, 5, udp)));
  list.add_sealed("extensions-outside", inner(kOuterIpv6), {.sequence = 2, .source = kExtension}, kOuterIpv6);
  list.add_sealed("extensions-outside-udp", inner(kIpv4Alone), {.sequence = 2, .source = kExtension},
                  kIpv4Alone);
  list.add("extensions-outside-beyond", to_us(60, beyond));
  list.add("extensions-lan-beyond", ipv6(beyond, {.next_header = 60}), kFromLan);
}

void add_outer(List& list) {
  list.add("udp-other-port", to_us(17, with_ports(4500, 4501, Bytes(40, 1))));
  list.add("udp-keepalive", to_us(17, with_ports(4500, 4500, {0xff})));
  list.add("udp-short", to_us(17, Bytes(4)));
  list.add("ike-500", to_us(17, kUdp500));
  list.add("ike-4500-init", to_us(17, with_ports(4500, 4500, Bytes(40))));
  list.add("esp-short", to_us(50, Bytes(3)));
  list.add("esp-unknown-spi", to_us(50, Bytes(60, 7)));
  list.add("icmp-echo-to-us", icmp6(128, 0, Bytes(8), {.source = kPublicB6, .destination = kPublicA6}));
  list.add("icmp-echo-to-many", icmp6(128, 0, Bytes(8), {.source = kPublicB6, .destination = kSolicited}));
  list.add("solicitation",
           icmp6(135, 0, Bytes(20), {.source = link_local6(9), .destination = kPublicA6, .hop_limit = 255}));
  list.add("solicitation-from-afar",
           icmp6(135, 0, Bytes(20), {.source = kPublicB6, .destination = kPublicA6}));
  list.add(
      "listener-query",
      ipv6(extension6(58, {130, 0, 0, 0}),
           {.source = link_local6(9), .destination = multicast6(2, 1), .next_header = 0, .hop_limit = 1}));
  list.add("esp-to-link-local",
           ipv6(Bytes(40), {.source = link_local6(7), .destination = link_local6(9), .next_header = 50}));
  list.add("tcp-to-us", to_us(6, Bytes(40)));
  list.add("multicast-routed", ipv6_of_size(60, {.destination = multicast6(14, 1)}));
  list.add("cleartext-to-a-protected-host", ipv6_of_size(60, {.source = kPublicB6, .destination = kHostA6}));
  list.add("cleartext-to-a-stranger", ipv6_of_size(60, {.source = kPublicB6, .destination = kStranger}));
  list.add("to-many-for-one", to_us(50, Bytes(60)), kToMany);
  list.add("half-a-header", Bytes(20, 0x60));
  Bytes beyond = to_us(50, Bytes(60));
  put16(beyond, 4, 1400);
  list.add("length-beyond", beyond);
  list.add("path-mtu", Script()
                           .packet(packet_too_big(spi_of(kOuterIpv6), 50, 1300))
                           .run(3)
                           .packet(outgoing(5, 1400), kFromLan)
                           .packet(outgoing(5, 1280), kFromLan)
                           .packet(packet_too_big(with_ports(4500, 4500, spi_of(kIpv4Alone)), 17, 1280))
                           .run(2)
                           .packet(ipv4_of_size(1270, {kHostA, network4(7) | 2}), kFromLan));
  list.add("path-mtu-of-a-fragment", packet_too_big(fragment6(50, 0, true, 3, spi_of(kOuterIpv6)), 44, 1300));
  list.add("path-mtu-of-a-later-fragment",
           packet_too_big(fragment6(50, 64, true, 3, spi_of(kOuterIpv6)), 44, 1300));
  list.add("path-mtu-quotes-half",
           icmp6(2, 0, Bytes(20, 0x60), {.source = kPublicB6, .destination = kPublicA6}));
  list.add("path-mtu-quotes-too-little", packet_too_big(Bytes(4), 50, 1300));
  list.add_sealed("fragments", inner(kOuterIpv6, 400), {.sequence = 2, .fragment = 16}, kOuterIpv6);
  list.add_sealed("fragments-last-first", inner(kIpv4Alone, 400), {.sequence = 2, .fragment = 0x80 | 9},
                  kIpv4Alone);
  list.add("fragments-overlap", Script()
                                    .packet(to_us(44, fragment6(50, 0, true, 1, Bytes(64))))
                                    .packet(to_us(44, fragment6(50, 32, true, 1, Bytes(64))))
                                    .packet(to_us(44, fragment6(50, 64, false, 1, Bytes(16)))));
  list.add("fragment-alone",
           Script().packet(to_us(44, fragment6(50, 0, true, 1, Bytes(64)))).run(1, 5).run(1, 3));
  list.add("fragment-behind-an-extension", to_us(60, extension6(44, fragment6(50, 0, true, 1, Bytes(64)))));
  list.add("fragment-of-tcp", to_us(44, fragment6(6, 0, true, 1, Bytes(64))));
  list.add("fragments-of-ike",
           Script()
               .packet(to_us(44, fragment6(17, 0, true, 2, Bytes(kUdp500.begin(), kUdp500.begin() + 16))))
               .packet(to_us(44, fragment6(17, 16, false, 2, Bytes(kUdp500.begin() + 16, kUdp500.end())))));
  list.add("fragments-of-an-odd-length", Script()
                                             .packet(to_us(44, fragment6(50, 0, true, 4, Bytes(13))))
                                             .packet(to_us(44, fragment6(50, 16, false, 4, Bytes(13)))));
  list.add("fragments-time-out-at-the-next", Script()
                                                 .packet(to_us(44, fragment6(50, 0, true, 1, Bytes(64))))
                                                 .run(1)
                                                 .run(1, 3)
                                                 .run(1, 4)
                                                 .packet(to_us(44, fragment6(50, 0, true, 1, Bytes(64))))
                                                 .run(1, 4)
                                                 .packet(to_us(44, fragment6(50, 64, true, 1, Bytes(64)))));
}

void add_lan_and_mirrors(List& list) {
  for (uint8_t kind = 0; kind < kSaKinds; ++kind) {
    const uint8_t site = site_behind(static_cast<SaKind>(kind));
    list.add("lan-to-tunnel-" + std::to_string(kind),
             Script()
                 .packet(outgoing(site), kFromLan)
                 .packet(outgoing(site, 1500), kFromLan | kOtherQueue)
                 .run()
                 .change(Change::kPathMtu, static_cast<uint8_t>(kind + 6))
                 .packet(outgoing(site, 1280), kFromLan));
  }
  list.add("lan-hop-limit-one",
           ipv6_of_size(60, {.source = kHostA6, .destination = behind(2), .hop_limit = 1}), kFromLan);
  list.add("lan-short", Bytes(20, 0x60), kFromLan);
  list.add("lan-to-many-for-one", outgoing(2), kFromLan | kToMany);
  list.add(
      "lan-solicitation",
      icmp6(135, 0, Bytes(20), {.source = link_local6(9), .destination = link_local6(1), .hop_limit = 255}),
      kFromLan);
  list.add("lan-multicast-of-the-link",
           ipv6_of_size(60, {.source = link_local6(9), .destination = multicast6(2, 5)}), kFromLan | kToMany);
  list.add("lan-multicast-routed", ipv6_of_size(60, {.source = kHostA6, .destination = multicast6(14, 1)}),
           kFromLan | kToMany);
  list.add("lan-to-gateway", ipv6_of_size(60, {.source = kHostA6, .destination = ip6(1, 1)}), kFromLan);
  list.add("lan-sa-gone", Script()
                              .change(Change::kDeactivate, kGcm)
                              .packet(outgoing(2), kFromLan)
                              .change(Change::kNeighbourGone, kPeer6 - 1)
                              .packet(outgoing(5), kFromLan));
  list.add("lan-without-buffers", Script()
                                      .packet(outgoing(2, 1600), kFromLan)
                                      .change(Change::kPathMtu, 24 + kOuterIpv6)
                                      .packet(outgoing(5, 1280), kFromLan)
                                      .change(Change::kNoBuffers, 1)
                                      .run()
                                      .change(Change::kBuffers));
  list.add("mirror-tun",
           Script()
               .mirror(outgoing(2), kTun)
               .mirror(outgoing(2, 1500), kTun)
               .mirror(Bytes(20, 0x60), kTun)
               .mirror(ipv6_of_size(60, {.source = ip6(1, 1), .destination = ip6(1, 1)}), kTun));
}

}  // namespace

std::vector<Seed> receive_ipv6_seeds() {
  List list;
  add_inner(list);
  add_extensions(list);
  add_outer(list);
  add_lan_and_mirrors(list);
  return list.seeds;
}

}  // namespace sallyport::dataplane::testing
