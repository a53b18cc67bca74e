// SPDX-License-Identifier: BSD-3-Clause
#include "bench/frames.h"

#include <intel-ipsec-mb.h>
#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include <cstring>

namespace sallyport::bench {
namespace {

constexpr uint32_t kEtherBytes = sizeof(rte_ether_hdr), kIpBytes = sizeof(rte_ipv4_hdr);
constexpr uint32_t kEspBytes = 8, kIvBytes = 8, kTrailerBytes = 2, kIcvBytes = 16;
constexpr uint16_t kSourcePort = 1000, kDestinationPort = 2000;

template <typename T>
T* put(Frame& frame, size_t at) {
  return reinterpret_cast<T*>(frame.data() + at);
}

void put32(Frame& frame, size_t at, uint32_t value) {
  const uint32_t value_be = htonl(value);
  std::memcpy(frame.data() + at, &value_be, sizeof value_be);
}

void put_ethernet(Frame& frame, const api::Mac& to, const api::Mac& from) {
  auto* header = put<rte_ether_hdr>(frame, 0);
  std::memcpy(header->dst_addr.addr_bytes, to.data(), to.size());
  std::memcpy(header->src_addr.addr_bytes, from.data(), from.size());
  header->ether_type = htons(RTE_ETHER_TYPE_IPV4);
}

void put_ipv4(Frame& frame, size_t at, uint32_t bytes, uint8_t protocol, uint32_t from, uint32_t to) {
  auto* header = put<rte_ipv4_hdr>(frame, at);
  header->version_ihl = RTE_IPV4_VHL_DEF;
  header->total_length = htons(static_cast<uint16_t>(bytes));
  header->time_to_live = 64;
  header->next_proto_id = protocol;
  header->src_addr = htonl(from);
  header->dst_addr = htonl(to);
  header->hdr_checksum = rte_ipv4_cksum(header);
}

void put_inner(Frame& frame, size_t at, uint32_t bytes, uint32_t from, uint32_t to) {
  put_ipv4(frame, at, bytes, IPPROTO_UDP, from, to);
  auto* udp = put<rte_udp_hdr>(frame, at + kIpBytes);
  udp->src_port = htons(kSourcePort);
  udp->dst_port = htons(kDestinationPort);
  udp->dgram_len = htons(static_cast<uint16_t>(bytes - kIpBytes));
}

}  // namespace

Frame lan_frame(const api::Mac& gateway_mac, uint32_t site, uint32_t inner_bytes) {
  Frame frame(kEtherBytes + inner_bytes);
  put_ethernet(frame, gateway_mac, kHostMac);
  put_inner(frame, kEtherBytes, inner_bytes, kHostAddress, site_ids(site).address);
  return frame;
}

struct EspSealer::Library {
  Library() : manager(alloc_mb_mgr(0)) { init_mb_mgr_auto(manager, nullptr); }
  ~Library() { free_mb_mgr(manager); }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  IMB_MGR* manager;
};

EspSealer::EspSealer() : library_(std::make_unique<Library>()) {}
EspSealer::~EspSealer() = default;

// RFC 4303 section 2, RFC 4106: the nonce is the key's salt and the IV, the AAD the SPI and sequence number.
Frame EspSealer::wan_frame(const StaticGateway& gateway, const api::Mac& gateway_mac, const SaPair& pair,
                           uint32_t sequence, uint32_t inner_bytes) {
  const uint32_t pad = (4 - (inner_bytes + kTrailerBytes) % 4) % 4;
  const uint32_t text_bytes = inner_bytes + pad + kTrailerBytes;
  const uint32_t outer_bytes = kIpBytes + kEspBytes + kIvBytes + text_bytes + kIcvBytes;
  const size_t esp_at = kEtherBytes + kIpBytes, text_at = esp_at + kEspBytes + kIvBytes;
  Frame frame(kEtherBytes + outer_bytes);
  put_ethernet(frame, gateway_mac, kPeerMac);
  put_ipv4(frame, kEtherBytes, outer_bytes, IPPROTO_ESP, kPeerAddress, kWanAddress);
  put32(frame, esp_at, spi_of(pair));
  put32(frame, esp_at + 4, sequence);
  put32(frame, esp_at + 12, sequence);  // the IV: unique as the sequence number is
  put_inner(frame, text_at, inner_bytes, site_ids(pair.site).address, kHostAddress);
  for (uint32_t i = 0; i < pad; ++i)
    frame[text_at + inner_bytes + i] = static_cast<uint8_t>(i + 1);
  frame[text_at + text_bytes - 2] = static_cast<uint8_t>(pad);
  frame[text_at + text_bytes - 1] = IPPROTO_IPIP;

  const api::SaKeys keys = keys_of(gateway, pair.site);
  const uint32_t aes_bytes = keys.key_bytes - 4u;
  alignas(64) gcm_key_data schedule;
  alignas(64) gcm_context_data context;
  std::array<uint8_t, 12> nonce;
  std::memcpy(nonce.data(), keys.key.data() + aes_bytes, 4);
  std::memcpy(nonce.data() + 4, frame.data() + esp_at + kEspBytes, kIvBytes);
  uint8_t* text = frame.data() + text_at;
  const bool short_key = aes_bytes == 16;
  IMB_MGR* manager = library_->manager;
  if (short_key)
    IMB_AES128_GCM_PRE(manager, keys.key.data(), &schedule);
  else
    IMB_AES256_GCM_PRE(manager, keys.key.data(), &schedule);
  const auto encrypt = short_key ? manager->gcm128_enc : manager->gcm256_enc;
  encrypt(&schedule, &context, text, text, text_bytes, nonce.data(), frame.data() + esp_at, kEspBytes,
          text + text_bytes, kIcvBytes);
  return frame;
}

}  // namespace sallyport::bench
