// SPDX-License-Identifier: BSD-3-Clause
// Tunnels: their next hop, their active outbound SA and what was learnt about their path MTU. Manager thread.
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
  // The SA that the tunnel sends on from now on; api::kNone: none.
  void activate(uint32_t id, uint32_t slot);
  uint32_t active(uint32_t id) const;

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
  uint16_t port_mtu(const Entry& entry) const;
  void update_path_mtu(Entry& entry);

  TablesContext& context_;
  std::vector<std::unique_ptr<Entry>> entries_;  // by id
  size_t next_refresh_ = 0;                      // the first of the next call
};

}  // namespace sallyport::dataplane
