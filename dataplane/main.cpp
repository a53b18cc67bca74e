// SPDX-License-Identifier: BSD-3-Clause
// sallyport-dataplane: puts the parts together, starts a worker on every core it was given, becomes the
// manager thread, and takes everything down again on SIGTERM.
#include <fcntl.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/signalfd.h>

#include <atomic>
#include <cstdio>
#include <new>
#include <vector>

#include "dataplane/manager/eal.h"
#include "dataplane/manager/hardening.h"
#include "dataplane/manager/manager.h"
#include "dataplane/manager/options.h"
#include "dataplane/manager/table_limits.h"
#include "dataplane/worker/worker.h"

namespace sallyport::dataplane {
namespace {

struct WorkerThread {
  WorkerConfig config;
  std::unique_ptr<Worker> worker;
  const std::atomic<bool>* stop;
};

// On the worker's own core, so that what it allocates lies on that core's NUMA node.
int make_worker(void* argument) {
  auto& thread = *static_cast<WorkerThread*>(argument);
  thread.worker = Worker::create(thread.config);
  return 0;
}

int run_worker(void* argument) {
  auto& thread = *static_cast<WorkerThread*>(argument);
  thread.worker->run(*thread.stop);
  return 0;
}

void start_log(spdlog::level::level_enum level) {
  // On a stream of its own, because DPDK's start silences stderr.
  FILE* stream = fdopen(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3), "w");
  auto sink = std::make_shared<spdlog::sinks::stdout_sink_base<spdlog::details::console_mutex>>(
      stream == nullptr ? stderr : stream);
  auto logger = std::make_shared<spdlog::logger>("dataplane", std::move(sink));
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
  logger->set_level(level);
  logger->flush_on(spdlog::level::debug);
  spdlog::set_default_logger(logger);
}

// Blocked in every thread, so that the manager alone reads them. Call before any thread starts.
UniqueFd take_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP})
    sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return UniqueFd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

Result<std::vector<WorkerThread>> make_workers(const Options& options, World& world, Rings& rings,
                                               PacketPools& pools, SharedStateFile& state,
                                               const std::atomic<bool>& stop) {
  std::vector<WorkerThread> threads(world.workers());
  for (uint32_t index = 0; index < world.workers(); ++index) {
    threads[index].stop = &stop;
    WorkerConfig& config = threads[index].config;
    config.index = index;
    config.socket_id = static_cast<int>(rte_lcore_to_socket_id(lcore_of_worker(index)));
    config.idle = options.idle == IdleMode::kSleep ? Idle::kSleep : Idle::kPoll;
    config.world = &world;
    config.rings = &rings;
    const auto pool = pools.of_socket(config.socket_id);
    if (!pool.ok()) return pool.failure();
    config.pool = pool.value();
    config.counters = &state.workers()[index];
    config.port_counters = state.ports();
    config.counter_workers = state.header().workers;
    rte_eal_remote_launch(make_worker, &threads[index], lcore_of_worker(index));
    rte_eal_wait_lcore(lcore_of_worker(index));
    if (!threads[index].worker)
      return Failure{api::Error::kExhausted,
                     "a worker could not be made: too little --memory, or a CPU without AES-NI"};
  }
  return threads;
}

// nullptr where DPDK's memory is short.
std::unique_ptr<World> make_world(const WorldConfig& config) {
  try {
    return std::make_unique<World>(config);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

Failure serve(const Options& options, SharedStateFile& state, std::unique_ptr<ApiServer> server,
              int signal_fd) {
  const auto worker_count = static_cast<uint32_t>(options.worker_cores.size());
  const auto engine = CryptoEngine::create();
  if (!engine) return {api::Error::kUnsupported, "this CPU lacks AES-NI, which the crypto library needs"};
  const auto made_world = make_world(world_config_for(worker_count, options.slots));
  if (!made_world) return {api::Error::kExhausted, "no memory for the tables; give more --memory"};
  World& world = *made_world;
  const auto rings = Rings::create(RingsConfig{.workers = worker_count});
  if (!rings) return {api::Error::kExhausted, "no memory for the rings between workers; give more --memory"};
  PacketPools pools(options.memory_mb, options.max_mtu_bytes);
  std::atomic<bool> stop = false;
  auto threads = make_workers(options, world, *rings, pools, state, stop);
  if (!threads.ok()) return threads.failure();

  Manager manager({worker_count, options.slots, options.max_mtu_bytes}, world, *rings, pools, state, *engine,
                  std::move(server));
  for (uint32_t index = 0; index < worker_count; ++index)
    rte_eal_remote_launch(run_worker, &threads.value()[index], lcore_of_worker(index));
  spdlog::info("started: {} workers, {} SA slots, crypto {}, shared state {} ({})", worker_count,
               options.slots, engine->implementation(), state.path().native(),
               state.reopened() ? "kept" : "new");
  const Failure failure = manager.run(signal_fd);
  stop = true;
  rte_eal_mp_wait_lcore();
  manager.release();
  spdlog::info("stopped");
  return failure;
}

Failure start(const Options& options) {
  if (auto failure = check_machine(options); failure.failed()) return failure;
  if (auto failure = harden_process(); failure.failed()) return failure;
  const UniqueFd signals = take_signals();
  auto server = ApiServer::listen(options.run_dir / "dataplane.sock");
  if (!server.ok()) return server.failure();
  if (auto failure = drop_capabilities(); failure.failed()) return failure;
  const auto eal = Eal::start(options);
  if (!eal.ok()) return eal.failure();
  exclude_memory_from_dumps();
  auto state = SharedStateFile::open(options.state_file, static_cast<uint32_t>(options.worker_cores.size()),
                                     options.slots);
  if (!state.ok()) return state.failure();
  return serve(options, state.value(), std::move(server.value()), signals.get());
}

}  // namespace
}  // namespace sallyport::dataplane

int main(int argc, char** argv) {
  using namespace sallyport::dataplane;
  const auto options = parse_options(argc, argv);
  Failure failure = success();
  if (!options.ok()) {
    failure = options.failure();
  } else if (options.value().only_informs) {
    std::fputs(options.value().information.c_str(), stdout);
    return 0;
  } else {
    start_log(options.value().log_level);
    failure = start(options.value());
  }
  if (!failure.failed()) return 0;
  std::fprintf(stderr, "sallyport-dataplane: %s\n", failure.text.c_str());
  return 1;
}
