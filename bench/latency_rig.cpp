// SPDX-License-Identifier: BSD-3-Clause
#include "bench/latency_rig.h"

#include <rte_launch.h>
#include <rte_lcore.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>

#include "dataplane/manager/table_limits.h"

namespace sallyport::bench {
namespace {

// So few that they stay in the core's own cache: no worker copies packets out of slower memory for a NIC.
constexpr uint32_t kFramesPerSite = 4;
constexpr unsigned kConnectSeconds = 30;

template <typename T>
T take(dataplane::Result<T> result) {
  if (!result.ok()) throw ApiError(result.failure().text);
  return std::move(result.value());
}

std::filesystem::path make_directory() {
  char name[] = "/dev/shm/sallyport-bench-XXXXXX";
  if (mkdtemp(name) == nullptr) throw ApiError("no temporary directory can be made in /dev/shm");
  return name;
}

api::Mac mac_of(const dataplane::Port& port) {
  api::Mac mac;
  std::copy_n(port.mac.addr_bytes, mac.size(), mac.begin());
  return mac;
}

}  // namespace

ApiUser::ApiUser(std::string socket, const RigOptions& options)
    : socket_(std::move(socket)), options_(options), thread_([this] { run(); }) {}

ApiUser::~ApiUser() {
  while (work_ != Work::kNone && error_.empty())
    std::this_thread::yield();
  begin(Work::kLeave);
  thread_.join();
}

void ApiUser::begin(Work work) {
  work_.store(work, std::memory_order_release);
  work_.notify_one();
}

bool ApiUser::done() const {
  if (work_.load(std::memory_order_acquire) != Work::kNone) return false;
  if (!error_.empty()) throw ApiError(error_);
  return true;
}

void ApiUser::run() {
  try {
    ApiClient client(socket_, kConnectSeconds);
    for (;;) {
      work_.wait(Work::kNone, std::memory_order_acquire);
      const Work work = work_.load(std::memory_order_acquire);
      if (work == Work::kLeave) return;
      const auto start = std::chrono::steady_clock::now();
      perform(work, client);
      seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      work_.store(Work::kNone, std::memory_order_release);
    }
  } catch (const ApiError& error) {
    error_ = error.what();
    work_.store(Work::kNone, std::memory_order_release);
  }
}

void ApiUser::perform(Work work, ApiClient& client) {
  if (work == Work::kPrepare) {
    install_ports(client, options_.gateway);
    install_sites(client, 0, options_.traffic_sites + options_.other_sites);
    install_sas(client, options_.gateway, 0, options_.traffic_sites);
  } else if (work == Work::kSpin) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(options_.spin_seconds);
    while (std::chrono::steady_clock::now() < end) {
    }
  } else if (work == Work::kInstall) {
    client.pace(options_.sas_per_second);
    install_sas(client, options_.gateway, options_.traffic_sites, options_.other_sites);
  } else {
    client.pace(options_.sas_per_second);
    delete_sas(client, options_.traffic_sites, options_.other_sites);
  }
}

LatencyRig::LatencyRig(const RigOptions& options) : options_(options), directory_(make_directory()) {
  using namespace dataplane;
  Options process;
  process.run_dir = directory_;
  process.worker_cores = {options.worker_core};
  process.memory_kind = options.memory_kind;
  process.memory_mb = options.memory_mb;
  eal_ = std::make_unique<Eal>(take(Eal::start(process)));
  auto server = take(ApiServer::listen(directory_ / "dataplane.sock"));
  state_ = std::make_unique<SharedStateFile>(
      take(SharedStateFile::open(directory_ / "state", 1, options.slots())));
  engine_ = CryptoEngine::create();
  world_ = std::make_unique<World>(world_config_for(1, options.slots()));
  rings_ = Rings::create({.workers = 1});
  pools_ = std::make_unique<PacketPools>(options.memory_mb, process.max_mtu_bytes);
  WorkerConfig config;
  config.socket_id = static_cast<int>(rte_lcore_to_socket_id(lcore_of_worker(0)));
  config.world = world_.get();
  config.rings = rings_.get();
  config.pool = take(pools_->of_socket(config.socket_id));
  config.counters = state_->workers();
  config.port_counters = state_->ports();
  config.counter_workers = state_->header().workers;
  if (engine_ == nullptr || rings_ == nullptr || (worker_ = Worker::create(config)) == nullptr)
    throw ApiError("a worker could not be made: too little memory, or a CPU without AES-NI");
  manager_ = std::make_unique<Manager>(ManagerConfig{1, options.slots(), process.max_mtu_bytes}, *world_,
                                       *rings_, *pools_, *state_, *engine_, std::move(server));
  end_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

LatencyRig::~LatencyRig() {
  manager_.reset();
  worker_.reset();
  pools_.reset();
  rings_.reset();
  world_.reset();
  state_.reset();
  eal_.reset();
  close(end_fd_);
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void LatencyRig::run(const Body& body) {
  user_ = std::make_unique<ApiUser>(directory_ / "dataplane.sock", options_);
  auto start = [this, &body] { be_worker(body); };
  rte_eal_remote_launch(
      [](void* argument) {
        (*static_cast<decltype(start)*>(argument))();
        return 0;
      },
      &start, dataplane::lcore_of_worker(0));
  const dataplane::Failure failure = manager_->run(end_fd_);
  rte_eal_mp_wait_lcore();
  user_.reset();
  manager_->release();
  if (failure_) std::rethrow_exception(failure_);
  if (failure.failed()) throw ApiError(failure.text);
}

void LatencyRig::be_worker(const Body& body) {
  rte_rcu_qsbr_thread_register(world_->qsbr(), 0);
  rte_rcu_qsbr_thread_online(world_->qsbr(), 0);
  try {
    prepare();
    body(*this);
  } catch (...) {
    failure_ = std::current_exception();
  }
  rte_rcu_qsbr_thread_offline(world_->qsbr(), 0);
  rte_rcu_qsbr_thread_unregister(world_->qsbr(), 0);
  eventfd_write(end_fd_, 1);
}

void LatencyRig::poll() {
  worker_->poll_once();
  rte_rcu_qsbr_quiescent(world_->qsbr(), 0);
}

void LatencyRig::prepare() {
  while (!user_->done())
    poll();
  make_frames();
  pool_ = take(pools_->of_socket(static_cast<int>(rte_socket_id())));
  lan_.attach(world_->ports.at(kLanPort)->device, pool_);
  wan_.attach(world_->ports.at(kWanPort)->device, pool_);
}

// The sites take turns, so that packets in sequence are of different SAs.
void LatencyRig::make_frames() {
  const api::Mac lan_mac = mac_of(*world_->ports.at(kLanPort));
  wan_mac_ = mac_of(*world_->ports.at(kWanPort));
  EspSealer sealer;
  for (uint32_t round = 0; round < kFramesPerSite; ++round)
    for (uint32_t site = 0; site < options_.traffic_sites; ++site) {
      lan_frames_.push_back(lan_frame(lan_mac, site, options_.inner_bytes));
      wan_frames_.push_back(
          sealer.wan_frame(options_.gateway, wan_mac_, first_pair(site), round + 1, options_.inner_bytes));
    }
}

uint64_t LatencyRig::drops() const {
  uint64_t sum = 0;
  for (uint32_t reason = 0; reason < api::kDropReasonCount; ++reason)
    sum += drops(static_cast<api::DropReason>(reason));
  return sum;
}

uint64_t LatencyRig::drops(api::DropReason reason) const {
  uint64_t sum = 0;
  for (uint32_t thread = 0; thread < state_->header().workers; ++thread)
    sum += state_->workers()[thread].drops[static_cast<size_t>(reason)].load(std::memory_order_relaxed);
  return sum;
}

}  // namespace sallyport::bench
