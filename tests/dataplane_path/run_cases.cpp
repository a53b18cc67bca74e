// SPDX-License-Identifier: BSD-3-Clause
// RFC 4303 for ESP, RFC 6040 for ECN, RFC 4459 for the MSS.
#include "tests/dataplane_path/run_cases.h"

namespace sallyport::dataplane::testing {

namespace {

using api::DropReason;
using Make = std::function<Made(const OracleSa&, uint64_t)>;

constexpr uint32_t kStrangeNetwork = 0x0a090000;

size_t ip_bytes(const OracleSa& sa) {
  return sa.source6 ? 40 : 20;
}
size_t esp_offset(const OracleSa& sa) {
  return ip_bytes(sa) + (sa.encap ? 8 : 0);
}

// Lengths and checksum in front of ESP that was cut.
Bytes with_lengths(const OracleSa& sa, Bytes packet) {
  if (sa.encap) put16(packet, ip_bytes(sa) + 4, static_cast<uint32_t>(packet.size() - ip_bytes(sa)));
  if (sa.source6) {
    put16(packet, 4, static_cast<uint32_t>(packet.size() - 40));
    return packet;
  }
  put16(packet, 2, static_cast<uint32_t>(packet.size()));
  return with_checksum(std::move(packet));
}

Bytes inner_of(uint64_t sequence, Ipv4Fields fields = {kHostB, kHostA}) {
  fields.id = static_cast<uint16_t>(sequence);
  return ipv4_of_size(60 + sequence % 64, fields);
}

Made forwarded_as(const Bytes& packet, const Bytes& inner, size_t payload_bytes) {
  return {packet, inner[0] >> 4 == 4 ? Fate::kForwarded : Fate::kPolicy, inner, payload_bytes};
}

// These bytes go in, and come out as they are.
Make whole(const std::function<Bytes(uint64_t)>& inner, size_t tfc_bytes = 0, SealOptions options = {}) {
  return [=](const OracleSa& sa, uint64_t sequence) {
    const Bytes packet = inner(sequence);
    Bytes payload = packet;
    payload.resize(payload.size() + tfc_bytes);
    return forwarded_as(seal(sa, sequence, payload, options), packet, payload.size());
  };
}

// Verified and dropped; `change` makes what goes in.
Make dropped(DropReason reason, const std::function<Bytes(Bytes)>& change, SealOptions options = {},
             Fate fate = Fate::kCounted) {
  return [=](const OracleSa& sa, uint64_t sequence) {
    const Bytes payload = change(inner_of(sequence));
    return Made{seal(sa, sequence, payload, options), fate, {}, payload.size(), reason};
  };
}

// The packet is changed on its way.
Make tampered(DropReason reason, Fate fate, const std::function<Bytes(const OracleSa&, Bytes)>& change) {
  return [=](const OracleSa& sa, uint64_t sequence) {
    return Made{change(sa, seal(sa, sequence, inner_of(sequence))), fate, {}, 0, reason};
  };
}

// ESP without text but for so many bytes.
Make cut_to(size_t text_bytes) {
  return tampered(DropReason::kEspTooShort, Fate::kRefused, [=](const OracleSa& sa, Bytes packet) {
    packet.resize(esp_offset(sa) + 8 + sa.iv_bytes() + sa.icv_bytes + text_bytes);
    return with_lengths(sa, packet);
  });
}

Make with_ecn(uint8_t outer_tos, uint8_t inner_tos, uint8_t expected_tos) {
  return [=](const OracleSa& sa, uint64_t sequence) {
    const Bytes inner = inner_of(sequence, {kHostB, kHostA, 17, inner_tos});
    Bytes expected = inner;
    expected[1] = expected_tos;
    return forwarded_as(seal(sa, sequence, inner, {.outer_tos = outer_tos}), with_checksum(expected),
                        inner.size());
  };
}

// What fits into kPathMtu, less 20 bytes of IPv4 and 20 of TCP.
uint32_t largest_mss(const OracleSa& sa) {
  const size_t room = kPathMtu - esp_offset(sa) - 8 - sa.iv_bytes() - sa.icv_bytes;
  return static_cast<uint32_t>(room - room % sa.align_bytes() - 2 - 40);
}

Make tcp(uint8_t flags, uint32_t mss, bool lowered) {
  return [=](const OracleSa& sa, uint64_t sequence) {
    return forwarded_as(seal(sa, sequence, tcp_with_mss({kHostB, kHostA}, flags, mss, sequence)),
                        tcp_with_mss({kHostB, kHostA}, flags, lowered ? largest_mss(sa) : mss, sequence), 44);
  };
}

// Three options that do nothing, and their end.
const Bytes kOptions = {1, 1, 1, 0};

Make in_the_other_encapsulation() {
  return [](OracleSa sa, uint64_t sequence) {
    sa.encap = !sa.encap;
    return make_good(sa, sequence);
  };
}

// The fewest bytes of padding that align, and 240 more.
Made with_much_padding(const OracleSa& sa, uint64_t sequence) {
  const Bytes inner = inner_of(sequence);
  const size_t align = sa.align_bytes(), fewest = (align - (inner.size() + 2) % align) % align;
  const auto pad_bytes = static_cast<uint8_t>(fewest + 240);
  return forwarded_as(seal(sa, sequence, inner, {.pad_bytes = pad_bytes}), inner, inner.size());
}

// Behind an IPv4 header with options, or an IPv6 one with an extension header.
Made with_outer_options(const OracleSa& sa, uint64_t sequence) {
  Made made = make_good(sa, sequence);
  Bytes& packet = made.packet;
  if (sa.source6) {
    const uint8_t protocol = packet[6];
    packet[6] = 60;
    const Bytes options = extension6(protocol, {});
    packet.insert(packet.begin() + 40, options.begin(), options.end());
    put16(packet, 4, static_cast<uint32_t>(packet.size() - 40));
    return made;
  }
  packet = with_options(packet, kOptions);
  return made;
}

Made from_a_strange_network(const OracleSa& sa, uint64_t sequence) {
  const Bytes inner = inner_of(sequence, {kStrangeNetwork | 2, kHostA});
  return {seal(sa, sequence, inner), Fate::kPolicy, inner, inner.size()};
}

Bytes with_word(Bytes packet, size_t at, uint32_t word) {
  put16(packet, at, word);
  return packet;
}

void add_numbers(std::vector<RunCase>& cases) {
  for (const auto& [description, number] : std::initializer_list<std::pair<const char*, Number>>{
           {"a good one", Number::kNext},
           {"the last one again", Number::kRepeated},
           {"a late one", Number::kLate},
           {"on the window's left edge", Number::kLeftEdge},
           {"left of the window", Number::kBehind},
           {"a few ahead", Number::kJump},
           {"far ahead", Number::kFar},
           {"number 0", Number::kZero},
       })
    cases.push_back({description, make_good, number});
  cases.push_back({"in a buffer that is shared", make_good, Number::kNext, Buffer::kShared});
  cases.push_back({"in two segments", make_good, Number::kNext, Buffer::kSegmented});
  cases.push_back({"late and in two segments", make_good, Number::kLate, Buffer::kSegmented});
}

void add_outside(std::vector<RunCase>& cases) {
  const auto forged = [](const OracleSa&, Bytes packet) {
    packet.back() ^= 1;
    return packet;
  };
  const auto other_number = [](const OracleSa& sa, Bytes packet) {
    packet.at(esp_offset(sa) + 5) ^= 0x10;
    return packet;
  };
  const auto other_in_slot = [](const OracleSa& sa, Bytes packet) {
    packet.at(esp_offset(sa) + 1) ^= 0x10;
    return packet;
  };
  const auto cleartext = [](const OracleSa&, Bytes) { return ipv4_of_size(100, {kPublicB, kHostA}); };
  const auto with = [&](const char* description, const Make& make) { cases.push_back({description, make}); };
  with("a wrong ICV", tampered(DropReason::kIcvFailed, Fate::kForged, forged));
  with("a number ahead that was not sealed", tampered(DropReason::kIcvFailed, Fate::kForged, other_number));
  with("of no SA, in this one's slot", tampered(DropReason::kUnknownSpi, Fate::kRefused, other_in_slot));
  with("cleartext", tampered(DropReason::kCleartextPublic, Fate::kRefused, cleartext));
  for (const size_t text_bytes : {0, 1, 2, 3})
    with("too short for any text", cut_to(text_bytes));
  with("a text that isn't aligned", cut_to(49));
  with("half an ICV",
       tampered(DropReason::kEspTooShort, Fate::kRefused, [](const OracleSa& sa, Bytes packet) {
         packet.resize(esp_offset(sa) + 8 + sa.iv_bytes() + sa.icv_bytes / 2);
         return with_lengths(sa, packet);
       }));
  with("in UDP, or not, as the others aren't", in_the_other_encapsulation());
  with("behind options", with_outer_options);
}

void add_payloads(std::vector<RunCase>& cases) {
  const auto nothing = [](Bytes) { return Bytes{}; };
  const auto same = [](Bytes inner) { return inner; };
  const auto word = [](size_t at, uint32_t value) {
    return [=](const Bytes& inner) { return with_word(inner, at, value); };
  };
  const auto one_too_long = [](const Bytes& inner) {
    return with_word(inner, 2, static_cast<uint32_t>(inner.size() + 1));
  };
  const auto cut_header = [](Bytes inner) {
    inner.resize(19);
    return with_word(inner, 2, 20);
  };
  const auto ipv4_inner = [](uint64_t sequence) { return inner_of(sequence); };
  const auto ipv6_inner = [](uint64_t sequence) {
    return ipv6_of_size(60 + sequence % 64, {kHostB6, kHostA6});
  };
  const auto with = [&](const char* description, const Make& make) { cases.push_back({description, make}); };
  with("padding of 240 bytes", with_much_padding);
  with("TFC padding", whole(ipv4_inner, 33));
  with("a header alone", whole([](uint64_t) { return ipv4({}, {kHostB, kHostA}); }));
  with("options inside", whole([](uint64_t sequence) { return with_options(inner_of(sequence), kOptions); }));
  with("IPv6 inside", whole(ipv6_inner));
  with("IPv6 inside and TFC padding", whole(ipv6_inner, 20));
  with("a source outside the selectors", from_a_strange_network);
  with("a pad length beyond the text",
       dropped(DropReason::kPadLength, same, {.pad_length_says = 255}, Fate::kUncounted));
  with("a dummy", dropped(DropReason::kDummy, same, {.next_header = 59}));
  with("an empty dummy", dropped(DropReason::kDummy, nothing, {.next_header = 59}));
  with("no payload", dropped(DropReason::kInnerBadHeader, nothing));
  with("19 bytes that say 20", dropped(DropReason::kInnerBadHeader, cut_header));
  with("an inner length beyond the payload", dropped(DropReason::kInnerBadHeader, one_too_long));
  with("an inner length below the header's", dropped(DropReason::kInnerBadHeader, word(2, 19)));
  with("an inner header of 16 bytes", dropped(DropReason::kInnerBadHeader, word(0, 0x4400)));
  with("transport mode", dropped(DropReason::kNextHeader, same, {.next_header = 6}));
  with("an IPv6 version said to be IPv4",
       dropped(DropReason::kNextHeader, word(0, 0x6500), {.next_header = 4}));
  with("IPv4 said to be IPv6", dropped(DropReason::kNextHeader, same, {.next_header = 41}));
}

void add_marks(std::vector<RunCase>& cases) {
  const auto with = [&](const char* description, const Make& make) { cases.push_back({description, make}); };
  const auto same = [](Bytes inner) { return inner; };
  constexpr uint8_t kSyn = 2, kAck = 16;
  with("CE outside, Not-ECT inside", dropped(DropReason::kEcn, same, {.outer_tos = 3}));
  with("CE outside, ECT(0) inside", with_ecn(3, 2, 3));
  with("CE outside, ECT(1) inside", with_ecn(3, 1, 3));
  with("CE on both sides", with_ecn(3, 3, 3));
  with("ECT(1) outside, ECT(0) inside", with_ecn(1, 2, 1));
  with("ECT(0) outside, ECT(1) inside", with_ecn(2, 1, 1));
  with("ECT(0) on both sides", with_ecn(2, 2, 2));
  with("ECT(0) outside, Not-ECT inside", with_ecn(2, 0, 0));
  with("Not-ECT outside, CE inside", with_ecn(0, 3, 3));
  with("another DSCP outside", with_ecn(0xb8, 0x28, 0x28));
  with("a TCP SYN", tcp(kSyn, 1460, true));
  with("a TCP SYN ACK", tcp(kSyn | kAck, 9000, true));
  with("a TCP SYN that asks for less", tcp(kSyn, 536, false));
  with("TCP, not a SYN", tcp(kAck, 1460, false));
  with("TCP without its flags", whole([](uint64_t) { return ipv4(Bytes(13), {kHostB, kHostA, 6}); }));
}

}  // namespace

Made make_good(const OracleSa& sa, uint64_t sequence) {
  return whole([](uint64_t number) { return inner_of(number); })(sa, sequence);
}

const std::vector<RunCase>& run_cases() {
  static const std::vector<RunCase> cases = [] {
    std::vector<RunCase> all;
    add_numbers(all);
    add_outside(all);
    add_payloads(all);
    add_marks(all);
    return all;
  }();
  return cases;
}

}  // namespace sallyport::dataplane::testing
