// SPDX-License-Identifier: BSD-3-Clause
// Reassembler over FragmentTable, one for each part.
#include "dataplane/path/reassembly.h"

#include <rte_ip.h>
#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "dataplane/esp/ecn.h"
#include "dataplane/packet/ipv4.h"
#include "dataplane/packet/ipv6.h"
#include "dataplane/path/validate_ipv6.h"

namespace sallyport::dataplane {

namespace {

using Chain = FragmentTable::Chain;

struct Ipv6FragmentHeader {  // RFC 8200 section 4.5
  uint8_t next_header, reserved;
  uint16_t offset_and_flag_be;
  uint32_t identification_be;
};
static_assert(sizeof(Ipv6FragmentHeader) == 8);

constexpr uint32_t kPartBits = std::countr_zero(Reassembler::kParts);
static_assert(std::has_single_bit(Reassembler::kParts));

// `bytes` of data at an offset. Without range, whose end is 0, where it can be no part of any datagram: it is
// empty, ends beyond what a length can say, or is followed by more and no multiple of 8.
FragmentRange range_of(uint32_t begin_bytes, uint32_t bytes, bool last) {
  const uint32_t end_bytes = begin_bytes + bytes;
  if (bytes == 0 || end_bytes > UINT16_MAX || (!last && bytes % 8 != 0)) return {};
  return {static_cast<uint16_t>(begin_bytes), static_cast<uint16_t>(end_bytes), last};
}

Fragment read_ipv4(rte_mbuf* packet) {
  const auto& header = *rte_pktmbuf_mtod(packet, const rte_ipv4_hdr*);
  const uint32_t header_bytes = ipv4_header_bytes(header);
  const uint16_t field = rte_be_to_cpu_16(header.fragment_offset);
  Fragment fragment{{{}, {}, header.packet_id, header.next_proto_id}, packet, {}, 0, 0};
  fragment.key.source[0] = header.src_addr;
  fragment.key.destination[0] = header.dst_addr;
  fragment.header_bytes = static_cast<uint8_t>(header_bytes);
  fragment.range = range_of((field & RTE_IPV4_HDR_OFFSET_MASK) * 8u, ipv4_total_bytes(header) - header_bytes,
                            (field & RTE_IPV4_HDR_MF_FLAG) == 0);
  return fragment;
}

Fragment read_ipv6(rte_mbuf* packet) {
  const auto* header = rte_pktmbuf_mtod(packet, const rte_ipv6_hdr*);
  Ipv6FragmentHeader extension;
  std::memcpy(&extension, header + 1, sizeof extension);
  constexpr uint32_t kHeaderBytes = sizeof *header + sizeof extension;
  const uint16_t field = rte_be_to_cpu_16(extension.offset_and_flag_be);
  Fragment fragment{
      {{}, {}, extension.identification_be, FragmentKey::kAnyProtocol}, packet, {}, kHeaderBytes, 0};
  std::memcpy(fragment.key.source.data(), header->src_addr, sizeof header->src_addr);
  std::memcpy(fragment.key.destination.data(), header->dst_addr, sizeof header->dst_addr);
  fragment.range = range_of(field & ~7u, ipv6_total_bytes(*header) - kHeaderBytes, (field & 1) == 0);
  return fragment;
}

bool same(const FragmentRange& a, const FragmentRange& b) {
  return a.begin_bytes == b.begin_bytes && a.end_bytes == b.end_bytes && a.last == b.last;
}

// Overlap, or one lies behind the end that the other gives the datagram.
bool conflict(const FragmentRange& a, const FragmentRange& b) {
  return (a.begin_bytes < b.end_bytes && b.begin_bytes < a.end_bytes) ||
         (a.last && b.end_bytes > a.end_bytes) || (b.last && a.end_bytes > b.end_bytes);
}

Ecn ecn_in(rte_mbuf* packet) {
  return ecn_of(is_ipv6_packet(packet) ? traffic_class(*rte_pktmbuf_mtod(packet, const rte_ipv6_hdr*))
                                       : rte_pktmbuf_mtod(packet, const rte_ipv4_hdr*)->type_of_service);
}

// Without the IPv4 checksum.
void set_ecn(rte_mbuf* packet, Ecn ecn) {
  const auto with_ecn = [&](uint8_t tos) {
    return static_cast<uint8_t>((tos & ~kEcnMask) | static_cast<uint8_t>(ecn));
  };
  if (is_ipv6_packet(packet)) {
    auto& header = *rte_pktmbuf_mtod(packet, rte_ipv6_hdr*);
    set_traffic_class(header, with_ecn(traffic_class(header)));
  } else {
    auto& header = *rte_pktmbuf_mtod(packet, rte_ipv4_hdr*);
    header.type_of_service = with_ecn(header.type_of_service);
  }
}

uint32_t joined_bytes(FragmentTable& part, const Chain& pieces) {
  return part.at(pieces.places[0]).header_bytes + part.at(pieces.places[pieces.count - 1]).range.end_bytes;
}

// Behind the packet's data; false where the pool is empty.
bool append(rte_mbuf* packet, const char* data, uint32_t bytes) {
  for (uint32_t done = 0; done < bytes;) {
    rte_mbuf* last = rte_pktmbuf_lastseg(packet);
    const auto part_bytes =
        static_cast<uint16_t>(std::min<uint32_t>(bytes - done, rte_pktmbuf_tailroom(last)));
    if (part_bytes == 0) {
      last->next = rte_pktmbuf_alloc(packet->pool);
      if (last->next == nullptr) return false;
      ++packet->nb_segs;
      continue;
    }
    std::memcpy(rte_pktmbuf_append(packet, part_bytes), data + done, part_bytes);
    done += part_bytes;
  }
  return true;
}

// A private copy of the first fragment with the data of the others behind; nullptr where the pool is empty,
// or where their ECN rules them out.
rte_mbuf* join(FragmentTable& part, const Chain& pieces) {
  std::array<Ecn, kMaxPieces> ecns;
  for (uint32_t i = 0; i < pieces.count; ++i)
    ecns[i] = ecn_in(part.at(pieces.places[i]).packet);
  const std::optional<Ecn> ecn = reassembled_ecn({ecns.data(), pieces.count});
  if (!ecn.has_value()) return nullptr;
  const rte_mbuf* first = part.at(pieces.places[0]).packet;
  rte_mbuf* packet = rte_pktmbuf_copy(first, first->pool, 0, first->pkt_len);
  bool fits = packet != nullptr;
  for (uint32_t i = 1; fits && i < pieces.count; ++i) {
    const Fragment& next = part.at(pieces.places[i]);
    fits = append(packet, rte_pktmbuf_mtod_offset(next.packet, const char*, next.header_bytes),
                  next.range.end_bytes - next.range.begin_bytes);
  }
  if (!fits) {
    rte_pktmbuf_free(packet);
    return nullptr;
  }
  set_ecn(packet, *ecn);
  return packet;
}

// Those that the chain's newest fragment completes, as places among the chain's.
FragmentCovers covers_of(FragmentTable& part, const Chain& chain) {
  std::array<FragmentRange, kMaxPieces> ranges;
  for (uint32_t i = 0; i < chain.count; ++i)
    ranges[i] = part.at(chain.places[i]).range;
  return covers_with_first({ranges.data(), chain.count});
}

Chain chosen(const Chain& chain, const FragmentCover& cover) {
  Chain pieces;
  for (uint32_t i = 0; i < cover.count; ++i)
    pieces.places[pieces.count++] = chain.places[cover.places[i]];
  return pieces;
}

void finish_ipv4(rte_mbuf* packet) {
  auto* header = rte_pktmbuf_mtod(packet, rte_ipv4_hdr*);
  header->total_length = rte_cpu_to_be_16(static_cast<uint16_t>(packet->pkt_len));
  header->fragment_offset &= RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
  header->hdr_checksum = 0;
}

// Of IPv4 packets, behind their headers.
bool same_data(rte_mbuf* a, rte_mbuf* b) {
  constexpr uint32_t kReadBytes = 2048;
  const auto header_bytes = [](rte_mbuf* packet) {
    return ipv4_header_bytes(*rte_pktmbuf_mtod(packet, const rte_ipv4_hdr*));
  };
  const uint32_t a_header = header_bytes(a), b_header = header_bytes(b), bytes = a->pkt_len - a_header;
  if (b->pkt_len - b_header != bytes) return false;
  std::array<char, kReadBytes> a_copy, b_copy;  // where data lies in two segments
  for (uint32_t at = 0; at < bytes; at += kReadBytes) {
    const uint32_t part_bytes = std::min(kReadBytes, bytes - at);
    if (std::memcmp(rte_pktmbuf_read(a, a_header + at, part_bytes, a_copy.data()),
                    rte_pktmbuf_read(b, b_header + at, part_bytes, b_copy.data()), part_bytes) != 0)
      return false;
  }
  return true;
}

// Without fragment header.
void finish_ipv6(rte_mbuf* packet) {
  auto* start = rte_pktmbuf_mtod(packet, char*);
  rte_ipv6_hdr header;
  Ipv6FragmentHeader extension;
  std::memcpy(&header, start, sizeof header);
  std::memcpy(&extension, start + sizeof header, sizeof extension);
  header.proto = extension.next_header;
  header.payload_len =
      rte_cpu_to_be_16(static_cast<uint16_t>(packet->pkt_len - sizeof header - sizeof extension));
  std::memcpy(start + sizeof extension, &header, sizeof header);
  rte_pktmbuf_adj(packet, sizeof extension);
}

// Not one more of them; how many go.
uint32_t bound(FragmentTable& part, Chain& chain) {
  return chain.count <= kMaxPieces ? 0 : part.remove(chain.places[--chain.count]);
}

}  // namespace

bool Reassembler::Hash::draw() {
  return getrandom(factors_.data(), sizeof factors_, 0) == static_cast<ssize_t>(sizeof factors_);
}

// Two unequal keys have the same sum with a chance of one in 2^32; the last step spreads sums in a row.
uint32_t Reassembler::Hash::operator()(std::span<const uint32_t> words, uint32_t bits) const {
  uint64_t sum = 0;
  for (size_t i = 0; i < words.size(); ++i)
    sum += factors_[i] * words[i];
  return static_cast<uint32_t>((sum ^ sum >> 32) * (factors_.back() | 1) >> (64 - bits));
}

std::unique_ptr<Reassembler> Reassembler::create(int socket_id, uint32_t max_fragments) {
  std::unique_ptr<Reassembler> reassembler(new Reassembler);
  if (!reassembler->part_hash_.draw() || !reassembler->bucket_hash_.draw()) return nullptr;
  void* parts = rte_zmalloc_socket(nullptr, kParts * sizeof(FragmentTable), RTE_CACHE_LINE_SIZE, socket_id);
  if (parts == nullptr) return nullptr;
  reassembler->parts_.reset(static_cast<FragmentTable*>(parts));
  for (uint32_t i = 0; i < kParts; ++i)
    reassembler->parts_[i].open(std::clamp(max_fragments / kParts, 1u, kMaxPartFragments));
  return reassembler;
}

Reassembler::~Reassembler() {
  for (uint32_t i = 0; parts_ != nullptr && i < kParts; ++i)
    parts_[i].clear();
}

// Two sources share a part with a chance of one in kParts, be they neighbours or chosen by somebody.
FragmentTable& Reassembler::part_of(const FragmentKey& key) {
  return parts_[part_hash_(key.source, kPartBits)];
}

Reassembler::Outcome Reassembler::add(rte_mbuf* packet) {
  const Fragment fragment = read_ipv4(packet);
  if (fragment.range.end_bytes > 0) return add_ipv4_to(part_of(fragment.key), fragment);
  rte_pktmbuf_free(packet);
  return {1};
}

Reassembler::Outcome Reassembler::add_ipv6(rte_mbuf* packet) {
  const Fragment fragment = read_ipv6(packet);
  if (fragment.range.end_bytes > 0) return add_ipv6_to(part_of(fragment.key), fragment);
  rte_pktmbuf_free(packet);
  return {1};
}

Reassembler::Outcome Reassembler::add_ipv4_to(FragmentTable& part, const Fragment& fragment) {
  const uint32_t bucket = bucket_hash_(fragment.key.words(), FragmentTable::kBucketBits);
  Outcome outcome{part.put(fragment, bucket)};
  Chain chain = part.find(fragment.key, bucket);
  outcome.given_up += bound(part, chain);
  const auto is_used_up = [&](uint16_t place) { return part.at(place).uses == kMaxUses; };
  const auto use = [&](const Chain& pieces) {
    for (const uint16_t place : pieces.all())
      ++part.at(place).uses;
  };
  const FragmentCovers covers = covers_of(part, chain);
  for (const FragmentCover& cover : covers.all()) {
    const Chain pieces = chosen(chain, cover);
    if (std::ranges::any_of(pieces.all(), is_used_up)) continue;
    if (joined_bytes(part, pieces) > kMaxPacketBytes) {  // which is a use, too: they are counted
      ++outcome.too_large;
      use(pieces);
      continue;
    }
    rte_mbuf* packet = join(part, pieces);
    if (packet == nullptr) continue;
    finish_ipv4(packet);
    if (std::ranges::any_of(outcome.all(), [&](rte_mbuf* other) { return same_data(packet, other); })) {
      rte_pktmbuf_free(packet);
      continue;
    }
    outcome.push(packet);
    use(pieces);
  }
  for (const uint16_t place : chain.all())
    if (is_used_up(place)) part.remove(place);
  return outcome;
}

Reassembler::Outcome Reassembler::add_ipv6_to(FragmentTable& part, const Fragment& fragment) {
  const uint32_t bucket = bucket_hash_(fragment.key.words(), FragmentTable::kBucketBits);
  Outcome outcome{part.put(fragment, bucket)};
  Chain chain = part.find(fragment.key, bucket);
  const std::span<const uint16_t> others = chain.all().subspan(1);
  for (const uint16_t place : others) {
    const Fragment& other = part.at(place);
    if (other.packet != nullptr && !same(other.range, fragment.range)) continue;
    outcome.given_up += part.remove(chain.places[0]);
    return outcome;
  }
  if (std::any_of(others.begin(), others.end(),
                  [&](uint16_t place) { return conflict(part.at(place).range, fragment.range); })) {
    for (const uint16_t place : others)
      outcome.given_up += part.remove(place);
    outcome.given_up += part.abandon(chain.places[0]);
    return outcome;
  }
  outcome.given_up += bound(part, chain);
  const FragmentCovers covers = covers_of(part, chain);
  if (covers.count == 0) return outcome;
  const Chain pieces = chosen(chain, covers.covers[0]);  // without overlap there is one
  if (joined_bytes(part, pieces) > kMaxPacketBytes) {
    ++outcome.too_large;
  } else {
    rte_mbuf* packet = join(part, pieces);
    if (packet == nullptr) return outcome;
    finish_ipv6(packet);
    outcome.push(packet);
  }
  for (const uint16_t place : pieces.all())
    part.remove(place);  // not given up
  return outcome;
}

uint32_t Reassembler::expire(uint64_t now_ns) {
  if (now_ns < turn_ends_ns_) return 0;
  uint32_t gone = 0;
  for (uint32_t i = 0; i < kParts; ++i)
    gone += parts_[i].end_turn();
  turn_ends_ns_ = now_ns + kTimeoutNs;
  return gone;
}

}  // namespace sallyport::dataplane
