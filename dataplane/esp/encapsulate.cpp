// SPDX-License-Identifier: BSD-3-Clause
// ESP tunnel mode outbound. Worker threads.
#include "dataplane/esp/encapsulate.h"

#include <rte_ether.h>
#include <rte_udp.h>

#include <cstring>

#include "dataplane/esp/overhead.h"
#include "dataplane/packet/buffer.h"
#include "dataplane/packet/ipv4.h"

namespace sallyport::dataplane {

namespace {

constexpr uint8_t kNextHeaderIpv4 = 4;
constexpr uint32_t kLinkHeaderBytes = RTE_ETHER_HDR_LEN;  // left free for the neighbour's rewrite

// RFC 4303 section 2.4: 1, 2, 3, ...
constexpr std::array<uint8_t, 16> kPadding = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

bool has_room(const rte_mbuf* packet, uint32_t head_bytes, uint32_t tail_bytes) {
  return rte_pktmbuf_headroom(packet) >= head_bytes + kLinkHeaderBytes &&
         rte_pktmbuf_tailroom(packet) >= tail_bytes;
}

// Exchanges a packet that can't be grown in place for a copy that can.
[[gnu::cold, gnu::noinline]] api::DropReason make_room(rte_mbuf*& packet, uint32_t head_bytes,
                                                       uint32_t tail_bytes) {
  rte_mbuf* copy = make_private_linear(packet);
  if (copy == nullptr) return api::DropReason::kNoRoom;
  packet = copy;
  return has_room(copy, head_bytes, tail_bytes) ? kKeep : api::DropReason::kNoRoom;
}

// RFC 4301 section 5.1.2.1 and RFC 6040 section 4.1, normal mode. `sequence` gives the identification: unique
// among 65,536 neighbours, and no state.
void write_outer(uint8_t* start, const OuterHeader& outer, uint32_t total_bytes, uint8_t inner_tos,
                 bool inner_df, uint64_t sequence) {
  std::memcpy(start, outer.bytes.data(), sizeof(rte_ipv4_hdr));
  auto* ip = reinterpret_cast<rte_ipv4_hdr*>(start);
  const uint8_t dscp = outer.dscp_policy == api::DscpPolicy::kSet ? outer.tos : inner_tos & ~kEcnMask;
  const bool df = outer.df == api::DfPolicy::kCopy ? inner_df : outer.df == api::DfPolicy::kSet;
  ip->type_of_service = dscp | (inner_tos & kEcnMask);
  ip->total_length = rte_cpu_to_be_16(static_cast<uint16_t>(total_bytes));
  ip->packet_id = rte_cpu_to_be_16(static_cast<uint16_t>(sequence));
  ip->fragment_offset = df ? RTE_BE16(RTE_IPV4_HDR_DF_FLAG) : 0;
  // The prepared sum covers the constant fields; in memory order the TOS is the second byte of its word.
  uint32_t sum = outer.checksum_sum + rte_cpu_to_be_16(ip->type_of_service) + ip->total_length +
                 ip->packet_id + ip->fragment_offset;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  ip->hdr_checksum = static_cast<uint16_t>(~sum);
  if (outer.encap) {
    std::memcpy(start + sizeof(*ip), outer.bytes.data() + sizeof(*ip), sizeof(rte_udp_hdr));
    auto* udp = reinterpret_cast<rte_udp_hdr*>(ip + 1);  // the checksum stays zero: RFC 3948 section 2.1
    udp->dgram_len = rte_cpu_to_be_16(static_cast<uint16_t>(total_bytes - sizeof(*ip)));
  }
}

// RFC 4106: nonce = salt and IV, AAD = SPI and sequence number. The IV is the sequence number: unique under
// the key.
void fill_job(CryptoJob& job, const OutboundSa& sa, uint64_t sequence, uint8_t* esp, uint32_t text_bytes) {
  const uint32_t spi_be = rte_cpu_to_be_32(sa.spi);
  const uint32_t low_be = rte_cpu_to_be_32(static_cast<uint32_t>(sequence));
  const uint32_t high_be = rte_cpu_to_be_32(static_cast<uint32_t>(sequence >> 32));
  const uint64_t iv_be = rte_cpu_to_be_64(sequence);
  const uint32_t salt = sa.key.salt();
  std::memcpy(esp, &spi_be, 4);
  std::memcpy(esp + 4, &low_be, 4);
  std::memcpy(esp + kEspHeaderBytes, &iv_be, 8);
  job.key = &sa.key;
  job.text = esp + kEspHeaderBytes + sa.shape.iv_bytes;
  job.text_bytes = text_bytes;
  job.icv_bytes = sa.shape.icv_bytes;
  job.aad_bytes = sa.esn ? 12 : 8;
  std::memcpy(job.nonce.data(), &salt, 4);
  std::memcpy(job.nonce.data() + 4, &iv_be, 8);
  std::memcpy(job.aad.data(), &spi_be, 4);
  std::memcpy(job.aad.data() + 4, sa.esn ? &high_be : &low_be, 4);
  std::memcpy(job.aad.data() + 8, &low_be, 4);
}

api::DropReason prepare(EncapPacket& item, CryptoJob& job) {
  const OutboundSa& sa = *item.sa;
  const EspShape& shape = sa.shape;
  const OuterHeader& outer = *sa.outer.load(std::memory_order_acquire);
  const uint32_t inner_bytes = rte_pktmbuf_pkt_len(item.packet);
  const uint32_t pad_bytes = esp_pad_bytes(inner_bytes, shape);
  const uint32_t head_bytes = outer.size_bytes + kEspHeaderBytes + shape.iv_bytes;
  const uint32_t tail_bytes = pad_bytes + kEspTrailerBytes + shape.icv_bytes;
  const uint32_t total_bytes = head_bytes + inner_bytes + tail_bytes;
  if (total_bytes > UINT16_MAX) [[unlikely]]
    return api::DropReason::kNoRoom;
  if (!is_private_linear(item.packet) || !has_room(item.packet, head_bytes, tail_bytes)) [[unlikely]] {
    if (const api::DropReason drop = make_room(item.packet, head_bytes, tail_bytes); drop != kKeep)
      return drop;
  }

  rte_mbuf* packet = item.packet;
  const auto* inner = rte_pktmbuf_mtod(packet, const rte_ipv4_hdr*);
  const uint8_t inner_tos = inner->type_of_service;
  const bool inner_df = ipv4_df(*inner);
  uint8_t* trailer = rte_pktmbuf_mtod(packet, uint8_t*) + inner_bytes;
  std::memcpy(trailer, kPadding.data(), pad_bytes);
  trailer[pad_bytes] = static_cast<uint8_t>(pad_bytes);
  trailer[pad_bytes + 1] = kNextHeaderIpv4;

  packet->data_off = static_cast<uint16_t>(packet->data_off - head_bytes);
  packet->data_len = static_cast<uint16_t>(total_bytes);
  packet->pkt_len = total_bytes;
  auto* start = rte_pktmbuf_mtod(packet, uint8_t*);
  write_outer(start, outer, total_bytes, inner_tos, inner_df, item.sequence);
  fill_job(job, sa, item.sequence, start + outer.size_bytes, inner_bytes + pad_bytes + kEspTrailerBytes);
  return kKeep;
}

}  // namespace

void prepare_encapsulation(std::span<EncapPacket> packets, std::span<CryptoJob> jobs) {
  for (size_t i = 0; i < packets.size(); ++i) {
    jobs[i].key = nullptr;
    if (packets[i].drop == kKeep) packets[i].drop = prepare(packets[i], jobs[i]);
  }
}

void finish_encapsulation(std::span<EncapPacket> packets, std::span<const CryptoJob> jobs) {
  for (size_t i = 0; i < packets.size(); ++i) {
    if (packets[i].drop == kKeep && !jobs[i].ok) [[unlikely]]
      packets[i].drop = api::DropReason::kCryptoFailed;
  }
}

}  // namespace sallyport::dataplane
