// SPDX-License-Identifier: BSD-3-Clause
// Programs a running sallyport-dataplane as two gateways in one, whose public ports are joined by a wire:
// what comes in at one LAN port is encrypted, decrypted and leaves by the other, both ways. Prints the LAN
// ports' MACs as one line of JSON.
//
//   198.51.100.0/24 -- lan0, VRF 1, tunnel 0, wan0 192.0.2.1 -- 192.0.2.2 wan1, tunnel 1, VRF 2, lan1 --
//   198.18.0.0/15
#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>

#include "bench/api_objects.h"

namespace {

using namespace sallyport;
using namespace sallyport::bench;

constexpr uint32_t kSpiHigh = 0x5a1;  // above the slot

// What one of the two is made of; the ids follow from its index.
struct Side {
  uint32_t index;
  const char* name;
  const char* lan_name;
  const char* wan_name;
  uint32_t public_address;
  uint32_t lan_address, host_address;  // host_address: the next hop to the prefix
  uint32_t prefix;
  uint8_t prefix_length;
  api::Mac host_mac;

  uint32_t vrf() const { return index + 1; }
  uint32_t lan_port() const { return index; }
  uint32_t wan_port() const { return index + 2; }
  uint32_t tunnel() const { return index; }
  uint32_t tunnel_group() const { return index; }
  uint32_t host_neighbour() const { return index; }
  uint32_t peer_neighbour() const { return index + 2; }
  uint32_t host_group() const { return index + 2; }
  uint32_t outbound_slot() const { return index + 1; }
};

constexpr Side kLeft{0,          "left",     "lan0",     "wan0", 0xc0000201,
                     0xc6336401, 0xc6336402, 0xc6336400, 24,     {2, 0, 0, 0, 0, 3}};
constexpr Side kRight{1,          "right",    "lan1",     "wan1", 0xc0000202,
                      0xc6120001, 0xc6120002, 0xc6120000, 15,     {2, 0, 0, 0, 0, 4}};

// The prefix of `to`, in the VRF of `in`, by the one member.
void lead(ApiClient& client, const Side& in, const Side& to, uint32_t group_id,
          const api::GroupMember& member) {
  set_group(client, in.vrf(), group_id, std::string(in.name) + "-to-" + to.name, member);
  set_route(client, in.vrf(), to.prefix, to.prefix_length, group_id);
}

api::Selector selector_of(const Side& side) {
  api::Selector selector{};
  selector.family = api::Family::kIpv4;
  selector.port_to = 0xffff;
  const auto from = address(side.prefix), to = address(side.prefix | (0xffffffffu >> side.prefix_length));
  std::copy_n(from.bytes.begin(), 4, selector.from.begin());
  std::copy_n(to.bytes.begin(), 4, selector.to.begin());
  return selector;
}

// AES-256-GCM-16 with its salt.
api::SaKeys keys_of(const Side& sender) {
  api::SaKeys keys{};
  keys.algorithm = api::Algorithm::kAes256Gcm16;
  keys.key_bytes = 36;
  for (uint32_t i = 0; i < keys.key_bytes; ++i)
    keys.key.at(i) = static_cast<uint8_t>(sender.index * 101 + i * 31 + 1);
  return keys;
}

template <typename Sa>
Sa sa_of(api::Type type, const Side& sender, const Side& local, const Side& remote) {
  auto sa = make_message<Sa>(type);
  sa.spi = kSpiHigh << api::kSlotBits | sender.outbound_slot();
  sa.tunnel_id = local.tunnel();
  sa.esn = 1;
  sa.keys = keys_of(sender);
  sa.local = address(local.public_address);
  sa.remote = address(remote.public_address);
  sa.local_selector_count = sa.remote_selector_count = 1;
  sa.selectors[0] = selector_of(local);
  sa.selectors[1] = selector_of(remote);
  return sa;
}

void set_sas(ApiClient& client, const Side& sender, const Side& receiver) {
  auto inbound = sa_of<api::SetInboundSa>(api::Type::kSetInboundSa, sender, receiver, sender);
  inbound.replay_window = 1024;
  client.submit(inbound);
  auto outbound = sa_of<api::SetOutboundSa>(api::Type::kSetOutboundSa, sender, sender, receiver);
  outbound.slot = sender.outbound_slot();
  outbound.activate = 1;
  client.submit(outbound);
}

void set_ports(ApiClient& client, const Side& side, const std::string& lan, const std::string& wan) {
  auto vrf = make_message<api::SetVrf>(api::Type::kSetVrf);
  vrf.vrf_id = side.vrf();
  set_text(vrf.name, side.name);
  client.submit(vrf);
  set_port(client, side.wan_port(), 0, side.wan_name, wan, side.public_address);
  set_port(client, side.lan_port(), side.vrf(), side.lan_name, lan, side.lan_address);
}

void set_routes(ApiClient& client, const Side& side, const Side& other, const api::Mac& peer_mac) {
  set_neighbour(client, side.host_neighbour(), side.lan_port(), side.host_address, side.host_mac);
  set_neighbour(client, side.peer_neighbour(), side.wan_port(), other.public_address, peer_mac);
  auto tunnel = make_message<api::SetTunnel>(api::Type::kSetTunnel);
  tunnel.tunnel_id = side.tunnel();
  tunnel.vrf_id = side.vrf();
  tunnel.neighbour_id = side.peer_neighbour();
  tunnel.mss_clamp = 1;
  set_text(tunnel.name, side.name);
  client.submit(tunnel);
  lead(client, side, other, side.tunnel_group(), {api::MemberKind::kTunnel, 1, 1, side.tunnel()});
  lead(client, side, side, side.host_group(), {api::MemberKind::kNeighbour, 1, 1, side.host_neighbour()});
}

std::map<uint32_t, api::Mac> macs_of(ApiClient& client) {
  std::map<uint32_t, api::Mac> macs;
  for (const auto& port : client.dump<api::SetPort>(api::Type::kSetPort))
    macs[port.port_id] = port.mac;
  return macs;
}

std::string text_of(const api::Mac& mac) {
  std::array<char, 18> text{};
  std::snprintf(text.data(), text.size(), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
                mac[4], mac[5]);
  return text.data();
}

}  // namespace

int main(int argc, char** argv) {
  std::string socket;
  std::array<std::string, 2> lan, wan;
  CLI::App app("Programs a running sallyport-dataplane as two gateways joined by a wire, and prints JSON.");
  app.add_option("--socket", socket, "The dataplane's API socket: RUNDIR/dataplane.sock")->required();
  app.add_option("--lan", lan, "DPDK's strings of the two LAN devices")->required();
  app.add_option("--wan", wan, "Of the two public devices, the ends of one wire")->required();
  CLI11_PARSE(app, argc, argv);
  try {
    ApiClient client(socket, 30);
    set_ports(client, kLeft, lan[0], wan[0]);
    set_ports(client, kRight, lan[1], wan[1]);
    client.finish();
    const auto macs = macs_of(client);
    set_routes(client, kLeft, kRight, macs.at(kRight.wan_port()));
    set_routes(client, kRight, kLeft, macs.at(kLeft.wan_port()));
    set_sas(client, kLeft, kRight);
    set_sas(client, kRight, kLeft);
    client.finish();
    std::printf("{\"lan_mac\":\"%s\",\"far_mac\":\"%s\"}\n", text_of(macs.at(kLeft.lan_port())).c_str(),
                text_of(macs.at(kRight.lan_port())).c_str());
  } catch (const ApiError& error) {
    std::fprintf(stderr, "load_loop: %s\n", error.what());
    return 1;
  }
  return 0;
}
