// SPDX-License-Identifier: BSD-3-Clause
// ESP tunnel mode outbound (RFC 4303 section 3.3, RFC 3948 section 3): prepare each packet of a burst, then
// CryptoEngine::encrypt. Inlined where the path's steps call it. Worker threads; no state of
// their own, and none of the SA's written, so that any worker may run them.
#pragma once

#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

#include <array>
#include <cstdint>
#include <cstring>

#include "dataplane/crypto/crypto_engine.h"
#include "dataplane/esp/overhead.h"
#include "dataplane/packet/buffer.h"
#include "dataplane/packet/ipv4.h"
#include "dataplane/sa/sa.h"

namespace sallyport::dataplane {

namespace esp_detail {

inline constexpr uint8_t kNextHeaderIpv4 = 4;
inline constexpr uint32_t kLinkHeaderBytes = RTE_ETHER_HDR_LEN;  // left free for the neighbour's rewrite

// RFC 4303 section 2.4: the padding 1, 2, 3, ..., its length, the next header.
inline constexpr std::array<uint8_t, 16> kPadding = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

// The same in one word for short padding, by its length.
inline constexpr uint32_t kShortPadding = 4;
inline constexpr std::array<uint64_t, kShortPadding> kShortTrailers = {0x0400, 0x04'01'01, 0x04'02'02'01,
                                                                       0x04'03'03'02'01};

// `end`: where the inner packet ends. There is room for at least 8 bytes.
inline void write_trailer(uint8_t* end, uint32_t pad_bytes) {
  static_assert(kNextHeaderIpv4 == 4);
  if (pad_bytes < kShortPadding) {
    const uint64_t trailer_le = rte_cpu_to_le_64(kShortTrailers[pad_bytes]);
    std::memcpy(end, &trailer_le, sizeof trailer_le);
    return;
  }
  std::memcpy(end, kPadding.data(), pad_bytes);
  end[pad_bytes] = static_cast<uint8_t>(pad_bytes);
  end[pad_bytes + 1] = kNextHeaderIpv4;
}

inline bool has_room(const rte_mbuf* packet, uint32_t head_bytes, uint32_t tail_bytes) {
  return rte_pktmbuf_headroom(packet) >= head_bytes + kLinkHeaderBytes &&
         rte_pktmbuf_tailroom(packet) >= tail_bytes;
}

// RFC 4301 section 5.1.2.1 and RFC 6040 section 4.1, normal mode. `sequence` gives the identification: unique
// among 65,536 neighbours, and no state. `inherited`: what comes from the inner header's first 8 bytes, and
// what the policy sets; `fixed_sum`: one's complement sum of what is the same for every packet. The header is
// put together in registers: version and TOS, length, identification, fragment; TTL and protocol; addresses.
inline void write_ipv4_header(uint8_t* start, uint64_t inherited, uint32_t ttl_and_protocol,
                              uint64_t addresses, uint64_t fixed_sum, uint32_t total_bytes,
                              uint64_t sequence) {
  static_assert(RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN);
  const uint64_t length_be = rte_cpu_to_be_16(static_cast<uint16_t>(total_bytes));
  const uint64_t id_be = rte_cpu_to_be_16(static_cast<uint16_t>(sequence));
  const uint64_t variable = inherited | length_be << 16 | id_be << 32;
  uint64_t sum = (variable & 0xffffffff) + (variable >> 32) + fixed_sum;  // below 2^36
  sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
  sum += sum >> 16;
  const uint64_t first = variable | RTE_IPV4_VHL_DEF;
  const uint32_t second = ttl_and_protocol | static_cast<uint32_t>(~sum) << 16;
  std::memcpy(start, &first, sizeof first);
  std::memcpy(start + 8, &second, sizeof second);
  std::memcpy(start + 12, &addresses, sizeof addresses);
}

// The outer header of an SA with plain_addresses.
inline void write_plain_outer(uint8_t* start, uint64_t addresses, uint32_t total_bytes, uint64_t inner,
                              uint64_t sequence) {
  constexpr uint32_t kTtlAndProtocol = kOuterTtl | IPPROTO_ESP << 8;
  const uint64_t fixed_sum =
      RTE_IPV4_VHL_DEF + kTtlAndProtocol + (addresses & 0xffffffff) + (addresses >> 32);
  write_ipv4_header(start, inner & kPlainInheritedMask, kTtlAndProtocol, addresses, fixed_sum, total_bytes,
                    sequence);
}

// The first 8 bytes of an IPv4 header.
inline uint64_t load_first(const uint8_t* header) {
  uint64_t first;
  std::memcpy(&first, header, sizeof first);
  return first;
}

// RFC 4106: nonce = salt and IV, AAD = SPI and sequence number. The IV is the sequence number: unique under
// the key. It lies in the 8 bytes before the text: those are the header where the algorithm has no IV (NULL),
// which is therefore written after it, and half of CBC's, which CryptoEngine overwrites.
inline void fill_job(CryptoJob& job, const OutboundSa& sa, uint64_t sequence, uint8_t* esp,
                     uint32_t text_bytes) {
  const uint64_t spi_be = rte_cpu_to_be_32(sa.spi);
  const uint32_t salt = sa.salt;
  const bool esn = sa.esn;
  const uint64_t iv_be = rte_cpu_to_be_64(sequence);  // in memory order: high word, low word
  const uint64_t low_be = iv_be >> 32;
  const uint64_t header = spi_be | low_be << 32;
  const uint64_t aad = esn ? spi_be | iv_be << 32 : header;
  const auto aad_end = static_cast<uint32_t>(low_be);
  uint8_t* text = esp + kEspHeaderBytes + sa.shape.iv_bytes;
  job.key = &sa.key;
  job.text = text;
  job.text_bytes = text_bytes;
  job.algorithm = sa.algorithm;
  job.aad_bytes = static_cast<uint8_t>(8 + 4 * esn);
  std::memcpy(job.nonce.data(), &salt, 4);
  std::memcpy(job.nonce.data() + 4, &iv_be, 8);
  std::memcpy(job.aad.data(), &aad, 8);
  std::memcpy(job.aad.data() + 8, &aad_end, 4);
  std::memcpy(text - 8, &iv_be, 8);
  std::memcpy(esp, &header, 8);
}

// A packet that can't be grown in place, exchanged for a copy that can.
struct Exchanged {
  rte_mbuf* packet;
  api::DropReason drop;
};
Exchanged make_room(rte_mbuf* packet, uint32_t head_bytes, uint32_t tail_bytes);

// Padding, trailer, ESP header and IV around a packet that starts at the inner IP header, with `outer_bytes`
// of room before them, which `write_outer(start, total_bytes, inner)` fills; and the job. kKeep or kNoRoom.
//
// Reads all it needs before it writes: the compiler can't know that headers and SA don't overlap.
template <typename WriteOuter>
[[gnu::always_inline]] inline api::DropReason wrap(rte_mbuf*& packet, const OutboundSa& sa, uint64_t sequence,
                                                   uint32_t outer_bytes, CryptoJob& job,
                                                   WriteOuter write_outer) {
  const EspShape shape = sa.shape;
  const uint32_t inner_bytes = rte_pktmbuf_pkt_len(packet);
  const uint32_t pad_bytes = esp_pad_bytes(inner_bytes, shape);
  const uint32_t head_bytes = outer_bytes + kEspHeaderBytes + shape.iv_bytes;
  const uint32_t tail_bytes = pad_bytes + kEspTrailerBytes + shape.icv_bytes;
  const uint32_t total_bytes = head_bytes + inner_bytes + tail_bytes;
  if (total_bytes > UINT16_MAX) [[unlikely]]
    return api::DropReason::kNoRoom;
  if (!is_private_linear(packet) || !has_room(packet, head_bytes, tail_bytes)) [[unlikely]] {
    const Exchanged exchanged = make_room(packet, head_bytes, tail_bytes);
    packet = exchanged.packet;
    if (exchanged.drop != kKeep) return exchanged.drop;
  }

  auto* inner = rte_pktmbuf_mtod(packet, uint8_t*);
  uint8_t* start = inner - head_bytes;
  packet->data_off = static_cast<uint16_t>(packet->data_off - head_bytes);
  packet->data_len = static_cast<uint16_t>(total_bytes);
  packet->pkt_len = total_bytes;
  fill_job(job, sa, sequence, start + outer_bytes, inner_bytes + pad_bytes + kEspTrailerBytes);
  write_outer(start, total_bytes, inner);
  write_trailer(inner + inner_bytes, pad_bytes);
  return kKeep;
}

}  // namespace esp_detail

// prepare_encapsulation, as below, where the inner packet is IPv6 or the outer header not plain.
[[gnu::noinline]] api::DropReason prepare_other_encapsulation(rte_mbuf*& packet, const OutboundSa& sa,
                                                              uint64_t sequence, CryptoJob& job);

// Writes padding, trailer, ESP header, IV and outer headers around the packet and fills its job. On the way
// in the packet's data starts at the inner IPv4 header, which has passed check_ipv4, and ends with the inner
// packet (no link-layer padding); on the way out it starts at the outer IP header, to be sent once the job
// is done. `sequence` is from assign_sequence. kKeep; kKeepIpv6 where the outer packet is IPv6; or kNoRoom:
// the job isn't filled. The buffer can be exchanged for another where it was shared or segmented; in any case
// `packet` is the one to send or free.
[[gnu::always_inline]] inline api::DropReason prepare_encapsulation(rte_mbuf*& packet, const OutboundSa& sa,
                                                                    uint64_t sequence, CryptoJob& job) {
  using namespace esp_detail;
  const uint64_t addresses = sa.plain_addresses.load(std::memory_order_acquire);
  if (addresses == 0) [[unlikely]]
    return prepare_other_encapsulation(packet, sa, sequence, job);
  return wrap(packet, sa, sequence, sizeof(rte_ipv4_hdr), job,
              [=](uint8_t* start, uint32_t total_bytes, const uint8_t* inner) {
                write_plain_outer(start, addresses, total_bytes, load_first(inner), sequence);
              });
}

}  // namespace sallyport::dataplane
