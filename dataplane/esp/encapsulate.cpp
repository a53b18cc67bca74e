// SPDX-License-Identifier: BSD-3-Clause
// ESP tunnel mode outbound, what is not IPv4 in plain IPv4 and has room. Worker threads.
#include "dataplane/esp/encapsulate.h"

#include "dataplane/packet/ipv6.h"

namespace sallyport::dataplane {

namespace esp_detail {

namespace {

constexpr uint8_t kNextHeaderIpv6 = 41;

bool is_ipv6(const uint8_t* header) {
  return header[0] >> 4 == 6;
}

uint8_t class_of(const uint8_t* inner) {
  return is_ipv6(inner) ? traffic_class(*reinterpret_cast<const rte_ipv6_hdr*>(inner)) : inner[1];
}

// What an IPv4 outer header inherits of an IPv6 packet: its traffic class, and that no router may fragment
// it.
uint64_t first_as_ipv4(const uint8_t* inner) {
  rte_ipv4_hdr header{};
  header.type_of_service = class_of(inner);
  header.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
  return load_first(reinterpret_cast<const uint8_t*>(&header));
}

// RFC 3948 section 2.1: the UDP checksum is zero.
void write_ipv4_outer(uint8_t* start, const OuterHeader& outer, uint32_t total_bytes, uint64_t inner,
                      uint64_t sequence) {
  uint32_t ttl_and_protocol;
  uint64_t addresses;
  std::memcpy(&ttl_and_protocol, outer.bytes.data() + 8, sizeof ttl_and_protocol);
  std::memcpy(&addresses, outer.bytes.data() + 12, sizeof addresses);
  write_ipv4_header(start, (inner & outer.inherited_mask) | outer.fixed_bits, ttl_and_protocol, addresses,
                    outer.checksum_sum, total_bytes, sequence);
  if (!outer.encap) return;
  rte_udp_hdr udp;
  std::memcpy(&udp, outer.bytes.data() + sizeof(rte_ipv4_hdr), sizeof udp);
  udp.dgram_len = rte_cpu_to_be_16(static_cast<uint16_t>(total_bytes - sizeof(rte_ipv4_hdr)));
  std::memcpy(start + sizeof(rte_ipv4_hdr), &udp, sizeof udp);
}

// RFC 4301 section 5.1.2.2 and RFC 6040 section 4.1, normal mode. The UDP checksum stays zero, which is what
// RFC 3948 section 2.2 asks of IPv4 and RFC 6935 section 5 allows over IPv6 to a tunnel protocol: RFC 6936
// section 5 asks that a packet that went astray does no harm, and here the ICV tells; nothing but the SPI
// chooses the SA, and the addresses are followed only when it was right. Whatever checksum comes is accepted.
void write_ipv6_outer(uint8_t* start, const OuterHeader& outer, uint32_t total_bytes, uint8_t inner_class) {
  rte_ipv6_hdr ip{};
  set_traffic_class(ip, inner_class);
  uint64_t first;
  std::memcpy(&first, &ip, sizeof first);
  first = (first & outer.inherited_mask) | outer.fixed_bits;
  std::memcpy(&ip, &first, sizeof first);
  const uint32_t payload_bytes = total_bytes - uint32_t{sizeof ip};
  ip.payload_len = rte_cpu_to_be_16(static_cast<uint16_t>(payload_bytes));
  std::memcpy(start, &ip, sizeof first);
  std::memcpy(start + sizeof first, outer.bytes.data(), outer.bytes.size());
  if (!outer.encap) return;
  rte_udp_hdr udp{};
  std::memcpy(&udp, &outer.ports, sizeof outer.ports);
  udp.dgram_len = ip.payload_len;
  std::memcpy(start + sizeof ip, &udp, sizeof udp);
}

}  // namespace

[[gnu::cold]] rte_mbuf* make_linear(rte_mbuf* packet) {
  rte_mbuf* copy = make_private_linear(packet);
  return copy != nullptr ? copy : packet;
}

}  // namespace esp_detail

api::DropReason prepare_other_encapsulation(rte_mbuf*& packet, const OutboundSa& sa, uint64_t sequence,
                                            CryptoJob& job) {
  using namespace esp_detail;
  const OuterHeader& outer = *sa.outer.load(std::memory_order_acquire);
  const bool outer_ipv6 = outer.family == api::Family::kIpv6;
  const bool inner_ipv6 = is_ipv6(rte_pktmbuf_mtod(packet, const uint8_t*));
  const auto write_outer = [&](uint8_t* start, uint32_t total_bytes, const uint8_t* inner, uint64_t number) {
    if (outer_ipv6) {
      write_ipv6_outer(start, outer, total_bytes, class_of(inner));
    } else {
      write_ipv4_outer(start, outer, total_bytes, inner_ipv6 ? first_as_ipv4(inner) : load_first(inner),
                       number);
    }
  };
  const auto reason = Encapsulation<Front::kOuterHeader>(sa, outer.size_bytes, sequence, nullptr)
                          .wrap_next(packet, job, write_outer);
  if (reason != kKeep) return reason;
  if (inner_ipv6) job.text[job.text_bytes - 1] = kNextHeaderIpv6;
  return outer_ipv6 ? kKeepIpv6 : kKeep;
}

}  // namespace sallyport::dataplane
