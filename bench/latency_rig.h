// SPDX-License-Identifier: BSD-3-Clause
// The dataplane's own parts in one process, put together as its main does, but with the worker's loop and the
// ports' wires in the bench's hands. The manager thread serves the real API socket, and a client thread
// installs and deletes SAs through it when told to.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <thread>

#include "bench/scheduled_port.h"
#include "dataplane/manager/eal.h"
#include "dataplane/manager/manager.h"
#include "dataplane/worker/worker.h"

namespace sallyport::bench {

struct RigOptions {
  uint32_t traffic_sites = 64;    // the first ones
  uint32_t other_sites = 100000;  // whose SAs come and go
  uint32_t inner_bytes = 64;
  uint32_t worker_core = 1;
  uint32_t memory_mb = 1024;
  double spin_seconds = 1;
  double sas_per_second = 0;  // installed and deleted; 0: as fast as it goes
  Stalls stalls = Stalls::kCount;
  dataplane::MemoryKind memory_kind = dataplane::MemoryKind::kHuge;
  StaticGateway gateway{.wan_device = "net_null1,no-rx=1", .lan_device = "net_null0,no-rx=1"};  // no wires

  // Twice what a full burst of such packets takes from poll to poll: 10 us for the smallest.
  uint64_t jump_tsc() const { return 26'000 + 50 * inner_bytes; }
  uint32_t slots() const { return traffic_sites + other_sites + 1; }
};

// kSpin: nothing to do with the gateway; it only keeps another core busy.
enum class Work : uint8_t { kNone, kPrepare, kSpin, kInstall, kDelete, kLeave };

// The client: one thread, with one piece of work at a time.
class ApiUser {
 public:
  // Begins to prepare: ports, all sites, and the SAs of the sites with traffic.
  ApiUser(std::string socket, const RigOptions& options);
  ~ApiUser();
  ApiUser(const ApiUser&) = delete;
  ApiUser& operator=(const ApiUser&) = delete;

  // With the SAs of the other sites. Only when done().
  void begin(Work work);
  // Whether all of it was answered. Throws what went wrong.
  bool done() const;
  double seconds() const { return seconds_; }  // that the last work took

 private:
  void run();
  void perform(Work work, ApiClient& client);

  const std::string socket_;
  const RigOptions& options_;
  std::atomic<Work> work_{Work::kPrepare};
  double seconds_ = 0;
  std::string error_;  // empty: none
  std::thread thread_;
};

class LatencyRig {
 public:
  using Body = std::function<void(LatencyRig&)>;

  explicit LatencyRig(const RigOptions& options);
  ~LatencyRig();
  LatencyRig(const LatencyRig&) = delete;
  LatencyRig& operator=(const LatencyRig&) = delete;

  // Runs `body` as the worker, on its core, with everything prepared, and the manager on this thread until
  // `body` returns. Throws what `body` throws.
  void run(const Body& body);

  // The rest is for `body`. One loop of the worker:
  void poll();
  ScheduledPort& lan() { return lan_; }
  ScheduledPort& wan() { return wan_; }
  ApiUser& user() { return *user_; }
  const std::vector<Frame>& lan_frames() const { return lan_frames_; }
  const std::vector<Frame>& wan_frames() const { return wan_frames_; }
  const api::Mac& wan_mac() const { return wan_mac_; }
  rte_mempool* pool() const { return pool_; }
  uint64_t drops() const;  // of all reasons
  uint64_t drops(api::DropReason reason) const;
  RunClock& clock() { return clock_; }

 private:
  void be_worker(const Body& body);
  void prepare();
  void make_frames();

  const RigOptions options_;
  std::filesystem::path directory_;
  std::unique_ptr<dataplane::Eal> eal_;
  std::unique_ptr<dataplane::SharedStateFile> state_;
  std::unique_ptr<dataplane::CryptoEngine> engine_;
  std::unique_ptr<dataplane::World> world_;
  std::unique_ptr<dataplane::Rings> rings_;
  std::unique_ptr<dataplane::PacketPools> pools_;
  std::unique_ptr<dataplane::Worker> worker_;
  std::unique_ptr<dataplane::Manager> manager_;
  std::unique_ptr<ApiUser> user_;
  RunClock clock_{options_.stalls, options_.jump_tsc()};
  ScheduledPort lan_{clock_}, wan_{clock_};
  std::vector<Frame> lan_frames_, wan_frames_;
  api::Mac wan_mac_{};
  rte_mempool* pool_ = nullptr;  // of all packets
  std::exception_ptr failure_;
  int end_fd_ = -1;  // readable: the manager is to return
};

}  // namespace sallyport::bench
