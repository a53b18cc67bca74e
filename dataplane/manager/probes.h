// SPDX-License-Identifier: BSD-3-Clause
// Sends the probes of the tunnels, takes and gives the answers, and judges from them (Liveness). A probe goes
// out by its tunnel whatever the groups say of that, an interval after the one before it, and is missed when
// by then no answer to it, or to one of the few before it, has come. Manager thread.
#pragma once

#include <array>
#include <unordered_map>

#include "dataplane/manager/deadlines.h"
#include "dataplane/manager/injector.h"
#include "dataplane/manager/liveness.h"
#include "dataplane/manager/probe_packet.h"
#include "dataplane/manager/sas.h"
#include "dataplane/manager/tunnels.h"

namespace sallyport::dataplane {

// Unpredictable numbers, of the kernel's.
class NonceSource {
 public:
  uint64_t next();

 private:
  std::array<uint64_t, 32> numbers_;
  size_t left_ = 0;
};

struct ProbeParts {
  TablesContext& context;
  Injector& injector;
  const Tunnels& tunnels;
  const Sas& sas;
  Liveness& liveness;
};

class Probes {
 public:
  explicit Probes(const ProbeParts& parts) : parts_(parts) {}

  // After Liveness::set_tunnel.
  void set_tunnel(const api::SetTunnel& message, uint64_t now_ns);
  // Before Liveness::delete_tunnel.
  void delete_tunnel(uint32_t id);

  // A packet to a probe address that came out of that tunnel; takes it.
  void receive(uint32_t tunnel_id, rte_mbuf* packet, uint64_t now_ns);
  // Whether the packet answers a probe from an address inside that network, and is for nobody else then. The
  // packet stays the caller's.
  bool answers(uint32_t vrf_id, const rte_mbuf& packet, uint64_t now_ns);

  // Judges and sends what is due, a bounded number. All that has come by `now_ns` must have been received.
  void run(uint64_t now_ns);
  uint64_t next_ns() const { return deadlines_.next_ns(); }

 private:
  static constexpr size_t kRemembered = 16;  // of a tunnel's probes: an answer to an older one is none

  struct Entry {
    api::Probe probe;
    uint32_t vrf_id;
    uint16_t missed = 0;    // since the last answer
    bool waiting = false;   // a probe is out
    bool answered = false;  // since it went out
    uint16_t sequence = 0;  // of the next probe
    uint64_t answered_ns = 0;
    std::array<uint64_t, kRemembered> nonces{};  // by sequence
  };

  uint64_t interval_ns(const Entry& entry) const { return uint64_t{entry.probe.interval_ms} * 1'000'000; }
  void start(uint32_t id, Entry& entry, uint64_t now_ns);
  void judge(uint32_t id, Entry& entry, uint64_t now_ns);
  bool is_verified_lately(uint32_t id, const Entry& entry, uint64_t now_ns) const;
  void send(uint32_t id, Entry& entry, uint64_t now_ns);
  bool send_packet(uint32_t tunnel_id, const ProbePacket& probe);
  ProbePacket gateway_probe_for(uint32_t tunnel_id) const;
  uint32_t slot_for(uint32_t tunnel_id, const uint8_t* packet) const;
  Entry* find_asker(const ProbePacket& answer);
  void accept(uint32_t id, Entry& entry, uint64_t now_ns);

  ProbeParts parts_;
  NonceSource nonces_;
  Deadlines deadlines_;
  std::unordered_map<uint32_t, Entry> entries_;  // by tunnel
};

}  // namespace sallyport::dataplane
