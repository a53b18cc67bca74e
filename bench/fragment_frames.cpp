// SPDX-License-Identifier: BSD-3-Clause
#include "bench/fragment_frames.h"

#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>

#include <cstring>

namespace sallyport::bench {
namespace {

constexpr uint32_t kEtherBytes = sizeof(rte_ether_hdr), kIpBytes = sizeof(rte_ipv4_hdr);
constexpr uint32_t kFloodBytes = 64;
constexpr uint32_t kPiecesOfOne = 4;         // overlapping: of one datagram, each 8 bytes behind the last one
constexpr uint32_t kOneSource = 0xc000024d;  // 192.0.2.77

// The bytes of one fragment within its datagram.
struct Piece {
  uint32_t source, id, offset;
  bool more;
};

void put_ethernet(Frame& frame, const api::Mac& to, uint16_t type) {
  auto* header = reinterpret_cast<rte_ether_hdr*>(frame.data());
  std::memcpy(header->dst_addr.addr_bytes, to.data(), to.size());
  std::memcpy(header->src_addr.addr_bytes, kPeerMac.data(), kPeerMac.size());
  header->ether_type = htons(type);
}

void put_fragment_fields(rte_ipv4_hdr& header, uint32_t payload_bytes, uint16_t id, uint32_t offset,
                         bool more) {
  header.total_length = htons(static_cast<uint16_t>(kIpBytes + payload_bytes));
  header.packet_id = htons(id);
  header.fragment_offset = htons(static_cast<uint16_t>(offset / 8 | (more ? RTE_IPV4_HDR_MF_FLAG : 0)));
  header.hdr_checksum = 0;
  header.hdr_checksum = rte_ipv4_cksum(&header);
}

Frame ipv4_fragment(const api::Mac& mac, const Piece& piece) {
  Frame frame(kEtherBytes + kIpBytes + kFloodBytes);
  put_ethernet(frame, mac, RTE_ETHER_TYPE_IPV4);
  auto* header = reinterpret_cast<rte_ipv4_hdr*>(frame.data() + kEtherBytes);
  header->version_ihl = RTE_IPV4_VHL_DEF;
  header->time_to_live = 64;
  header->next_proto_id = IPPROTO_ESP;
  header->src_addr = htonl(piece.source);
  header->dst_addr = htonl(kWanAddress);
  put_fragment_fields(*header, kFloodBytes, static_cast<uint16_t>(piece.id), piece.offset, piece.more);
  return frame;
}

Frame ipv6_fragment(const api::Mac& mac, const Piece& piece) {
  Frame frame(kEtherBytes + sizeof(rte_ipv6_hdr) + sizeof(rte_ipv6_fragment_ext) + kFloodBytes);
  put_ethernet(frame, mac, RTE_ETHER_TYPE_IPV6);
  auto* header = reinterpret_cast<rte_ipv6_hdr*>(frame.data() + kEtherBytes);
  header->vtc_flow = htonl(6u << 28);
  header->payload_len = htons(sizeof(rte_ipv6_fragment_ext) + kFloodBytes);
  header->proto = IPPROTO_FRAGMENT;
  header->hop_limits = 64;
  std::memcpy(header->src_addr, kWanIpv6.data(), kWanIpv6.size());
  std::memcpy(header->dst_addr, kWanIpv6.data(), kWanIpv6.size());
  std::memcpy(header->src_addr + 4, &piece.source, sizeof piece.source);
  auto* fragment = reinterpret_cast<rte_ipv6_fragment_ext*>(header + 1);
  fragment->next_header = IPPROTO_ESP;
  fragment->frag_data =
      htons(static_cast<uint16_t>(RTE_IPV6_SET_FRAG_DATA(piece.offset, piece.more ? 1 : 0)));
  fragment->id = htonl(piece.id);
  return frame;
}

}  // namespace

std::array<Frame, 2> in_two(const Frame& frame, uint16_t id) {
  const uint32_t payload = static_cast<uint32_t>(frame.size()) - kEtherBytes - kIpBytes;
  const uint32_t cut = payload / 2 & ~7u;
  const auto headers_end = frame.begin() + kEtherBytes + kIpBytes;
  std::array<Frame, 2> pieces = {Frame(frame.begin(), headers_end + cut), Frame(frame.begin(), headers_end)};
  pieces[1].insert(pieces[1].end(), headers_end + cut, frame.end());
  put_fragment_fields(*reinterpret_cast<rte_ipv4_hdr*>(pieces[0].data() + kEtherBytes), cut, id, 0, true);
  put_fragment_fields(*reinterpret_cast<rte_ipv4_hdr*>(pieces[1].data() + kEtherBytes), payload - cut, id,
                      cut, false);
  return pieces;
}

Frame FloodMaker::next() {
  if (flood_ == Flood::kPeersPieces) {
    Frame forged = in_two(peers_, static_cast<uint16_t>(random_()))[count_++ % 2];
    forged.back() ^= 0xff;  // so that two of them make no good packet either
    return forged;
  }
  const bool is_ipv6 = flood_ == Flood::kIpv6 || flood_ == Flood::kIpv6Overlapping;
  const bool overlaps = flood_ == Flood::kOverlapping || flood_ == Flood::kIpv6Overlapping;
  Piece piece{};
  piece.source = static_cast<uint32_t>(random_());
  piece.id = static_cast<uint32_t>(random_());
  // 64 bytes at odd multiples of 8 don't follow on the first 64.
  if (random_() % 4 != 0) piece.offset = static_cast<uint32_t>(8 * (random_() % 180 | 1));
  piece.more = piece.offset == 0 || random_() % 4 != 0;
  if (overlaps) {
    const uint32_t datagram = count_ / kPiecesOfOne, place = count_ % kPiecesOfOne;
    piece = {0x0b000000 + datagram * 77, datagram * 31, 8 * place, place + 1 != kPiecesOfOne};
    ++count_;
  }
  if (flood_ == Flood::kOneSource) piece.source = kOneSource;
  if (flood_ == Flood::kPeersAddress) piece.source = kPeerAddress;
  return is_ipv6 ? ipv6_fragment(gateway_mac_, piece) : ipv4_fragment(gateway_mac_, piece);
}

}  // namespace sallyport::bench
