// SPDX-License-Identifier: BSD-3-Clause
#include "bench/static_gateway.h"

#include <algorithm>

#include "bench/api_objects.h"

namespace sallyport::bench {
namespace {

api::Selector any_ipv4() {
  api::Selector selector{};
  selector.family = api::Family::kIpv4;
  selector.port_to = 0xffff;
  selector.to = {0xff, 0xff, 0xff, 0xff};
  return selector;
}

template <typename Sa>
void fill(Sa& sa, const StaticGateway& gateway, const SaPair& pair) {
  sa.spi = spi_of(pair);
  sa.tunnel_id = site_ids(pair.site).tunnel;
  sa.esn = gateway.esn;
  sa.keys = keys_of(gateway, pair.site);
  sa.local = address(kWanAddress);
  sa.remote = address(kPeerAddress);
  sa.local_selector_count = sa.remote_selector_count = 1;
  sa.selectors[0] = sa.selectors[1] = any_ipv4();
}

}  // namespace

api::SaKeys keys_of(const StaticGateway& gateway, uint32_t site) {
  const Suite& suite = gateway.suite;
  api::SaKeys keys{};
  keys.algorithm = suite.algorithm;
  keys.integrity = suite.integrity;
  keys.key_bytes = static_cast<uint16_t>(suite.cipher_key_bytes + suite.salt_bytes);
  keys.integrity_key_bytes = suite.integrity_key_bytes;
  for (uint32_t k = 0; k < suite.cipher_key_bytes; ++k)
    keys.key.at(k) = static_cast<uint8_t>(site * 7 + k * 31 + 1);
  for (uint32_t k = 0; k < suite.salt_bytes; ++k)
    keys.key.at(suite.cipher_key_bytes + k) = static_cast<uint8_t>(site >> (24 - 8 * k));
  for (uint32_t k = 0; k < suite.integrity_key_bytes; ++k)
    keys.integrity_key.at(k) = static_cast<uint8_t>(site * 11 + k * 17 + 5);
  return keys;
}

api::SetInboundSa inbound_sa(const StaticGateway& gateway, const SaPair& pair) {
  auto sa = make_message<api::SetInboundSa>(api::Type::kSetInboundSa);
  fill(sa, gateway, pair);
  sa.replay_window = gateway.replay_window;
  return sa;
}

api::SetOutboundSa outbound_sa(const StaticGateway& gateway, const SaPair& pair) {
  auto sa = make_message<api::SetOutboundSa>(api::Type::kSetOutboundSa);
  fill(sa, gateway, pair);
  sa.slot = pair.slot;
  sa.activate = 1;
  return sa;
}

void install_ports(ApiClient& client, const StaticGateway& gateway) {
  auto vrf = make_message<api::SetVrf>(api::Type::kSetVrf);
  vrf.vrf_id = kVrf;
  set_text(vrf.name, "bench");
  client.submit(vrf);
  set_port(client, kWanPort, 0, "wan0", gateway.wan_device, kWanAddress);
  auto wan_ipv6 = make_message<api::SetAddress>(api::Type::kSetAddress);
  wan_ipv6.port_id = kWanPort;
  wan_ipv6.address.family = api::Family::kIpv6;
  std::copy(kWanIpv6.begin(), kWanIpv6.end(), wan_ipv6.address.bytes.begin());
  client.submit(wan_ipv6);
  set_port(client, kLanPort, kVrf, "lan0", gateway.lan_device, kLanAddress);
  set_neighbour(client, kPeerNeighbour, kWanPort, kPeerAddress, kPeerMac);
  set_neighbour(client, kHostNeighbour, kLanPort, kHostAddress, kHostMac);
  set_group(client, kVrf, kHostGroup, "host", {api::MemberKind::kNeighbour, 1, 1, kHostNeighbour});
  set_route(client, kVrf, kHostPrefix, 24, kHostGroup);
  client.finish();
}

void install_sites(ApiClient& client, uint32_t first, uint32_t count) {
  for (uint32_t site = first; site < first + count; ++site) {
    const SiteIds ids = site_ids(site);
    const std::string name = "site" + std::to_string(site);
    auto tunnel = make_message<api::SetTunnel>(api::Type::kSetTunnel);
    tunnel.tunnel_id = ids.tunnel;
    tunnel.vrf_id = kVrf;
    tunnel.neighbour_id = kPeerNeighbour;
    tunnel.mss_clamp = 1;
    set_text(tunnel.name, name);
    client.submit(tunnel);
    set_group(client, kVrf, ids.group, name, {api::MemberKind::kTunnel, 1, 1, ids.tunnel});
    set_route(client, kVrf, ids.address, 32, ids.group);
  }
  client.finish();
}

void install_prefix(ApiClient& client) {
  set_route(client, kVrf, kFirstSiteAddress, kSitesPrefixBits, site_ids(0).group);
  client.finish();
}

void install_sas(ApiClient& client, const StaticGateway& gateway, uint32_t first, uint32_t count) {
  for (uint32_t site = first; site < first + count; ++site) {
    client.submit(inbound_sa(gateway, first_pair(site)));
    client.submit(outbound_sa(gateway, first_pair(site)));
  }
  client.finish();
}

void delete_pair(ApiClient& client, const SaPair& pair) {
  auto sa = make_message<api::DeleteSa>(api::Type::kDeleteSa);
  sa.slot = pair.slot;
  sa.spi = spi_of(pair);
  sa.direction = api::Direction::kOutbound;
  client.submit(sa);
  sa.direction = api::Direction::kInbound;
  client.submit(sa);
}

void delete_sas(ApiClient& client, uint32_t first, uint32_t count) {
  for (uint32_t site = first; site < first + count; ++site)
    delete_pair(client, first_pair(site));
  client.finish();
}

}  // namespace sallyport::bench
