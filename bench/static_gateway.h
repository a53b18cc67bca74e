// SPDX-License-Identifier: BSD-3-Clause
// What a static benchmark gateway holds: a public port and a LAN port, and N sites with a tunnel, a route and
// a pair of SAs each, all behind one peer. The numbers are fixed, so that packets can be made beforehand.
//
//   peer 192.0.2.2 -- (wan0, port 0) 192.0.2.1 [gateway] 198.51.100.1 (lan0, port 1) -- host 198.51.100.2
//
// Site i: tunnel i, group i + 1, route 198.18.0.0 + i / 32. Both SAs have the slot i + 1 and the same SPI.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "bench/api_client.h"

namespace sallyport::bench {

// What the SAs of all sites run.
struct Suite {
  api::Algorithm algorithm;
  api::Integrity integrity;
  uint8_t cipher_key_bytes, salt_bytes, integrity_key_bytes;
};
inline constexpr Suite kAes128Gcm16{api::Algorithm::kAes128Gcm16, api::Integrity::kNone, 16, 4, 0};
inline constexpr Suite kAes256Gcm16{api::Algorithm::kAes256Gcm16, api::Integrity::kNone, 32, 4, 0};
inline constexpr Suite kAes128CbcSha256{api::Algorithm::kAes128Cbc, api::Integrity::kHmacSha256_128, 16, 0,
                                        32};
inline constexpr Suite kChaCha20Poly1305{api::Algorithm::kChaCha20Poly1305, api::Integrity::kNone, 32, 4, 0};

struct StaticGateway {
  std::string wan_device, lan_device;  // DPDK's strings
  Suite suite = kAes128Gcm16;
  uint32_t replay_window = 0;
  uint8_t esn = 0;
};

inline constexpr uint32_t kMaxSites = 131072, kSitesPrefixBits = 15;  // addresses of 198.18.0.0/15
inline constexpr uint32_t kWanPort = 0, kLanPort = 1, kVrf = 1;
inline constexpr uint32_t kPeerNeighbour = 1, kHostNeighbour = 2, kHostGroup = 0;
inline constexpr uint32_t kWanAddress = 0xc0000201, kPeerAddress = 0xc0000202;       // 192.0.2.1, .2
inline constexpr uint32_t kLanAddress = 0xc6336401, kHostAddress = 0xc6336402;       // 198.51.100.1, .2
inline constexpr uint32_t kHostPrefix = 0xc6336400, kFirstSiteAddress = 0xc6120000;  // /24; 198.18.0.0
inline constexpr std::array<uint8_t, 16> kWanIpv6 = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0,
                                                     0,    0,    0,    0,    0, 0, 0, 1};
inline constexpr api::Mac kPeerMac = {2, 0, 0, 0, 0, 2}, kHostMac = {2, 0, 0, 0, 0, 3};

// The tunnel, group and route number of a site.
struct SiteIds {
  uint32_t tunnel, group, address;
};
constexpr SiteIds site_ids(uint32_t site) {
  return {site, site + 1, kFirstSiteAddress + site};
}

// One of a site's pairs of SAs; a rekeyed one has another slot, and so another SPI.
struct SaPair {
  uint32_t site, slot;
};
constexpr SaPair first_pair(uint32_t site) {
  return {site, site + 1};
}
constexpr uint32_t spi_of(const SaPair& pair) {
  return (0x100 + (pair.site >> 12 & 0xff)) << api::kSlotBits | pair.slot;
}

// Of the encryption key with its salt behind it, and of the integrity key; the rest is zero.
api::SaKeys keys_of(const StaticGateway& gateway, uint32_t site);
api::SetInboundSa inbound_sa(const StaticGateway& gateway, const SaPair& pair);
api::SetOutboundSa outbound_sa(const StaticGateway& gateway, const SaPair& pair);

// Ports, virtual network, neighbours and the route to the host.
void install_ports(ApiClient& client, const StaticGateway& gateway);
// Tunnels, groups and routes of the sites `first` to `first + count - 1`.
void install_sites(ApiClient& client, uint32_t first, uint32_t count);
// The addresses of all others lead to the first site, too.
void install_prefix(ApiClient& client);
// Their SAs. What these return by is answered: everything is installed.
void install_sas(ApiClient& client, const StaticGateway& gateway, uint32_t first, uint32_t count);
void delete_sas(ApiClient& client, uint32_t first, uint32_t count);
// The outbound SA first.
void delete_pair(ApiClient& client, const SaPair& pair);

}  // namespace sallyport::bench
