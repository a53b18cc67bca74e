// SPDX-License-Identifier: BSD-3-Clause
// The packet around the oracle's cryptography.
#include "tests/dataplane/esp_oracle.h"

#include "tests/dataplane/ipv6_packets.h"
#include "tests/dataplane/openssl_ciphers.h"

namespace sallyport::dataplane::testing {

namespace {

constexpr size_t kEspHeaderBytes = 8;

Bytes be64(uint64_t value) {
  Bytes bytes(8);
  put32(bytes, 0, static_cast<uint32_t>(value >> 32));
  put32(bytes, 4, static_cast<uint32_t>(value));
  return bytes;
}

// Of as many bytes as the algorithm has: repeated, and its copies told apart.
Bytes iv_of(const OracleSa& sa, uint64_t value) {
  Bytes iv;
  while (iv.size() < sa.iv_bytes()) {
    const Bytes part = be64(value ^ (iv.empty() ? 0 : 0x5bd1e9955bd1e995));
    iv.insert(iv.end(), part.begin(), part.end());
  }
  return iv;
}

Bytes part_of(const Bytes& bytes, size_t from, size_t count) {
  const auto first = bytes.begin() + static_cast<long>(from);
  return {first, first + static_cast<long>(count)};
}

Bytes udp_header(const OracleSa& sa, size_t payload_bytes) {
  Bytes header(8);
  put16(header, 0, sa.source_port);
  put16(header, 2, sa.destination_port);
  put16(header, 4, static_cast<uint32_t>(8 + payload_bytes));
  return header;
}

size_t ip_bytes(const OracleSa& sa) {
  return sa.source6 ? 40 : 20;
}

bool ipv4_is_right(const OracleSa& sa, const Bytes& packet) {
  return packet[0] == 0x45 && get16(packet, 2) == packet.size() && packet[8] == 64 &&
         packet[9] == (sa.encap ? 17 : 50) && internet_checksum(packet, 0, 20) == 0 &&
         get32(packet, 12) == sa.source && get32(packet, 16) == sa.destination;
}

// The traffic class is a choice, the flow label is not.
bool ipv6_is_right(const OracleSa& sa, const Bytes& packet) {
  return packet[0] >> 4 == 6 && (get32(packet, 0) & 0xfffff) == 0 && get16(packet, 4) == packet.size() - 40 &&
         packet[6] == (sa.encap ? 17 : 50) && packet[7] == 64 &&
         std::equal(sa.source6->begin(), sa.source6->end(), packet.begin() + 8) &&
         std::equal(sa.destination6->begin(), sa.destination6->end(), packet.begin() + 24);
}

bool outer_is_right(const OracleSa& sa, const Bytes& packet) {
  const size_t udp = ip_bytes(sa);
  if (!(sa.source6 ? ipv6_is_right(sa, packet) : ipv4_is_right(sa, packet))) return false;
  return !sa.encap ||
         (get16(packet, udp) == sa.source_port && get16(packet, udp + 2) == sa.destination_port &&
          get16(packet, udp + 4) == packet.size() - udp && get16(packet, udp + 6) == 0);
}

}  // namespace

size_t OracleSa::iv_bytes() const {
  if (cipher == OracleCipher::kCleartext) return 0;
  return cipher == OracleCipher::kCbc ? 16 : 8;
}

Bytes seal(const OracleSa& sa, uint64_t sequence, const Bytes& inner, const SealOptions& options) {
  Bytes text = inner;
  const size_t align = sa.align_bytes();
  const size_t fewest = (align - (inner.size() + 2) % align) % align;
  const size_t pad_bytes = options.pad_bytes.value_or(static_cast<uint8_t>(fewest));
  for (size_t i = 1; i <= pad_bytes; ++i)
    text.push_back(static_cast<uint8_t>(i));
  text.push_back(options.pad_length_says.value_or(static_cast<uint8_t>(pad_bytes)));
  const bool holds_ipv6 = !inner.empty() && inner[0] >> 4 == 6;
  text.push_back(options.next_header.value_or(holds_ipv6 ? 41 : 4));

  const Bytes iv = iv_of(sa, options.iv.value_or(sequence));
  const Bytes sealed = protect(sa, {sequence, iv}, text);
  Bytes payload = sa.encap ? udp_header(sa, kEspHeaderBytes + iv.size() + sealed.size()) : Bytes{};
  const size_t esp = payload.size();
  payload.resize(esp + kEspHeaderBytes);
  put32(payload, esp, sa.spi);
  put32(payload, esp + 4, static_cast<uint32_t>(sequence));
  payload.insert(payload.end(), iv.begin(), iv.end());
  payload.insert(payload.end(), sealed.begin(), sealed.end());
  const auto protocol = static_cast<uint8_t>(sa.encap ? 17 : 50);
  if (sa.source6) return ipv6(payload, {*sa.source6, *sa.destination6, protocol, options.outer_tos});
  return ipv4(payload, {sa.source, sa.destination, protocol, options.outer_tos, 64, 1, 0});
}

std::optional<Opened> open(const OracleSa& sa, uint32_t sequence_high, const Bytes& packet) {
  const size_t esp = ip_bytes(sa) + (sa.encap ? 8 : 0);
  const size_t text = esp + kEspHeaderBytes + sa.iv_bytes();
  if (packet.size() < text + sa.align_bytes() + sa.icv_bytes) return std::nullopt;
  const size_t text_bytes = packet.size() - text - sa.icv_bytes;
  if (text_bytes % sa.align_bytes() != 0 || !outer_is_right(sa, packet)) return std::nullopt;
  Opened opened;
  opened.outer = part_of(packet, 0, esp);
  opened.spi = get32(packet, esp);
  opened.sequence_low = get32(packet, esp + 4);
  opened.whole_iv = part_of(packet, esp + kEspHeaderBytes, sa.iv_bytes());
  opened.iv = 0;
  if (sa.iv_bytes() != 0) opened.iv = uint64_t{get32(packet, esp + 8)} << 32 | get32(packet, esp + 12);
  if (opened.spi != sa.spi) return std::nullopt;

  const uint64_t sequence = uint64_t{sequence_high} << 32 | opened.sequence_low;
  const auto cleartext = unprotect(sa, {sequence, opened.whole_iv}, part_of(packet, text, text_bytes),
                                   part_of(packet, text + text_bytes, sa.icv_bytes));
  if (!cleartext.has_value()) return std::nullopt;
  const size_t pad_bytes = (*cleartext)[text_bytes - 2];
  if (pad_bytes + 2 > text_bytes) return std::nullopt;
  opened.next_header = (*cleartext)[text_bytes - 1];
  const size_t inner_bytes = text_bytes - 2 - pad_bytes;
  opened.inner = part_of(*cleartext, 0, inner_bytes);
  opened.padding = part_of(*cleartext, inner_bytes, pad_bytes);
  return opened;
}

}  // namespace sallyport::dataplane::testing
