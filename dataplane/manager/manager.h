// SPDX-License-Identifier: BSD-3-Clause
// The manager thread: waits for the API, mirrors, workers, signals and time, and serves each a bounded amount
// per turn. It is the only writer of the World. Made by main, runs on main's thread.
#pragma once

#include <memory>

#include "dataplane/manager/api_server.h"
#include "dataplane/manager/exceptions.h"
#include "dataplane/manager/injector.h"
#include "dataplane/manager/liveness.h"
#include "dataplane/manager/next_hops.h"
#include "dataplane/manager/probes.h"

namespace sallyport::dataplane {

struct ManagerConfig {
  uint32_t workers;
  uint32_t slots;
  uint32_t max_mtu_bytes;
};

class Manager {
 public:
  // All referred to outlive the manager. The workers run already, or will before run().
  Manager(const ManagerConfig& config, World& world, Rings& rings, PacketPools& pools, SharedStateFile& state,
          const CryptoEngine& engine, std::unique_ptr<ApiServer> server);
  ~Manager();
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  // Until a signal that asks for the end can be read from `signal_fd`.
  Failure run(int signal_fd);
  // After the workers have returned: lets go of all that they might have used.
  void release();

 private:
  void handle(const Request& request);
  Failure handle_table_request(const Request& request);
  Failure set_neighbour(const api::SetNeighbour& message);
  Failure set_tunnel(const api::SetTunnel& message);
  Failure delete_tunnel(uint32_t id);
  void handle_deferred(const Request& request);
  void hello(const Request& request);
  void dump(const Request& request);
  Failure set_mirror(const Request& request);
  Failure watch(const Mirror& mirror, api::MirrorKind kind, uint32_t id);
  void unwatch(const Mirror* mirror);
  void turn(uint64_t now_ns);
  uint64_t wait_ns(uint64_t now_ns) const;

  ManagerConfig config_;
  Rings& rings_;
  SharedStateFile& state_;
  api::HelloReply hello_{};
  std::unique_ptr<ApiServer> server_;
  TablesContext context_;
  Ports ports_;
  Networks networks_;
  Liveness liveness_;
  NextHops next_hops_;
  Tunnels tunnels_;
  Sas sas_;
  Injector injector_;
  Probes probes_;
  Exceptions exceptions_;
  UniqueFd epoll_;
  uint64_t next_tick_ns_ = 0, next_second_ns_ = 0;
  bool found_work_ = false;  // in the workers' rings, where more may be left
};

}  // namespace sallyport::dataplane
