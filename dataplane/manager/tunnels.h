// SPDX-License-Identifier: BSD-3-Clause
// Tunnels: their next hop, the outbound SAs they send on and what was learnt about their path MTU. Manager
// thread.
#pragma once

#include <memory>
#include <vector>

#include "dataplane/manager/api_server.h"
#include "dataplane/manager/tables_context.h"
#include "dataplane/sa/outer_header.h"

namespace sallyport::dataplane {

inline constexpr uint64_t kPathMtuLifetimeNs = 600'000'000'000;  // RFC 1191 section 6.3: ten minutes

class Tunnels {
 public:
  explicit Tunnels(TablesContext& context) : context_(context), entries_(context.world.tunnels.capacity()) {}
  ~Tunnels();
  Tunnels(const Tunnels&) = delete;
  Tunnels& operator=(const Tunnels&) = delete;

  // Headers of its outbound SAs may have to be made again after it.
  Failure set_tunnel(const api::SetTunnel& message);
  Failure delete_tunnel(uint32_t id);

  bool contains(uint32_t id) const { return find(id) != nullptr; }
  OuterPolicy policy(uint32_t id) const;

  // The SA that the tunnel sends on, or the newest of several; api::kNone: none.
  uint32_t active(uint32_t id) const;
  // Of those that a tunnel sends on, the one before this one in time; api::kNone: none.
  uint32_t older(uint32_t slot) const;
  bool sends_on(uint32_t id, uint32_t slot) const;
  // From now on the tunnel sends on this SA, too, as its newest. `replaced`: which of those that it sends on
  // leaves at the same moment; api::kNone: none. The SA is one that it doesn't send on yet.
  void send_on(uint32_t id, uint32_t slot, uint32_t replaced);
  // Nothing where it doesn't send on it.
  void stop_sending_on(uint32_t id, uint32_t slot);

  // A router said that packets of this tunnel must not be larger; believed down to kMinPathMtuBytes. 0: it
  // didn't say how large, and the next lower plateau of RFC 1191 is taken.
  void learn_path_mtu(uint32_t id, uint16_t mtu_bytes, uint64_t now_ns);
  // Forgets what was learnt long ago, and follows the ports' own MTUs: a tenth of the tunnels at each call.
  void refresh_path_mtus(uint64_t now_ns);

  // `cause_of`: what a tunnel's path is up to.
  DumpSource dump(std::function<api::HealthCause(uint32_t tunnel_id)> cause_of) const;

 private:
  struct Entry {
    api::SetTunnel message;
    TunnelPool::Pointer tunnel;
    uint16_t learnt_mtu_bytes = 0;  // 0: nothing learnt
    uint64_t learnt_ns = 0;
  };

  Entry* find(uint32_t id) const { return id < entries_.size() ? entries_[id].get() : nullptr; }
  void set_first(const Entry& entry, uint32_t slot);
  void unlink(const Entry& entry, uint32_t slot);
  uint16_t port_mtu(const Entry& entry) const;
  void update_path_mtu(Entry& entry);

  TablesContext& context_;
  std::vector<std::unique_ptr<Entry>> entries_;  // by id
  size_t next_refresh_ = 0;                      // the first of the next call
};

}  // namespace sallyport::dataplane
