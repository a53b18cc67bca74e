// SPDX-License-Identifier: BSD-3-Clause
// The configuration as types: what gateway.yaml says, validated, with every default filled in. Plain values
// that compare with ==; names are the keys of the YAML file. Pure; any thread. The file format is in
// docs/configuration.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control/config/duration.h"
#include "control/config/ip.h"

namespace sallyport::control {

enum class Idle : uint8_t { kPoll, kSleep };

struct GatewaySettings {
  std::string name;
  std::vector<uint32_t> workers;  // cores, in the order given; worker number = index
  Idle idle = Idle::kPoll;
  bool hugepages = true;
  uint32_t memory_mb = 0;        // 0: chosen from the other settings
  uint32_t sa_capacity = 16384;  // slots of the dataplane's SAD
  bool audit = true;             // events for ESP packets that RFC 4303 calls auditable
  bool operator==(const GatewaySettings&) const = default;
};

struct Port {
  std::string name;
  std::string device;  // PCI address or virtual device string of DPDK
  uint16_t mtu_bytes = 1500;
  bool operator==(const Port&) const = default;
};

struct PublicAddress {
  std::string name;
  std::string port;
  InterfaceAddress address;
  IpAddress next_hop;
  bool operator==(const PublicAddress&) const = default;
};

struct VirtualNetwork {
  std::string name;
  std::map<std::string, std::vector<InterfaceAddress>> ports;  // LAN port -> its addresses
  bool operator==(const VirtualNetwork&) const = default;
};

struct Site {
  std::string name;
  std::vector<IpAddress> peers;  // tunnel names count them from 1
  std::vector<IpPrefix> prefixes;
  bool operator==(const Site&) const = default;
};

enum class Mode : uint8_t { kActiveActive, kActiveStandby };

struct Ike {
  uint8_t version = 2;
  bool aggressive = false;             // IKEv1 only: aggressive mode instead of main mode
  std::vector<std::string> proposals;  // in strongSwan's words, most wanted first
  std::string local_id, remote_id;     // empty: the addresses
  // Public address -> identity, instead of local_id: for peers that send INITIAL_CONTACT.
  std::map<std::string, std::string> local_ids;
  Duration rekey = std::chrono::hours(4);
  Duration reauth = Duration::zero();  // zero: never
  bool operator==(const Ike&) const = default;
};

enum class Df : uint8_t { kCopy, kSet, kClear };
enum class Encap : uint8_t { kAuto, kForce };

struct Esp {
  std::vector<std::string> proposals;  // in strongSwan's words, most wanted first
  // Soft lifetimes: a rekey starts there, up to a tenth sooner. Zero: none.
  Duration rekey = std::chrono::hours(1);
  uint64_t rekey_bytes = 0;
  uint64_t rekey_packets = 0;
  // Hard lifetimes: the SA ends there. Zero: a tenth beyond the soft one.
  Duration life = Duration::zero();
  uint64_t life_bytes = 0;
  uint64_t life_packets = 0;
  uint32_t replay_window = 1024;  // packets; 0: off
  Df df = Df::kCopy;
  std::optional<uint8_t> dscp;  // of the outer packet; nothing: the inner packet's
  Encap encap = Encap::kAuto;
  bool mss_clamp = true;
  bool operator==(const Esp&) const = default;
};

// Either psk_file, or certificate and key and ca. Absolute paths.
struct Auth {
  std::string psk_file;
  std::string certificate, key, ca;
  [[nodiscard]] bool is_psk() const { return !psk_file.empty(); }
  bool operator==(const Auth&) const = default;
};

// One pair of an exact traffic selector, RFC 7296 section 3.13.1.
struct Selector {
  IpPrefix local, remote;
  uint8_t protocol = 0;                      // 0: any
  uint16_t local_port = 0, remote_port = 0;  // 0: any
  bool operator==(const Selector&) const = default;
};

struct Dpd {
  Duration delay = std::chrono::seconds(2);  // zero: off
  bool operator==(const Dpd&) const = default;
};

struct Probe {
  Duration interval = Duration::zero();
  uint32_t misses = 3;
  std::map<std::string, IpAddress>
      targets;  // public address -> inside address; empty: the peer is a Sallyport
  bool operator==(const Probe&) const = default;
};

// What one tunnel has instead of its connection's, for peers that want it so.
struct TunnelOverride {
  std::string local_id, remote_id;  // empty: the connection's
  std::string psk_file;             // empty: the connection's
  // Addresses inside the tunnel: ours and the peer's.
  std::optional<InterfaceAddress> inside_local;
  std::optional<IpAddress> inside_remote;
  std::optional<IpAddress> probe;  // the inside address that is asked
  std::optional<uint32_t> weight;  // nothing: that of its public address
  bool operator==(const TunnelOverride&) const = default;
};

// The name of one in Connection::tunnels; peers count from 0 here.
[[nodiscard]] std::string tunnel_key(const std::string& public_address, size_t peer);

struct Connection {
  std::string name;
  std::string virtual_network, site;
  Mode mode = Mode::kActiveActive;
  bool preempt = true;  // active-standby: a preferred tunnel takes the traffic back as soon as it can
  std::vector<std::string> public_addresses;  // in order of preference
  std::map<std::string, uint32_t> weights;    // active-active: public address -> 1 .. 255; 1 where not named
  Ike ike;
  Esp esp;
  Auth auth;
  std::vector<Selector> selectors;  // empty: route-based, everything to everything
  bool initiate = true;
  Dpd dpd;
  bool mobike = false;
  std::optional<Probe> probe;
  std::map<std::string, TunnelOverride> tunnels;  // by <public address>-<peer number>

  [[nodiscard]] bool route_based() const { return selectors.empty(); }
  bool operator==(const Connection&) const = default;
};

struct Gateway {
  GatewaySettings settings;
  std::map<std::string, Port> ports;
  std::map<std::string, PublicAddress> public_addresses;
  std::map<std::string, VirtualNetwork> virtual_networks;
  std::map<std::string, Site> sites;
  std::map<std::string, Connection> connections;
  bool operator==(const Gateway&) const = default;
};

}  // namespace sallyport::control
