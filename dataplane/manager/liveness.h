// SPDX-License-Identifier: BSD-3-Clause
// The health of every path: what its port's link, the client and its probe say is put together here, told as
// kHealthChanged, and passed on to whoever chooses among tunnels. A path is a tunnel's, and of all that name
// it as theirs (SetTunnel::path_tunnel_id). Manager thread.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "dataplane/manager/deadlines.h"
#include "dataplane/manager/health.h"
#include "dataplane/manager/tables_context.h"

namespace sallyport::dataplane {

class Liveness {
 public:
  // The causes of these tunnels have changed.
  using Changed = std::function<void(std::span<const uint32_t> tunnel_ids)>;

  Liveness(TablesContext& context, Changed changed)
      : context_(context),
        changed_(std::move(changed)),
        path_of_(context.world.tunnels.capacity(), api::kNone) {}

  // After the tunnel was published with this message.
  void set_tunnel(const api::SetTunnel& message, uint64_t now_ns);
  void delete_tunnel(uint32_t id);

  // What the probe of a tunnel that is its own path says. `answered_ns`: when its last answer came, or else
  // the first probe went out.
  void fail_probe(uint32_t path_id, uint64_t answered_ns, uint64_t now_ns);
  void pass_probe(uint32_t path_id, uint64_t now_ns);
  // Looks at the links of all tunnels' ports: after one changed, or a next hop moved to another port.
  void check_links(uint64_t now_ns);
  // Ends the holds that are over.
  void advance(uint64_t now_ns);
  uint64_t next_ns() const { return holds_.next_ns(); }

  // kHealthy for a tunnel that is not there.
  api::HealthCause cause(uint32_t tunnel_id) const;
  // All tunnels of that path, the tunnel of this id among them.
  std::span<const uint32_t> tunnels_of(uint32_t path_id) const;

 private:
  struct Path {
    Health health;
    std::vector<uint32_t> tunnels;
    api::Name name{};          // of the tunnel that is its own path
    uint64_t answered_ns = 0;  // as fail_probe said
  };

  bool is_own_path(uint32_t tunnel_id) const { return path_of_[tunnel_id] == tunnel_id; }
  void join(uint32_t tunnel_id, uint32_t path_id);
  void leave(uint32_t tunnel_id);
  void check_link(uint32_t path_id, Path& path, uint64_t now_ns);
  void announce(uint32_t path_id, const Path& path, uint64_t now_ns);

  TablesContext& context_;
  Changed changed_;
  std::vector<uint32_t> path_of_;  // by tunnel id; kNone: no such tunnel
  std::unordered_map<uint32_t, Path> paths_;
  Deadlines holds_;
};

}  // namespace sallyport::dataplane
