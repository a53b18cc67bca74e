// SPDX-License-Identifier: BSD-3-Clause
// ESP tunnel mode inbound. Home worker.
#include "dataplane/esp/decapsulate.h"

#include <cstring>

#include "dataplane/esp/ecn.h"
#include "dataplane/esp/overhead.h"
#include "dataplane/packet/buffer.h"
#include "dataplane/packet/ipv4.h"

namespace sallyport::dataplane {

namespace {

constexpr uint8_t kNextHeaderIpv4 = 4, kNextHeaderDummy = 59;
// What the device said about the outer packet is not true of the inner one.
constexpr uint64_t kOuterFlags =
    RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_RSS_HASH;

void increment(api::Counter& counter) {
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

[[gnu::cold, gnu::noinline]] api::DropReason make_private(rte_mbuf*& packet) {
  rte_mbuf* copy = make_private_linear(packet);
  if (copy == nullptr) return api::DropReason::kNoRoom;
  packet = copy;
  return kKeep;
}

// RFC 4106: nonce = salt and the packet's IV, AAD = SPI and sequence number, the inferred high word between
// with ESN.
void fill_job(CryptoJob& job, const InboundSa& sa, uint64_t sequence, uint8_t* esp, uint32_t text_bytes) {
  const uint32_t high_be = rte_cpu_to_be_32(static_cast<uint32_t>(sequence >> 32));
  const uint32_t salt = sa.key.salt();
  job.key = &sa.key;
  job.text = esp + kEspHeaderBytes + sa.shape.iv_bytes;
  job.text_bytes = text_bytes;
  job.icv_bytes = sa.shape.icv_bytes;
  job.aad_bytes = sa.esn ? 12 : 8;
  std::memcpy(job.nonce.data(), &salt, 4);
  std::memcpy(job.nonce.data() + 4, esp + kEspHeaderBytes, 8);
  std::memcpy(job.aad.data(), esp, 8);
  if (sa.esn) {
    std::memcpy(job.aad.data() + 8, esp + 4, 4);
    std::memcpy(job.aad.data() + 4, &high_be, 4);
  }
}

api::DropReason prepare(DecapPacket& item, CryptoJob& job) {
  const InboundSa& sa = *item.sa;
  const EspShape& shape = sa.shape;
  const uint32_t packet_bytes = rte_pktmbuf_pkt_len(item.packet);
  const uint32_t frame_bytes = item.esp_offset + kEspHeaderBytes + shape.iv_bytes + shape.icv_bytes;
  // The smallest ciphertext is one unit of alignment: pad length and next header lie in it.
  if (packet_bytes < frame_bytes + shape.align_bytes) return api::DropReason::kEspTooShort;
  const uint32_t text_bytes = packet_bytes - frame_bytes;
  if ((text_bytes & (shape.align_bytes - 1u)) != 0) return api::DropReason::kEspTooShort;
  if (!is_private_linear(item.packet)) [[unlikely]] {
    if (const api::DropReason drop = make_private(item.packet); drop != kKeep) return drop;
  }
  auto* start = rte_pktmbuf_mtod(item.packet, uint8_t*);
  const auto& outer = *reinterpret_cast<const rte_ipv4_hdr*>(start);
  uint8_t* esp = start + item.esp_offset;
  uint32_t low_be;
  std::memcpy(&low_be, esp + 4, sizeof(low_be));
  const uint32_t low = rte_be_to_cpu_32(low_be);
  item.sequence = sa.esn ? sa.window.infer_esn(low) : low;
  item.outer_tos = outer.type_of_service;
  if (!sa.window.check_replay(item.sequence)) [[unlikely]] {
    increment(sa.row->replayed);
    return api::DropReason::kReplay;
  }
  fill_job(job, sa, item.sequence, esp, text_bytes);
  return kKeep;
}

// RFC 4303 section 3.4.4.1 steps after verification: trailer, next header, TFC padding, inner header.
api::DropReason strip(DecapPacket& item, const CryptoJob& job, uint64_t now_ns) {
  const uint32_t pad_bytes = job.text[job.text_bytes - 2];
  const uint8_t next_header = job.text[job.text_bytes - 1];
  if (pad_bytes + kEspTrailerBytes > job.text_bytes) return api::DropReason::kPadLength;
  const uint32_t payload_bytes = job.text_bytes - kEspTrailerBytes - pad_bytes;
  if (const api::DropReason drop = count_inbound(*item.sa, payload_bytes, now_ns); drop != kKeep) return drop;
  if (next_header == kNextHeaderDummy) return api::DropReason::kDummy;
  if (next_header != kNextHeaderIpv4 || (payload_bytes > 0 && job.text[0] >> 4 != 4)) {
    return api::DropReason::kNextHeader;
  }
  if (check_ipv4(job.text, payload_bytes) != kKeep) return api::DropReason::kInnerBadHeader;

  auto& inner = *reinterpret_cast<rte_ipv4_hdr*>(job.text);
  const Ecn inner_ecn = ecn_of(inner.type_of_service);
  const std::optional<Ecn> ecn = decapsulated_ecn(inner_ecn, ecn_of(item.outer_tos));
  if (!ecn.has_value()) return api::DropReason::kEcn;
  if (*ecn != inner_ecn) {
    set_tos(inner, static_cast<uint8_t>((inner.type_of_service & ~kEcnMask) | static_cast<uint8_t>(*ecn)));
  }
  rte_mbuf* packet = item.packet;
  const uint32_t inner_bytes = ipv4_total_bytes(inner);
  packet->data_off = static_cast<uint16_t>(job.text - static_cast<uint8_t*>(packet->buf_addr));
  packet->data_len = static_cast<uint16_t>(inner_bytes);
  packet->pkt_len = inner_bytes;
  packet->ol_flags &= ~kOuterFlags;
  packet->packet_type = 0;
  return kKeep;
}

api::DropReason finish(DecapPacket& item, const CryptoJob& job, uint64_t now_ns) {
  InboundSa& sa = *item.sa;
  if (!job.ok) {
    increment(sa.row->icv_failed);
    return api::DropReason::kIcvFailed;
  }
  if (!sa.window.advance_replay(item.sequence)) {
    increment(sa.row->replayed);
    return api::DropReason::kReplay;
  }
  sa.row->right_edge.store(sa.window.right_edge(), std::memory_order_relaxed);
  return strip(item, job, now_ns);
}

}  // namespace

void prepare_decapsulation(std::span<DecapPacket> packets, std::span<CryptoJob> jobs) {
  for (size_t i = 0; i < packets.size(); ++i) {
    jobs[i].key = nullptr;
    if (packets[i].drop == kKeep) packets[i].drop = prepare(packets[i], jobs[i]);
  }
}

void finish_decapsulation(std::span<DecapPacket> packets, std::span<const CryptoJob> jobs, uint64_t now_ns) {
  for (size_t i = 0; i < packets.size(); ++i) {
    if (packets[i].drop == kKeep) packets[i].drop = finish(packets[i], jobs[i], now_ns);
  }
}

}  // namespace sallyport::dataplane
