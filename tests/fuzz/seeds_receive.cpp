// SPDX-License-Identifier: BSD-3-Clause
// Seeds of fuzz_receive with IPv4 outside and inside.
#include <functional>

#include "dataplane/path/probe_packets.h"
#include "tests/fuzz/receive_script.h"
#include "tests/fuzz/receive_world.h"
#include "tests/fuzz/seeds.h"

namespace sallyport::dataplane::testing {

namespace {

constexpr uint8_t kAllMore = 31;

// To host A from behind an SA's tunnel, and the way back.
Bytes inner(SaKind kind = kGcm, size_t bytes = 100) {
  return ipv4_of_size(bytes, {network4(site_behind(kind)) | 2, kHostA});
}
Bytes outgoing(uint8_t site, size_t bytes = 100, uint16_t fragment = 0) {
  return ipv4_of_size(bytes, {kHostA, network4(site) | 2, 17, 0, 64, 7, fragment});
}
Bytes changed(Bytes packet, size_t at, uint32_t value) {
  put16(packet, at, value);
  return packet;
}
Bytes to_us(uint8_t protocol, const Bytes& payload, uint16_t fragment = 0) {
  return ipv4(payload, {kPublicB, kPublicA, protocol, 0, 64, 7, fragment});
}
Bytes udp_to_us(uint16_t port, const Bytes& payload) {
  return to_us(17, with_ports(4500, port, payload));
}
Bytes icmp(uint8_t type, uint8_t code, const Bytes& body, const Ipv4Fields& fields) {
  Bytes message = {type, code, 0, 0};
  message.insert(message.end(), body.begin(), body.end());
  put16(message, 2, internet_checksum(message, 0, message.size()));
  return ipv4(message, fields);
}
// ICMP fragmentation needed that quotes ESP of ours; the SPI is the outbound SA's.
Bytes fragmentation_needed(const Bytes& payload, uint8_t protocol, uint16_t mtu) {
  const Bytes quoted = ipv4(payload, {kPublicA, kPublicB, protocol});
  Bytes body = {0, 0, static_cast<uint8_t>(mtu >> 8), static_cast<uint8_t>(mtu)};
  body.insert(body.end(), quoted.begin(), quoted.end());
  return icmp(3, 4, body, {kPublicB, kPublicA, 1});
}
Bytes spi_of(SaKind kind) {
  Bytes esp(24);
  put32(esp, 0, 0x98700000u | kind);
  return esp;
}
// What arrives between two good packets of another SA.
Script between(const std::function<void(Script&)>& hostile) {
  Script script;
  script.sealed(kGcm, inner(), {.sequence = 1}).sealed(kNatt, inner(kNatt), {.sequence = 1});
  hostile(script);
  script.sealed(kGcm, inner(), {.sequence = 100}).run();
  return script;
}

struct List {
  void add(const std::string& name, const std::function<void(Script&)>& hostile) {
    seeds.push_back({name, between(hostile).bytes()});
  }
  void add(const std::string& name, const Bytes& packet, uint8_t what = 0, uint8_t how = 0) {
    add(name, [&](Script& script) { script.packet(packet, what, how); });
  }
  void add_sealed(const std::string& name, const Bytes& packet, const Sealing& sealing, SaKind kind = kGcm) {
    add(name, [&](Script& script) { script.sealed(kind, packet, sealing); });
  }
  std::vector<Seed> seeds;
};

void add_short_and_wrong_esp(List& list) {
  const Bytes least = ipv4_of_size(20, {kHostB, kHostA});
  for (const uint8_t bytes : {1, 4, 12, 16, 30, 36, 44, 52, 60, 68})
    list.add_sealed(("esp-short-" + std::to_string(bytes)), least, {.sequence = 2, .cut_bytes = bytes});
  for (const uint8_t bytes : {4, 40, 60, 64, 66, 67})
    list.add_sealed(("esp-udp-short-" + std::to_string(bytes)), least, {.sequence = 2, .cut_bytes = bytes},
                    kNatt);
  list.add_sealed("esp-misaligned-cbc", inner(kCbcEsn), {.sequence = 2, .cut_bytes = 4}, kCbcEsn);
  list.add_sealed("esp-spi-unknown", inner(), {.sequence = 2, .change_at = 20, .change_by = 0x40});
  list.add_sealed("esp-spi-slot-empty", inner(), {.sequence = 2, .change_at = 23, .change_by = 0x20});
  list.add("esp-spi-zero", to_us(50, Bytes(60)));
  list.add_sealed("esp-bad-icv", inner(), {.sequence = 2, .change_at = 60, .change_by = 1});
  list.add_sealed("esp-number-forged", inner(), {.sequence = 2, .change_at = 25, .change_by = 0x7f});
  list.add_sealed("esp-replayed", inner(), {.sequence = 1});
  list.add_sealed("esp-number-zero", inner(), {.sequence = 0});
  list.add("esp-replayed-in-one-burst", [](Script& script) {
    script.sealed(kNatt, inner(kNatt), {.sequence = 9}, kOtherQueue, shaped(Shape::kRepeated, 3));
  });
  list.add("esp-left-of-the-window", [](Script& script) {
    script.sealed(kGcm, inner(), {.sequence = 2000}).run().sealed(kGcm, inner(), {.sequence = 1900});
  });
  list.add_sealed("pad-length-beyond", inner(), {.sequence = 2, .pad_length = 255});
  list.add_sealed("pad-most", inner(), {.sequence = 2, .more_padding = 15});
  list.add_sealed("next-header-dummy", inner(), {.sequence = 2, .next_header = 59});
  list.add_sealed("next-header-transport", inner(), {.sequence = 2, .next_header = 6});
  list.add_sealed("next-header-ipv6-of-ipv4", inner(), {.sequence = 2, .next_header = 41});
  list.add_sealed("ecn-ce-outside", inner(), {.sequence = 2, .outer_tos = 3});
  list.add_sealed("ecn-merged", ipv4_of_size(60, {network4(2) | 2, kHostA, 17, 2}),
                  {.sequence = 2, .outer_tos = 3});
  list.add("hard-lifetime", [](Script& script) {
    for (uint16_t i = 1; i <= 14; ++i)
      script.sealed(kCbcEsn, inner(kCbcEsn), {.sequence = i});
  });
}

void add_inner(List& list) {
  list.add_sealed("inner-total-length-zero", changed(inner(), 2, 0), {.sequence = 2});
  list.add_sealed("inner-total-length-beyond", changed(inner(), 2, 101), {.sequence = 2});
  list.add_sealed("inner-ihl-zero", changed(inner(), 0, 0x4000), {.sequence = 2});
  list.add_sealed("inner-ihl-four", changed(inner(), 0, 0x4400), {.sequence = 2});
  list.add_sealed("inner-ihl-beyond", changed(ipv4_of_size(24), 0, 0x4f00), {.sequence = 2});
  list.add_sealed("inner-version-seven", changed(inner(), 0, 0x7500), {.sequence = 2});
  list.add_sealed("inner-nothing", {}, {.sequence = 2, .next_header = 4});
  list.add_sealed("inner-half-a-header", Bytes(10, 0x45), {.sequence = 2, .next_header = 4});
  list.add_sealed("inner-source-route", with_options(inner(), {131, 7, 4, 10, 2, 0, 9, 0}), {.sequence = 2});
  list.add_sealed("inner-option-beyond", with_options(inner(), {7, 5, 0, 0}), {.sequence = 2});
  list.add_sealed("inner-router-alert", with_options(inner(), {148, 4, 0, 0}), {.sequence = 2});
  list.add_sealed("inner-ttl-one", ipv4_of_size(60, {network4(2) | 2, kHostA, 17, 0, 1}), {.sequence = 2});
  list.add_sealed("inner-ipv4-in-ipv4-alone", inner(kIpv4Alone), {.sequence = 2}, kIpv4Alone);
  list.add_sealed("selectors-fit", inner(kSelective), {.sequence = 2}, kSelective);
  list.add_sealed("selectors-miss", ipv4_of_size(60, {network4(4) | 2, kHostA, 6}), {.sequence = 2},
                  kSelective);
  const auto error = [](uint8_t type, const Bytes& quoted) {
    Bytes body(4);
    body.insert(body.end(), quoted.begin(), quoted.end());
    return icmp(type, 1, body, {network4(4) | 2, kHostA, 1});
  };
  const Bytes quoted = ipv4_of_size(60, {kHostA, network4(4) | 2});
  list.add_sealed("selectors-icmp-error-quotes-them", error(3, quoted), {.sequence = 2}, kSelective);
  list.add_sealed("selectors-icmp-error-quotes-another", error(11, ipv4_of_size(60, {kHostB, kHostA})),
                  {.sequence = 2}, kSelective);
  list.add_sealed("selectors-icmp-error-quotes-half", error(3, Bytes(quoted.begin(), quoted.begin() + 24)),
                  {.sequence = 2}, kSelective);
  list.add_sealed("selectors-icmp-echo", icmp(8, 0, Bytes(40), {network4(4) | 2, kHostA, 1}), {.sequence = 2},
                  kSelective);
  list.add_sealed("selectors-icmp-bad-quote", error(3, changed(quoted, 0, 0x4f00)), {.sequence = 2},
                  kSelective);
  for (uint8_t site = kToNowhere; site < kOddNetworksEnd; ++site) {
    list.add_sealed(("inner-to-odd-network-" + std::to_string(site)),
                    ipv4_of_size(60, {network4(2) | 2, network4(site) | 2}), {.sequence = 2});
    list.add(("lan-to-odd-network-" + std::to_string(site)), outgoing(site), kFromLan);
  }
  list.add_sealed("inner-to-unrouted", ipv4_of_size(60, {network4(2) | 2, 0xc0000201}), {.sequence = 2});
  list.add_sealed("inner-to-multicast", ipv4_of_size(60, {network4(2) | 2, 0xe0000005}), {.sequence = 2});
  list.add_sealed("inner-to-gateway", ipv4_of_size(60, {network4(2) | 2, kLanA | 1}), {.sequence = 2});
  list.add_sealed("inner-to-another-host", ipv4_of_size(60, {network4(2) | 2, kLanA | 9}), {.sequence = 2});
  list.add_sealed("inner-to-another-tunnel", ipv4_of_size(60, {network4(2) | 2, network4(3) | 2}),
                  {.sequence = 2});
  list.add("inner-too-big-for-the-lan", [](Script& script) {
    script.sealed(kGcm, ipv4_of_size(1600, {network4(2) | 2, kHostA, 17, 0, 64, 7, kDf}), {.sequence = 2})
        .sealed(kGcm, ipv4_of_size(1600, {network4(2) | 2, kHostA}), {.sequence = 3})
        .sealed(kGcm, with_options(ipv4_of_size(1600, {network4(2) | 2, kHostA}), Bytes(36, 1)),
                {.sequence = 4});
  });
  Bytes syn(24);
  put16(syn, 12, 0x6002);
  syn[20] = 2;
  syn[21] = 4;
  put16(syn, 22, 9000);
  list.add_sealed("inner-tcp-syn", ipv4(syn, {network4(2) | 2, kHostA, 6}), {.sequence = 2});
}

void add_outer(List& list) {
  for (const auto& [name, at, value] : std::initializer_list<std::tuple<const char*, size_t, uint32_t>>{
           {"outer-total-length-zero", 2, 0},
           {"outer-total-length-below", 2, 19},
           {"outer-total-length-beyond", 2, 1400},
           {"outer-ihl-zero", 0, 0x4000},
           {"outer-version-six", 0, 0x6500},
       }) {
    list.add(name, changed(to_us(50, Bytes(60, 1)), at, value));
  }
  list.add("outer-half-a-header", Bytes(10, 0x45));
  list.add("outer-options", with_options(to_us(50, Bytes(60, 1)), {148, 4, 0, 0}));
  list.add("frame-nothing", Bytes{}, kRawFrame);
  list.add("frame-half-a-header", Bytes(10, 2), kRawFrame);
  const auto frame = [](uint8_t last, uint16_t ether_type, const Bytes& packet) {
    return ethernet(packet, mac_of(last), ether_type);
  };
  list.add("frame-unknown-type", frame(1, 0x88cc, Bytes(40)), kRawFrame);
  list.add("frame-of-another-station", frame(9, 0x0800, inner()), kRawFrame);
  list.add("frame-arp", frame(1, 0x0806, Bytes(28)), kRawFrame);
  list.add("frame-arp-lan", frame(2, 0x0806, Bytes(28)), kRawFrame | kFromLan);
  list.add("frame-unknown-type-lan", frame(2, 0x88cc, Bytes(40)), kRawFrame | kFromLan);
  list.add("frame-to-many", to_us(50, Bytes(60, 1)), kToMany);
  list.add("frame-to-many-lan", outgoing(2), kToMany | kFromLan);
  list.add("outer-bad-checksum", changed(udp_to_us(4500, Bytes(60, 1)), 10, 1));
  const Bytes to_probes = ipv4_of_size(60, {kProbeSource, kProbeTarget});
  list.add("probe-address-from-the-lan", to_probes, kFromLan);
  list.add("probe-address-too-often", [&](Script& script) {
    for (uint16_t sequence = 200; sequence < 250; ++sequence)
      script.sealed(kGcm, to_probes, {.sequence = sequence});
  });
  list.add("udp-short", to_us(17, Bytes(4)));
  list.add("udp-other-port", udp_to_us(4501, Bytes(60, 1)));
  list.add("udp-length-zero", changed(udp_to_us(4500, Bytes(60, 1)), 24, 0));
  list.add("udp-length-beyond", changed(udp_to_us(4500, Bytes(60, 1)), 24, 1400));
  list.add("udp-keepalive", udp_to_us(4500, {0xff}));
  list.add("udp-4500-empty", udp_to_us(4500, {}));
  list.add("udp-4500-three-bytes", udp_to_us(4500, Bytes(3, 1)));
  list.add("ike-500", udp_to_us(500, Bytes(40, 1)));
  list.add("ike-500-init", udp_to_us(500, Bytes(40)));
  list.add("ike-500-short", udp_to_us(500, Bytes(12)));
  list.add("ike-4500", udp_to_us(4500, [] {
             Bytes message(40, 1);
             put32(message, 0, 0);
             return message;
           }()));
  list.add("ike-4500-short", udp_to_us(4500, Bytes(8)));
  list.add("icmp-echo-to-us", icmp(8, 0, Bytes(8), {kPublicB, kPublicA, 1}));
  list.add("cleartext-to-a-protected-host", ipv4_of_size(60, {kPublicB, kHostA}));
  list.add("cleartext-to-a-client", ipv4_of_size(60, {kPublicB, network4(2) | 2, 6}));
  list.add("cleartext-to-the-lan-address", ipv4_of_size(60, {kPublicB, kLanA | 1}));
  list.add("cleartext-to-a-stranger", ipv4_of_size(60, {kPublicB, 0xc0000201}));
  list.add("cleartext-tcp-to-us", to_us(6, Bytes(20)));
  list.add("path-mtu", [](Script& script) {
    const Bytes lan = outgoing(2, 1420, kDf);
    script.packet(fragmentation_needed(spi_of(kGcm), 50, 1300)).run(3).packet(lan, kFromLan);
    script.packet(fragmentation_needed(with_ports(4500, 4500, spi_of(kNatt)), 17, 0)).run(2);
    script.packet(fragmentation_needed(spi_of(kCbcEsn), 50, 68)).run(2).packet(outgoing(3, 1440), kFromLan);
  });
  list.add("path-mtu-unknown-spi", fragmentation_needed(Bytes(24, 7), 50, 1300));
  list.add("path-mtu-quotes-udp", fragmentation_needed(with_ports(53, 53, Bytes(20)), 17, 1300));
  list.add("path-mtu-quotes-ike", fragmentation_needed(with_ports(4500, 4500, Bytes(20)), 17, 1300));
  list.add("path-mtu-quotes-too-little", fragmentation_needed(Bytes(4), 50, 1300));
  list.add("path-mtu-bad-sum", changed(fragmentation_needed(spi_of(kGcm), 50, 1300), 22, 1));
}

void add_fragments(List& list) {
  list.add_sealed("fragments", inner(kGcm, 400), {.sequence = 2, .fragment = 16});
  list.add_sealed("fragments-last-first", inner(kNatt, 400), {.sequence = 2, .fragment = 0x80 | 9}, kNatt);
  list.add("fragment-alone",
           [](Script& script) { script.packet(to_us(50, Bytes(64), 0x2000)).run(1).run(1, 5).run(1, 3); });
  list.add("fragments-that-make-several-packets-each", [](Script& script) {
    for (const uint8_t content : {1, 2, 3, 4, 5})
      script.packet(to_us(50, Bytes(64, content), 0x2000)).packet(to_us(50, Bytes(64, content), 8)).run(1);
  });
  list.add("fragments-overlap", [](Script& script) {
    script.packet(to_us(50, Bytes(64), 0x2000))
        .packet(to_us(50, Bytes(64), 0x2004))
        .packet(to_us(50, Bytes(16), 8));
  });
  list.add("fragments-end-twice", [](Script& script) {
    script.packet(to_us(17, Bytes(64), 0x0008))
        .packet(to_us(17, Bytes(64), 0x0010))
        .packet(to_us(17, Bytes(64), 0x2000));
  });
  list.add("fragment-of-nothing", to_us(50, {}, 0x2001));
  list.add("fragment-beyond-64k", to_us(50, Bytes(64), 0x1fff));
  list.add("fragments-time-out-at-the-next", [](Script& script) {
    script.packet(to_us(50, Bytes(64), 0x2000)).run(1).run(1, 3);
    script.run(1, 4).packet(to_us(50, Bytes(64), 0x2000)).run(1, 4).packet(to_us(50, Bytes(64), 0x2008));
  });
  list.add("fragments-of-ike", [](Script& script) {
    const Bytes whole = with_ports(500, 500, Bytes(100, 1));
    script.packet(to_us(17, Bytes(whole.begin(), whole.begin() + 64), 0x2000));
    script.packet(to_us(17, Bytes(whole.begin() + 64, whole.end()), 8));
  });
  list.add("fragments-of-large-ike", [](Script& script) {
    const Bytes whole = with_ports(500, 500, Bytes(2992, 1));
    for (const uint16_t at : {0, 1000, 2000}) {
      const auto flags = static_cast<uint16_t>(at / 8 | (at < 2000 ? 0x2000 : 0));
      script.packet(to_us(17, Bytes(whole.begin() + at, whole.begin() + at + 1000), flags));
    }
  });
  list.add("fragments-fill-the-table", [](Script& script) {
    for (int i = 0; i < 8; ++i)
      script.packet(to_us(50, Bytes(8), 0x2000), 0, shaped(Shape::kRepeated, 31));
  });
  list.add("fragments-without-buffers", [](Script& script) {
    script.packet(to_us(50, Bytes(64), 0x2000)).packet(to_us(50, Bytes(64), 8));
    script.change(Change::kNoBuffers).run().change(Change::kBuffers);
  });
}

void add_buffers(List& list) {
  for (const uint8_t cut : {0, 3, 8, 15, 20, 26}) {
    const std::string name = std::to_string(cut);
    list.add(("segmented-esp-" + name), [&](Script& script) {
      script.sealed(kGcm, inner(), {.sequence = 2}, 0, shaped(Shape::kSegmented, cut));
    });
    list.add(("segmented-lan-" + name), outgoing(2), kFromLan, shaped(Shape::kSegmented, cut));
  }
  for (const auto& [name, how] : std::initializer_list<std::pair<std::string, uint8_t>>{
           {"shared", shaped(Shape::kShared)},
           {"indirect", shaped(Shape::kIndirect)},
           {"filled", shaped(Shape::kToTheEnd)},
           {"without-headroom", shaped(Shape::kToTheStart)},
           {"oversize", shaped(Shape::kPadded, kAllMore)},
           {"padded", shaped(Shape::kPadded, 20)},
       }) {
    list.add((name + "-esp"), [&](Script& script) {
      script.sealed(kGcm, inner(), {.sequence = 2}, 0, how)
          .sealed(kSelective, inner(kSelective), {.sequence = 2}, 0, how);
    });
    list.add((name + "-lan"), outgoing(2, 1300), kFromLan, how);
    list.add((name + "-ike"), udp_to_us(500, Bytes(40, 1)), 0, how);
  }
  list.add("no-buffers-for-a-copy", [](Script& script) {
    script.sealed(kGcm, inner(), {.sequence = 2}, 0, shaped(Shape::kShared));
    script.packet(outgoing(2), kFromLan, shaped(Shape::kSegmented, 5));
    script.change(Change::kNoBuffers).run().change(Change::kBuffers);
  });
  list.add("no-buffers-for-fragments", [](Script& script) {
    script.packet(outgoing(2, 1490), kFromLan).change(Change::kNoBuffers, 1).run().change(Change::kBuffers);
    script.sealed(kGcm, ipv4_of_size(1600, {network4(2) | 2, kHostA}), {.sequence = 3});
    script.change(Change::kNoBuffers, 1).run().change(Change::kBuffers);
  });
}

void add_changes(List& list) {
  list.add("burst-mixes-sas", [](Script& script) {
    for (uint16_t i = 2; i < 5; ++i) {
      for (uint8_t kind = 0; kind < kSaKinds; ++kind)
        script.sealed(kind, inner(static_cast<SaKind>(kind)), {.sequence = i}, i == 3 ? kOtherQueue : 0);
    }
  });
  list.add("sa-removed-in-flight", [](Script& script) {
    script.sealed(kNatt, inner(kNatt), {.sequence = 2})
        .packet(outgoing(3), kFromLan)
        .run(1, 0, kFirstWorkerOnly);
    script.change(Change::kRemoveInbound, kNatt).change(Change::kRemoveOutbound, kNatt).run();
    script.change(Change::kRemoveInbound, kGcm)
        .sealed(kGcm, inner(), {.sequence = 3})
        .packet(outgoing(2), kFromLan);
  });
  list.add("sa-first-packets-wait", [](Script& script) {
    script.sealed(kSelective, inner(kSelective), {.sequence = 2}).run(1, 0, kFirstWorkerOnly);
    script.sealed(kSelective, inner(kSelective), {.sequence = 3}).change(Change::kRemoveInbound, kSelective);
    script.run(1, 2, kFirstWorkerOnly).run(2, 2);
  });
  list.add("sa-deactivated", [](Script& script) {
    script.change(Change::kDeactivate, kGcm)
        .packet(outgoing(2), kFromLan)
        .packet(outgoing(kByPolicyNetwork), kFromLan);
  });
  list.add("sa-spi-twice", [](Script& script) {
    script.change(Change::kDuplicateSpi, kGcm).change(Change::kDuplicateSpi, kIpv4Alone);
  });
  list.add("tunnel-gone", [](Script& script) {
    script.packet(outgoing(3), kFromLan).run(1, 0, kFirstWorkerOnly).change(Change::kTunnelGone, kNatt);
  });
  list.add("injection-ring-full", [](Script& script) {
    script.packet(outgoing(kSilentNeighbour), kFromLan).run(2).change(Change::kInjectionRingFull);
    script.change(Change::kNeighbourResolved, kSilent - 1).run();
  });
  list.add("link-down", [](Script& script) { script.change(Change::kLinkDown, kLanPort); });
  list.add("link-down-public", [](Script& script) {
    script.change(Change::kLinkDown, kPublicPort)
        .packet(outgoing(2), kFromLan)
        .run()
        .change(Change::kLinkUp, kPublicPort);
  });
  list.add("port-gone", [](Script& script) {
    script.change(Change::kPortGone, kLanPort)
        .packet(udp_to_us(500, Bytes(40, 1)))
        .change(Change::kPortGone, kPublicPort);
  });
  list.add("neighbour-gone", [](Script& script) {
    script.change(Change::kNeighbourGone, kHost - 1)
        .change(Change::kNeighbourGone, kPeer4 - 1)
        .packet(outgoing(2), kFromLan);
  });
  list.add("neighbour-resolved-late", [](Script& script) {
    script.sealed(kGcm, ipv4_of_size(60, {network4(2) | 2, network4(kSilentNeighbour) | 2}), {.sequence = 2},
                  0, shaped(Shape::kRepeated, 12));
    script.packet(outgoing(kSilentNeighbour), kFromLan)
        .run(3)
        .change(Change::kNeighbourResolved, kSilent - 1)
        .run(3);
  });
  list.add("neighbour-lost", [](Script& script) {
    script.change(Change::kNeighbourUnresolved, kPeer4 - 1).packet(outgoing(2), kFromLan);
    script.packet(outgoing(2), kFromLan, shaped(Shape::kRepeated, 20)).run(2);
    script.change(Change::kNeighbourResolved, kPeer4 - 1).run(2);
  });
  list.add("neighbours-many", [](Script& script) {
    for (uint32_t host = 16; host < 40; ++host)
      script.packet(ipv4_of_size(60, {kHostA, kLanA | host}), kFromLan);
  });
  list.add("mirror-gone", [](Script& script) {
    script.change(Change::kPortMirrorGone, kPublicPort).packet(udp_to_us(500, Bytes(40, 1)));
    script.change(Change::kVrfMirrorGone)
        .sealed(kGcm, ipv4_of_size(60, {network4(2) | 2, kLanA | 1}), {.sequence = 2});
  });
  list.add("punts-beyond-the-rate", [](Script& script) {
    for (int i = 0; i < 9; ++i)
      script.packet(icmp(8, 0, Bytes(8), {kPublicB, kPublicA, 1}), 0, shaped(Shape::kRepeated, 31));
    for (int i = 0; i < 9; ++i)
      script.packet(ethernet(Bytes(28), mac_of(1), 0x0806), kRawFrame, shaped(Shape::kRepeated, 31));
  });
  list.add("exception-ring-full", [](Script& script) {
    script.packet(udp_to_us(500, Bytes(40, 1))).change(Change::kExceptionRingFull).run();
  });
  list.add("handover-ring-full", [](Script& script) {
    script.sealed(kNatt, inner(kNatt), {.sequence = 3}).packet(outgoing(3), kFromLan);
    script.change(Change::kHandoverRingFull).run();
  });
  list.add("transmit-full", [](Script& script) { script.change(Change::kTransmitFull, kLanPort); });
}

void add_lan_and_mirrors(List& list) {
  for (uint8_t kind = 0; kind < kSaKinds; ++kind) {
    const uint8_t site = site_behind(static_cast<SaKind>(kind));
    list.add(("lan-to-tunnel-" + std::to_string(kind)), [site](Script& script) {
      script.packet(outgoing(site), kFromLan).packet(outgoing(site, 1500), kFromLan | kOtherQueue);
      script.packet(outgoing(site, 1500, kDf), kFromLan)
          .run()
          .change(Change::kPathMtu, 6)
          .packet(outgoing(site, 900), kFromLan);
    });
  }
  list.add("lan-policy-outbound", ipv4_of_size(60, {kHostA, network4(4) | 2, 6}), kFromLan);
  list.add("lan-bad-checksum", changed(outgoing(2), 10, 1), kFromLan);
  list.add("lan-short", Bytes(10, 0x45), kFromLan);
  list.add("lan-multicast", ipv4_of_size(60, {kHostA, 0xe0000005}), kFromLan);
  list.add("lan-multicast-routed", ipv4_of_size(60, {kHostA, 0xef000005}), kFromLan);
  list.seeds.push_back({"lan-burst-of-nothing", Script().packet(Bytes(10, 0x45), kFromLan).run().bytes()});
  list.add("lan-other-network", outgoing(2), kFromLan | kOtherLan);
  list.add("lan-to-gateway", ipv4_of_size(60, {kHostA, kLanA | 1}), kFromLan);
  list.add("lan-hard-lifetime",
           [](Script& script) { script.packet(outgoing(6), kFromLan, shaped(Shape::kRepeated, 14)); });
  const auto from_tap = [](const Bytes& packet, uint16_t type, uint8_t port) {
    Bytes frame = ethernet(packet, mac_of(0x81), type);
    const rte_ether_addr source = mac_of(static_cast<uint8_t>(port + 1));
    std::copy_n(source.addr_bytes, 6, frame.begin() + 6);
    return frame;
  };
  list.add("mirror-tap", [&](Script& script) {
    script.mirror(from_tap(ipv4(with_ports(500, 500, Bytes(40, 1)), {kPublicA, kPublicB}), 0x0800, 0), 0);
    script.mirror(from_tap(icmp(8, 0, Bytes(8), {kPublicA, kPublicB, 1}), 0x0800, 0), 0);
    script.mirror(from_tap(ipv4(Bytes(40, 1), {kPublicA, kPublicB, 50}), 0x0800, 0), 0);
    script.mirror(from_tap(ipv4_of_size(60, {kLanA | 1, kHostA}), 0x0800, 1), kLanPort << 1);
  });
  list.add("mirror-tun", [](Script& script) {
    for (const size_t bytes : {60, 1500})
      script.mirror(ipv4_of_size(bytes, {kLanA | 1, network4(2) | 2, 17, 0, 64, 7, kDf}), kTun);
    script.mirror(ipv4_of_size(60, {kLanA | 1, network4(kToNowhere) | 2}), kTun);
    script.mirror(ipv4_of_size(60, {kLanA | 1, kLanA | 1}), kTun).mirror(Bytes(10, 0x45), kTun);
    script.mirror(ipv4_of_size(60, {kLanA | 1, kHostA}), kTun | 4);
  });
}

}  // namespace

std::vector<Seed> receive_seeds() {
  List list;
  add_short_and_wrong_esp(list);
  add_inner(list);
  add_outer(list);
  add_fragments(list);
  add_buffers(list);
  add_changes(list);
  add_lan_and_mirrors(list);
  return list.seeds;
}

}  // namespace sallyport::dataplane::testing
