// SPDX-License-Identifier: BSD-3-Clause
// The gateway that fuzz_receive plays to: two workers, a public port and two LAN ports, routes of every kind,
// a tunnel and a pair of SAs for each kind of ESP, and the manager's half of the path. Ports and routes are
// made once; tunnels, SAs and what the manager learnt are fresh for each script.
#pragma once

#include <array>
#include <memory>

#include "dataplane/manager/exceptions.h"
#include "dataplane/manager/shared_state_file.h"
#include "tests/dataplane_path/sites_ipv6.h"

namespace sallyport::dataplane::testing {

// Tunnel n + 1 has the SAs of kind n; site n of the routes is behind it. The home of the SAs of even n is
// worker 0.
enum SaKind : uint8_t {
  kGcm,        // AES-GCM, as most are
  kNatt,       // in UDP
  kSelective,  // UDP from 10.1.0.0/24 and 2001:db8:1::/64, ports 1000 to 2000 alone
  kOuterIpv6,  // ChaCha20-Poly1305 between IPv6 addresses
  kCbcEsn,     // AES-CBC with HMAC-SHA2-256 and ESN; 12 packets at most
  kIpv4Alone,  // NULL with HMAC-SHA1 in UDP between IPv6 addresses; no IPv6 inside
  kSaKinds
};

// 10.2.0.0/24 and 2001:db8:2::/64 are behind kGcm, 10.3.0.0/24 and 2001:db8:3::/64 behind kNatt and so
// on; 10.1.0.0/24 and 2001:db8:1::/64 are the LAN. The networks that lead to something else:
enum OddNetwork : uint8_t {
  kToNowhere = 20,   // a route that says so
  kSpread,           // two tunnels share it
  kByPolicyNetwork,  // kSelective, else kGcm
  kAllDown,          // a group whose members are down
  kNoSuchTunnel,
  kNoSuchGroup,
  kNoSuchNeighbour,
  kSilentNeighbour,  // one that is not resolved
  kOddNetworksEnd
};

inline constexpr uint32_t network4(uint8_t site) {
  return 0x0a000000u | uint32_t{site} << 16;
}
inline constexpr uint8_t site_behind(SaKind kind) {
  return static_cast<uint8_t>(2 + kind);
}

enum NeighbourId : uint32_t { kPeer4 = 1, kPeer6, kHost, kSilent, kNeighboursEnd };

// The manager's tables and its half of the path, without mirror devices.
struct Manager {
  Manager(World& world, Rings& rings, PacketPools& pools, SharedStateFile& state, const CryptoEngine& engine);
  ~Manager();

  api::WorkerCounters counters{};
  TablesContext context;
  Networks networks;
  Ports ports;
  Liveness liveness;
  NextHops next_hops;  // has none: those of the world are published by hand
  Tunnels tunnels;
  Sas sas;
  Injector injector;
  Probes probes;
  Exceptions exceptions;
};

class ReceiveWorld {
 public:
  ReceiveWorld();

  // Tunnels and SAs as at first, everything published again, all counters zero.
  void renew();
  void forget() { manager_.reset(); }

  Gateway& gateway() { return gateway_; }
  const Gateway& gateway() const { return gateway_; }
  Manager& manager() { return *manager_; }
  const OracleSa& inbound(uint32_t kind) const { return inbound_.at(kind); }
  const OracleSa& outbound(uint32_t kind) const { return outbound_.at(kind); }
  // Whether the manager takes an SA with the SPI and slot of one that is there.
  bool takes_duplicate(uint32_t kind);
  void set_resolved(uint32_t neighbour_id, bool resolved);
  uint64_t verified_packets();  // of all inbound SAs
  uint64_t drops();             // of workers and manager

  static constexpr uint32_t kWorkers = 2;

 private:
  void add_networks();
  void add_network(uint8_t site, uint32_t group_id);
  void install(uint32_t kind);

  Gateway gateway_;
  std::unique_ptr<CryptoEngine> engine_;
  PacketPools pools_;
  SharedStateFile state_;
  std::array<OracleSa, kSaKinds> inbound_, outbound_;
  std::array<std::array<const Neighbour*, 2>, kNeighboursEnd> neighbours_{};  // unresolved, resolved
  const PortList* port_list_ = nullptr;
  std::unique_ptr<Manager> manager_;
};

}  // namespace sallyport::dataplane::testing
