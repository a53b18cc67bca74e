// SPDX-License-Identifier: BSD-3-Clause
#include "tests/fuzz/receive_world.h"
#include "dataplane/path/probe_packets.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdlib>

#include "dataplane/manager/codec.h"

namespace sallyport::dataplane::testing {

namespace {

constexpr uint16_t kMtuBytes = 1500;
constexpr uint32_t kFirstSlot = 4, kMemoryMb = 64;

enum GroupId : uint32_t {
  kToHost = 10,
  kToLocal,
  kToConnected,
  kDropped,
  kShared,
  kPolicy,
  kDown,
  kTunnelless,
  kNeighbourless,
  kToSilent
};

constexpr uint32_t kGroupless = 60, kAbsent = 50;  // ids of nothing

uint32_t tunnel_of(uint32_t kind) {
  return kind + 1;
}

SharedStateFile make_state() {
  const std::string path = "/dev/shm/fuzz_receive." + std::to_string(getpid());
  auto state = SharedStateFile::open(path, ReceiveWorld::kWorkers, Gateway::kSlots);
  unlink(path.c_str());
  if (!state.ok()) abort();
  return std::move(state.value());
}

void require(const Failure& failure) {
  if (!failure.failed()) return;
  std::fprintf(stderr, "%s\n", failure.text.c_str());
  abort();
}

OracleSa oracle_of(uint32_t kind) {
  const char* const names[kSaKinds] = {"aes128gcm16",      "aes256gcm16",   "aes128gcm16",
                                       "chacha20poly1305", "aes128_sha256", "null_sha1"};
  OracleSa sa;
  for (const AlgorithmRow& row : all_algorithms()) {
    if (std::string_view(row.name) == names[kind]) sa = oracle_sa(row, kind == kCbcEsn);
  }
  sa.encap = kind == kNatt || kind == kIpv4Alone;
  return sa;
}

bool is_outer_ipv6(uint32_t kind) {
  return kind == kOuterIpv6 || kind == kIpv4Alone;
}

api::Selector all_of(api::Family family) {
  api::Selector all{};
  all.family = family;
  all.port_to = 0xffff;
  all.to.fill(0);
  std::fill_n(all.to.begin(), family == api::Family::kIpv4 ? 4 : 16, uint8_t{0xff});
  return all;
}

// UDP ports 1000 to 2000 of the LAN.
api::Selector narrow(api::Family family) {
  api::Selector lan{};
  lan.family = family;
  lan.protocol = 17;
  lan.port_from = 1000;
  lan.port_to = 2000;
  if (family == api::Family::kIpv4) {
    lan.from = {10, 1, 0, 0};
    lan.to = {10, 1, 0, 255};
  } else {
    lan.from = ip6(1, 0);
    lan.to = lan.from;
    std::fill(lan.to.begin() + 8, lan.to.end(), uint8_t{0xff});
  }
  return lan;
}

template <typename Message>
void add_selectors(Message& message, uint32_t kind) {
  const uint16_t families = kind == kIpv4Alone ? 1 : 2;
  message.local_selector_count = message.remote_selector_count = families;
  for (uint16_t i = 0; i < families; ++i) {
    const api::Family family = i == 0 ? api::Family::kIpv4 : api::Family::kIpv6;
    message.selectors[i] = kind == kSelective ? narrow(family) : all_of(family);
    message.selectors[families + i] = all_of(family);
  }
  message.tunnel_id = tunnel_of(kind);
  if (kind == kCbcEsn) {
    message.lifetimes.soft_packets = 6;
    message.lifetimes.hard_packets = 12;
  }
}

}  // namespace

Manager::Manager(World& world, Rings& rings, PacketPools& pools, SharedStateFile& state,
                 const CryptoEngine& engine)
    : context{world, pools, Retirer(world.qsbr()), {}, kMtuBytes, [](std::span<const std::byte>) {}, {}},
      networks(context),
      ports(context),
      liveness(context, [this](std::span<const uint32_t> ids) { next_hops.health_changed(ids); }),
      next_hops(context, ports, [this](uint32_t id) { return liveness.cause(id); }),
      tunnels(context),
      sas(context, state, tunnels, engine),
      injector(rings, counters),
      probes({context, injector, tunnels, sas, liveness}),
      exceptions({context, rings, ports, networks, next_hops, tunnels, sas, probes, injector}) {}

// What was taken out refers to the tables: it goes first.
Manager::~Manager() {
  for (uint32_t worker = 0; worker < context.world.workers(); ++worker)
    rte_rcu_qsbr_quiescent(context.world.qsbr(), worker);
  while (!context.retirer.idle())
    context.retirer.poll();
}

ReceiveWorld::ReceiveWorld()
    : gateway_(kWorkers),
      engine_(CryptoEngine::create()),
      pools_(kMemoryMb, kMtuBytes),
      state_(make_state()) {
  spdlog::set_level(spdlog::level::off);
  if (engine_ == nullptr) abort();
  gateway_.add_vrf(kVrf);
  gateway_.add_vrf(kOtherVrf);
  gateway_.add_port(kPublicPort, kPublicVrf, kPublicA);
  gateway_.add_port(kLanPort, kVrf, kLanA | 1);
  gateway_.add_port(kOtherLanPort, kOtherVrf, kLanA | 1);
  gateway_.add_address(kPublicPort, kPublicA6);
  gateway_.add_address(kPublicPort, link_local6(9));
  gateway_.add_address(kLanPort, link_local6(1));
  gateway_.add_address(kLanPort, ip6(1, 1));
  for (const bool resolved : {false, true}) {
    const auto add = [&](uint32_t id, uint32_t port, auto address) {
      gateway_.add_neighbour(id, port, address, resolved);
      neighbours_.at(id).at(resolved) = gateway_.world.neighbours.at(id);
    };
    add(kPeer4, kPublicPort, kPublicB);
    add(kPeer6, kPublicPort, address_of(kPublicB6));
    add(kHost, kLanPort, kHostA);
    add(kSilent, kLanPort, kLanA | 7);
  }
  port_list_ = gateway_.world.port_list;
  add_networks();
  for (uint32_t kind = 0; kind < kSaKinds; ++kind) {
    OracleSa& in = inbound_.at(kind) = oracle_of(kind);
    OracleSa& out = outbound_.at(kind) = oracle_of(kind);
    in.spi = 0x12300000 | (kFirstSlot + kind);
    out.spi = 0x98700000 | kind;
    for (uint8_t& byte : out.key)
      byte ^= 0x55;
    in.source = out.destination = kPublicB;
    in.destination = out.source = kPublicA;
    if (!is_outer_ipv6(kind)) continue;
    in.source6 = out.destination6 = kPublicB6;
    in.destination6 = out.source6 = kPublicA6;
  }
  for (uint32_t worker = 0; worker < kWorkers; ++worker) {
    rte_rcu_qsbr_thread_register(gateway_.world.qsbr(), worker);
    rte_rcu_qsbr_thread_online(gateway_.world.qsbr(), worker);
  }
}

void ReceiveWorld::add_network(uint8_t site, uint32_t group_id) {
  gateway_.add_route(kVrf, network4(site), 24, group_id);
  gateway_.add_route(kVrf, ip6(site, 0), 64, group_id);
}

void ReceiveWorld::add_networks() {
  using enum api::MemberKind;
  const auto add = [&](uint32_t id, std::vector<api::GroupMember> members,
                       api::MemberChoice choice = api::MemberChoice::kByFlow) {
    gateway_.add_group(id, kVrf, std::move(members), choice);
  };
  add(kToHost, {{kNeighbour, 1, 1, kHost}});
  add(kToLocal, {{kLocal, 1, 1, 0}});
  add(kToConnected, {{kConnected, 1, 1, kLanPort}});
  add(kDropped, {{kDrop, 1, 1, 0}});
  add(kShared, {{kTunnel, 1, 1, tunnel_of(kGcm)}, {kTunnel, 1, 1, tunnel_of(kNatt)}});
  add(kPolicy, {{kTunnel, 1, 1, tunnel_of(kSelective)}, {kTunnel, 1, 1, tunnel_of(kGcm)}},
      api::MemberChoice::kByPolicy);
  add(kDown, {{kTunnel, 0, 1, tunnel_of(kGcm)}, {kTunnel, 1, 0, tunnel_of(kNatt)}});
  add(kTunnelless, {{kTunnel, 1, 1, kAbsent}});
  add(kNeighbourless, {{kNeighbour, 1, 1, kAbsent}});
  add(kToSilent, {{kNeighbour, 1, 1, kSilent}});
  for (uint32_t kind = 0; kind < kSaKinds; ++kind) {
    add(tunnel_of(kind), {{kTunnel, 1, 1, tunnel_of(kind)}});
    add_network(site_behind(static_cast<SaKind>(kind)), tunnel_of(kind));
  }
  add_network(kToNowhere, kDropped);
  add_network(kSpread, kShared);
  add_network(kByPolicyNetwork, kPolicy);
  add_network(kAllDown, kDown);
  add_network(kNoSuchTunnel, kTunnelless);
  add_network(kNoSuchGroup, kGroupless);
  add_network(kNoSuchNeighbour, kNeighbourless);
  add_network(kSilentNeighbour, kToSilent);
  add_network(1, kToConnected);
  gateway_.add_route(kVrf, kProbePrefix, kProbePrefixLength, kProbeGroup);
  gateway_.add_route(kVrf, kLanA | 1, 32, kToLocal);
  gateway_.add_route(kVrf, kHostA, 32, kToHost);
  gateway_.add_route(kVrf, ip6(1, 1), 128, kToLocal);
  gateway_.add_route(kVrf, kHostA6, 128, kToHost);
  gateway_.add_route(kOtherVrf, network4(2), 24, tunnel_of(kGcm));
}

void ReceiveWorld::set_resolved(uint32_t neighbour_id, bool resolved) {
  gateway_.world.neighbours.publish(neighbour_id, neighbours_.at(neighbour_id).at(resolved));
}

void ReceiveWorld::install(uint32_t kind) {
  auto tunnel = make_message<api::SetTunnel>(api::Type::kSetTunnel, 0);
  tunnel.tunnel_id = tunnel_of(kind);
  tunnel.vrf_id = kVrf;
  tunnel.neighbour_id = is_outer_ipv6(kind) ? kPeer6 : kPeer4;
  tunnel.mss_clamp = 1;
  tunnel.dscp_policy = kind == kNatt ? api::DscpPolicy::kSet : api::DscpPolicy::kCopy;
  require(manager_->tunnels.set_tunnel(tunnel));
  auto in = inbound_message(inbound_.at(kind));
  add_selectors(in, kind);
  require(manager_->sas.set_inbound(in));
  auto out = outbound_message(outbound_.at(kind));
  out.slot = kFirstSlot + kind;
  out.activate = 1;
  add_selectors(out, kind);
  require(manager_->sas.set_outbound(out));
}

bool ReceiveWorld::takes_duplicate(uint32_t kind) {
  OracleSa other = inbound_.at(kind);
  (other.key.empty() ? other.integrity_key : other.key).at(0) ^= 1;
  auto message = inbound_message(other);
  add_selectors(message, kind);
  return gateway_.world.inbound_sas.at(message.spi & api::kSlotMask) != nullptr &&
         !manager_->sas.set_inbound(message).failed();
}

void ReceiveWorld::renew() {
  World& world = gateway_.world;
  for (uint32_t id = kPeer4; id < kNeighboursEnd; ++id)
    set_resolved(id, id != kSilent);
  for (const uint32_t port_id : {kPublicPort, kLanPort, kOtherLanPort}) {
    Port& port = gateway_.port(port_id);
    port.link_up = port.has_mirror = true;
    world.ports.publish(port_id, &port);
  }
  for (const uint32_t vrf_id : {kVrf, kOtherVrf})
    gateway_.vrf(vrf_id).has_mirror = true;
  world.port_list = port_list_;  // the last manager took it away
  manager_ = std::make_unique<Manager>(world, *gateway_.rings, pools_, state_, *engine_);
  for (uint32_t slot = 0; slot < Gateway::kSlots; ++slot)
    state_.inbound()[slot].spi = state_.outbound()[slot].spi = 0;  // another life: no window is restarted
  for (uint32_t kind = 0; kind < kSaKinds; ++kind)
    install(kind);
}

uint64_t ReceiveWorld::verified_packets() {
  uint64_t total = 0;
  for (uint32_t kind = 0; kind < kSaKinds; ++kind)
    total += state_.inbound()[kFirstSlot + kind].packets;
  return total;
}

uint64_t ReceiveWorld::drops() {
  uint64_t total = gateway_.all_drops();
  for (const api::Counter& counter : manager_->counters.drops)
    total += counter;
  return total;
}

}  // namespace sallyport::dataplane::testing
