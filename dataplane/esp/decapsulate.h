// SPDX-License-Identifier: BSD-3-Clause
// ESP tunnel mode inbound (RFC 4303 section 3.4): prepare each packet of a burst, CryptoEngine::decrypt,
// finish each. Inlined where the path's steps call it. Home worker: both read or write the replay window.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <cstring>

#include "dataplane/crypto/crypto_engine.h"
#include "dataplane/esp/ecn.h"
#include "dataplane/esp/overhead.h"
#include "dataplane/packet/buffer.h"
#include "dataplane/packet/ipv4.h"
#include "dataplane/sa/sa.h"

namespace sallyport::dataplane {

// One packet of a burst. On the way in its data starts at the outer IP header, which has passed check_ipv4 or
// check_ipv6 and is no fragment, and ends with the outer packet (no link-layer padding); on the way out it
// starts at the inner IP header and ends with the inner packet. The buffer can be exchanged for another where
// it was shared or segmented; in any case `packet` is the one to forward or free.
struct DecapPacket {
  rte_mbuf* packet;
  InboundSa* sa;
  uint64_t sequence;  // set before decryption
  uint32_t spi;
  // Of the ESP header from the data's start: IP header with its extensions, and UDP header where the packet
  // has one. Both forms, and both families, are taken whichever the SA sends (RFC 7296 section 2.23).
  uint16_t esp_offset;
  // In: those that are not kKeep are passed over. Out: why not to forward; kKeepIpv6: to be forwarded, and
  // the inner packet is IPv6.
  api::DropReason drop;
  bool plain;         // is_plain_outer
  uint8_t outer_tos;  // set before decryption
};

// ESP in a buffer to be opened in place, right behind an IPv4 header without options.
inline bool is_plain_outer(const rte_mbuf* packet, uint16_t esp_offset) {
  return esp_offset == sizeof(rte_ipv4_hdr) && is_private_linear(packet);
}

namespace esp_detail {

inline constexpr uint8_t kIpv4InEsp = 4, kIpv6InEsp = 41, kNextHeaderDummy = 59;
// What the device said about the outer packet is not true of the inner one.
inline constexpr uint64_t kOuterFlags =
    RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_RSS_HASH;

inline void increment(api::Counter& counter) {
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

// RFC 4106: nonce = salt and the packet's IV, AAD = SPI and sequence number, the inferred high word between
// with ESN. `header`: SPI and low word as they came.
inline void fill_job(CryptoJob& job, const InboundSa& sa, uint64_t sequence, uint64_t header, uint8_t* esp,
                     uint32_t text_bytes) {
  static_assert(RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN);
  const uint32_t salt = sa.salt;
  const bool esn = sa.esn;
  uint64_t iv;
  std::memcpy(&iv, esp + kEspHeaderBytes, 8);
  const auto low_be = static_cast<uint32_t>(header >> 32);
  const uint64_t high_be = rte_cpu_to_be_32(static_cast<uint32_t>(sequence >> 32));
  const uint64_t aad = esn ? (header & 0xffffffff) | high_be << 32 : header;
  job.key = &sa.key;
  job.text = esp + kEspHeaderBytes + sa.shape.iv_bytes;
  job.text_bytes = text_bytes;
  job.algorithm = sa.algorithm;
  job.aad_bytes = static_cast<uint8_t>(8 + 4 * esn);
  std::memcpy(job.nonce.data(), &salt, 4);
  std::memcpy(job.nonce.data() + 4, &iv, 8);
  std::memcpy(job.aad.data(), &aad, 8);
  std::memcpy(job.aad.data() + 8, &low_be, 4);
}

// The TOS byte or traffic class of an IP header.
inline uint8_t outer_class(const uint8_t* header) {
  return header[0] >> 4 == 6 ? static_cast<uint8_t>(header[0] << 4 | header[1] >> 4) : header[1];
}

[[gnu::always_inline]] inline api::DropReason open(DecapPacket& item, CryptoJob& job) {
  const InboundSa& sa = *item.sa;
  const EspShape shape = sa.shape;
  rte_mbuf* packet = item.packet;
  const uint32_t packet_bytes = rte_pktmbuf_pkt_len(packet);
  const uint32_t frame_bytes = item.esp_offset + kEspHeaderBytes + shape.iv_bytes + shape.icv_bytes;
  // The smallest ciphertext is one unit of alignment: pad length and next header lie in it.
  const uint32_t text_bytes = packet_bytes - frame_bytes;
  if (packet_bytes < frame_bytes + shape.align_bytes || (text_bytes & (shape.align_bytes - 1u)) != 0)
      [[unlikely]]
    return api::DropReason::kEspTooShort;
  if (!is_private_linear(packet)) [[unlikely]] {
    packet = make_private_linear(packet);
    if (packet == nullptr) return api::DropReason::kNoRoom;
    item.packet = packet;
  }
  auto* start = rte_pktmbuf_mtod(packet, uint8_t*);
  uint8_t* esp = start + item.esp_offset;
  uint64_t header;
  std::memcpy(&header, esp, sizeof header);
  const uint32_t low = rte_be_to_cpu_32(static_cast<uint32_t>(header >> 32));
  const uint64_t sequence = sa.esn ? sa.window.infer_esn(low) : low;
  item.sequence = sequence;
  item.outer_tos = item.esp_offset == sizeof(rte_ipv4_hdr) ? start[1] : outer_class(start);
  if (!sa.window.check_replay(sequence)) [[unlikely]] {
    increment(sa.row->replayed);
    return api::DropReason::kReplay;
  }
  fill_job(job, sa, sequence, header, esp, text_bytes);
  return kKeep;
}

// RFC 6040 section 4.2 where outer and inner header differ.
[[gnu::noinline]] inline api::DropReason merge_ecn(rte_ipv4_hdr& inner, uint8_t outer_tos) {
  const Ecn inner_ecn = ecn_of(inner.type_of_service);
  const std::optional<Ecn> ecn = decapsulated_ecn(inner_ecn, ecn_of(outer_tos));
  if (!ecn.has_value()) return api::DropReason::kEcn;
  if (*ecn != inner_ecn) {
    set_tos(inner, static_cast<uint8_t>((inner.type_of_service & ~kEcnMask) | static_cast<uint8_t>(*ecn)));
  }
  return kKeep;
}

// Leaves the packet with its inner one alone.
inline void expose_inner(rte_mbuf* packet, const uint8_t* inner, uint32_t inner_bytes) {
  packet->data_off = static_cast<uint16_t>(inner - static_cast<uint8_t*>(packet->buf_addr));
  packet->data_len = static_cast<uint16_t>(inner_bytes);
  packet->pkt_len = inner_bytes;
  packet->ol_flags &= ~kOuterFlags;
  packet->packet_type = 0;
}

// The rest of `strip` where the payload is not IPv4: kKeepIpv6, or why it is dropped.
[[gnu::noinline]] api::DropReason strip_other(DecapPacket& item, uint8_t* payload, uint32_t payload_bytes,
                                              uint8_t next_header);

// Whether a payload of so many bytes begins with an IPv4 packet without options that fits. It has a trailer
// and an ICV behind it: there is something to read even if it is empty.
inline bool is_plain_ipv4(const uint8_t* payload, uint32_t payload_bytes) {
  const auto& header = *reinterpret_cast<const rte_ipv4_hdr*>(payload);
  const uint32_t inner_bytes = ipv4_total_bytes(header);
  return header.version_ihl == RTE_IPV4_VHL_DEF && inner_bytes >= sizeof header &&
         inner_bytes <= payload_bytes;
}

// RFC 4303 section 3.4.4.1 steps after verification: trailer, next header, TFC padding, inner header.
[[gnu::always_inline]] inline api::DropReason strip(DecapPacket& item, const CryptoJob& job,
                                                    InboundTally& tally) {
  static_assert(RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN);
  uint8_t* text = job.text;
  const uint32_t text_bytes = job.text_bytes;
  uint16_t trailer;  // pad length, next header
  std::memcpy(&trailer, text + text_bytes - kEspTrailerBytes, sizeof trailer);
  const uint32_t pad_bytes = trailer & 0xff;
  const auto next_header = static_cast<uint8_t>(trailer >> 8);
  if (pad_bytes + kEspTrailerBytes > text_bytes) [[unlikely]]
    return api::DropReason::kPadLength;
  const uint32_t payload_bytes = text_bytes - kEspTrailerBytes - pad_bytes;
  if (const api::DropReason drop = tally.count(payload_bytes); drop != kKeep) [[unlikely]]
    return drop;
  if (next_header != kIpv4InEsp || !is_plain_ipv4(text, payload_bytes)) [[unlikely]] {
    if (next_header != kIpv4InEsp || (payload_bytes > 0 && text[0] >> 4 != 4))
      return strip_other(item, text, payload_bytes, next_header);
    if (check_ipv4(text, payload_bytes) != kKeep) return api::DropReason::kInnerBadHeader;
  }

  auto& inner = *reinterpret_cast<rte_ipv4_hdr*>(text);
  expose_inner(item.packet, text, ipv4_total_bytes(inner));
  if (ecn_of(inner.type_of_service) == ecn_of(item.outer_tos)) [[likely]]
    return kKeep;
  return merge_ecn(inner, item.outer_tos);
}

[[gnu::always_inline]] inline api::DropReason verify(DecapPacket& item, const CryptoJob& job,
                                                     InboundTally& tally) {
  InboundSa& sa = *item.sa;
  if (!job.ok) [[unlikely]] {
    increment(sa.row->icv_failed);
    return api::DropReason::kIcvFailed;
  }
  if (!sa.window.advance_replay(item.sequence)) [[unlikely]] {
    increment(sa.row->replayed);
    return api::DropReason::kReplay;
  }
  tally.enter(sa);
  return strip(item, job, tally);
}

}  // namespace esp_detail

// Checks length and alignment, infers the sequence number, checks replay, and fills the packet's job (without
// key where dropped). Drops: kEspTooShort, kReplay, kNoRoom. Changes no state but the row's `replayed`
// counter.
[[gnu::always_inline]] inline void prepare_decapsulation(DecapPacket& item, CryptoJob& job) {
  api::DropReason drop = item.drop;
  if (drop == kKeep) [[likely]]
    drop = esp_detail::open(item, job);
  if (drop != kKeep) [[unlikely]]
    job.key = nullptr;
  item.drop = drop;
}

// After CryptoEngine::decrypt, for each packet and its job: checks the verdict, advances the replay window,
// counts, strips the trailer and applies RFC 6040. Drops: kIcvFailed, kReplay (a duplicate in the burst),
// kHardLifetime, kPadLength, kDummy, kNextHeader, kInnerBadHeader, kEcn.
[[gnu::always_inline]] inline void finish_decapsulation(DecapPacket& item, const CryptoJob& job,
                                                        InboundTally& tally) {
  if (item.drop == kKeep) [[likely]]
    item.drop = esp_detail::verify(item, job, tally);
}

}  // namespace sallyport::dataplane
