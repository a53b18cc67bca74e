// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/manager/manager.h"

#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/random.h>

#include <algorithm>
#include <ctime>

#include "dataplane/manager/codec.h"
#include "dataplane/manager/eal.h"
#include "dataplane/manager/numa.h"

namespace sallyport::dataplane {
namespace {

constexpr uint64_t kTickNs = 100'000'000;      // links, path MTUs
constexpr uint64_t kSecondNs = 1'000'000'000;  // hold queue, device counters
constexpr uint64_t kGraceWaitNs = 50'000;      // while something waits for the workers' quiescent states
constexpr int kMaxEvents = 32;

// What an epoll event is about: the kind in the high half, an id in the low.
enum class Source : uint32_t { kApi, kSignal, kWorkers, kPortMirror, kVrfMirror };

uint64_t tag(Source source, uint32_t id = 0) {
  return uint64_t{static_cast<uint32_t>(source)} << 32 | id;
}

uint64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * kSecondNs + static_cast<uint64_t>(now.tv_nsec);
}

// Validated, aligned and wiped by the server; a copy would leave keys behind.
template <typename Message>
const Message& view(const Request& request) {
  return *reinterpret_cast<const Message*>(request.message.data());
}

}  // namespace

Manager::Manager(const ManagerConfig& config, World& world, Rings& rings, PacketPools& pools,
                 SharedStateFile& state, const CryptoEngine& engine, std::unique_ptr<ApiServer> server)
    : config_(config),
      rings_(rings),
      state_(state),
      server_(std::move(server)),
      context_{world,
               pools,
               Retirer(world.qsbr()),
               {},
               config.max_mtu_bytes,
               [this](std::span<const std::byte> event) { server_->send_event(event); },
               worker_nodes(config.workers)},
      ports_(context_),
      networks_(context_),
      liveness_(context_, [this](std::span<const uint32_t> ids) { next_hops_.health_changed(ids); }),
      next_hops_(context_, ports_, [this](uint32_t id) { return liveness_.cause(id); }),
      tunnels_(context_),
      sas_(context_, state, tunnels_, engine),
      injector_(rings, state.workers()[config.workers]),
      probes_({context_, injector_, tunnels_, sas_, liveness_}),
      exceptions_({context_, rings, ports_, networks_, next_hops_, tunnels_, sas_, probes_, injector_}),
      epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  hello_ = make_message<api::HelloReply>(api::Type::kHelloReply, 0);
  while (getrandom(hello_.instance.data(), hello_.instance.size(), 0) < 0) {
  }
  hello_.workers = config.workers;
  hello_.slots = config.slots;
  hello_.start_time_ns = monotonic_ns();
  hello_.pid = getpid();
  hello_.max_mtu_bytes = config.max_mtu_bytes;
  set_text(hello_.version, SALLYPORT_VERSION);
  set_text(hello_.shared_state_path, std::filesystem::absolute(state.path()).native());
}

Manager::~Manager() = default;

Failure Manager::run(int signal_fd) {
  epoll_event signal{.events = EPOLLIN, .data = {.u64 = tag(Source::kSignal)}};
  epoll_event api{.events = EPOLLIN, .data = {.u64 = tag(Source::kApi)}};
  epoll_event workers{.events = EPOLLIN, .data = {.u64 = tag(Source::kWorkers)}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, signal_fd, &signal) != 0 ||
      epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, rings_.wake_fd(), &workers) != 0 ||
      epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, server_->poll_fd(), &api) != 0)
    return {api::Error::kDeviceFailed, std::string("epoll: ") + std::strerror(errno)};
  for (;;) {
    std::array<epoll_event, kMaxEvents> events;
    const uint64_t wait = wait_ns(monotonic_ns());
    const timespec timeout{static_cast<time_t>(wait / kSecondNs), static_cast<long>(wait % kSecondNs)};
    const int count = epoll_pwait2(epoll_.get(), events.data(), kMaxEvents, &timeout, nullptr);
    for (int i = 0; i < count; ++i) {
      const auto id = static_cast<uint32_t>(events[i].data.u64);
      switch (static_cast<Source>(events[i].data.u64 >> 32)) {
        case Source::kSignal:
          return success();
        case Source::kApi:
          server_->serve([this](const Request& request) { handle(request); });
          break;
        case Source::kWorkers:
          rings_.take_wake();
          break;
        case Source::kPortMirror:
          exceptions_.read_port_mirror(id);
          break;
        case Source::kVrfMirror:
          exceptions_.read_vrf_mirror(id);
          break;
      }
    }
    turn(monotonic_ns());
  }
}

void Manager::turn(uint64_t now_ns) {
  found_work_ = exceptions_.drain_workers(now_ns) > 0;
  context_.retirer.poll();
  if (now_ns >= next_tick_ns_) {
    next_tick_ns_ = now_ns + kTickNs;
    if (ports_.poll_links()) liveness_.check_links(now_ns);
    tunnels_.refresh_path_mtus(now_ns);
  }
  liveness_.advance(now_ns);
  if (now_ns >= probes_.next_ns()) {
    exceptions_.drain_rings(now_ns);
    probes_.run(now_ns);
  }
  if (now_ns >= next_second_ns_) {
    next_second_ns_ = now_ns + kSecondNs;
    exceptions_.expire(now_ns);
    ports_.count_missed(state_.ports(), state_.header().workers);
  }
  server_->flush();
}

uint64_t Manager::wait_ns(uint64_t now_ns) const {
  const uint64_t next_ns = std::min({next_tick_ns_, liveness_.next_ns(), probes_.next_ns()});
  if (found_work_ || now_ns >= next_ns) return 0;
  return context_.retirer.idle() ? next_ns - now_ns : std::min(next_ns - now_ns, kGraceWaitNs);
}

void Manager::release() {
  context_.retirer.poll();
}

void Manager::handle(const Request& request) {
  switch (request.type) {
    case api::Type::kHello:
      return hello(request);
    case api::Type::kDump:
      return dump(request);
    case api::Type::kDeletePort:
    case api::Type::kDeleteSa:
    case api::Type::kFlushPunts:
      return handle_deferred(request);
    default:
      return server_->reply(request.client, request.sequence, handle_table_request(request));
  }
}

Failure Manager::handle_table_request(const Request& request) {
  using api::Type;
  switch (request.type) {
    case Type::kSetPort:
      return ports_.set_port(view<api::SetPort>(request));
    case Type::kSetMirror:
      return set_mirror(request);
    case Type::kSetVrf:
      return networks_.set_vrf(view<api::SetVrf>(request));
    case Type::kDeleteVrf: {
      const uint32_t id = view<api::DeleteById>(request).id;
      const Mirror* mirror = networks_.mirror(id);
      // The duplicates that sallyportd holds would keep a closed descriptor in the epoll set.
      unwatch(mirror);
      const Failure failure = networks_.delete_vrf(id);
      if (failure.failed() && mirror != nullptr) (void)watch(*mirror, api::MirrorKind::kVrf, id);
      return failure;
    }
    case Type::kSetAddress:
      return ports_.set_address(view<api::SetAddress>(request));
    case Type::kDeleteAddress:
      return ports_.delete_address(view<api::SetAddress>(request));
    case Type::kSetNeighbour:
      return set_neighbour(view<api::SetNeighbour>(request));
    case Type::kDeleteNeighbour:
      return next_hops_.delete_neighbour(view<api::DeleteById>(request).id);
    case Type::kSetGroup:
      return next_hops_.set_group(view<api::SetGroup>(request));
    case Type::kDeleteGroup:
      return next_hops_.delete_group(view<api::DeleteById>(request).id);
    case Type::kSetRoute:
      return networks_.set_route(view<api::SetRoute>(request));
    case Type::kDeleteRoute:
      return networks_.delete_route(view<api::DeleteRoute>(request));
    case Type::kSetTunnel:
      return set_tunnel(view<api::SetTunnel>(request));
    case Type::kDeleteTunnel:
      return delete_tunnel(view<api::DeleteById>(request).id);
    case Type::kSetInboundSa:
      return sas_.set_inbound(view<api::SetInboundSa>(request));
    case Type::kSetOutboundSa:
      return sas_.set_outbound(view<api::SetOutboundSa>(request));
    case Type::kUpdateSa:
      return sas_.update(view<api::UpdateSa>(request));
    case Type::kActivateSa:
      return sas_.activate(view<api::ActivateSa>(request));
    default:
      return {api::Error::kMalformed, "this type is not a request"};
  }
}

Failure Manager::set_neighbour(const api::SetNeighbour& message) {
  const Neighbour* before = context_.world.neighbours.at(message.neighbour_id);
  const bool moves = before != nullptr && before->port_id != message.port_id;
  if (auto failure = next_hops_.set_neighbour(message); failure.failed()) return failure;
  exceptions_.neighbour_resolved(message);
  if (moves) liveness_.check_links(monotonic_ns());
  return success();
}

Failure Manager::set_tunnel(const api::SetTunnel& message) {
  if (auto failure = tunnels_.set_tunnel(message); failure.failed()) return failure;
  sas_.refresh_headers(message.tunnel_id);
  const uint64_t now_ns = monotonic_ns();
  liveness_.set_tunnel(message, now_ns);
  probes_.set_tunnel(message, now_ns);
  return success();
}

Failure Manager::delete_tunnel(uint32_t id) {
  if (auto failure = tunnels_.delete_tunnel(id); failure.failed()) return failure;
  probes_.delete_tunnel(id);
  liveness_.delete_tunnel(id);
  return success();
}

// Requests that are answered when every worker has seen the change.
void Manager::handle_deferred(const Request& request) {
  auto done = [this, client = request.client, sequence = request.sequence] {
    server_->reply(client, sequence, success());
  };
  Failure failure = success();
  if (request.type == api::Type::kDeleteSa) {
    failure = sas_.remove(view<api::DeleteSa>(request), done);
  } else if (request.type == api::Type::kDeletePort) {
    const uint32_t id = view<api::DeleteById>(request).id;
    const Mirror* mirror = ports_.mirror(id);
    unwatch(mirror);
    failure = ports_.delete_port(id, done);
    if (failure.failed() && mirror != nullptr) (void)watch(*mirror, api::MirrorKind::kPort, id);
  } else {
    context_.retirer.after_grace(done);
  }
  if (failure.failed()) server_->reply(request.client, request.sequence, failure);
}

void Manager::hello(const Request& request) {
  auto message = hello_;
  message.header.sequence = request.sequence;
  const MemoryUse memory = memory_use();
  message.memory_bytes = memory.bytes;
  message.memory_used_bytes = memory.used_bytes;
  server_->send_hello(request.client, message);
}

void Manager::dump(const Request& request) {
  DumpSource source;
  switch (view<api::Dump>(request).what) {
    case api::Type::kSetPort:
      source = ports_.dump_ports();
      break;
    case api::Type::kSetAddress:
      source = ports_.dump_addresses();
      break;
    case api::Type::kSetVrf:
      source = networks_.dump_vrfs();
      break;
    case api::Type::kSetRoute:
      source = networks_.dump_routes();
      break;
    case api::Type::kSetNeighbour:
      source = next_hops_.dump_neighbours();
      break;
    case api::Type::kSetGroup:
      source = next_hops_.dump_groups();
      break;
    case api::Type::kSetTunnel:
      source = tunnels_.dump([this](uint32_t id) { return liveness_.cause(id); });
      break;
    case api::Type::kSetInboundSa:
      source = sas_.dump_inbound();
      break;
    default:
      source = sas_.dump_outbound();
      break;  // validate() lets nothing else through
  }
  server_->dump(request.client, request.sequence, std::move(source));
}

Failure Manager::set_mirror(const Request& request) {
  const auto& message = view<api::SetMirror>(request);
  auto mirror = Mirror::adopt(message.kind, std::move(request.fds));
  request.fds.clear();
  if (!mirror.ok()) return mirror.failure();
  const bool of_port = message.kind == api::MirrorKind::kPort;
  unwatch(of_port ? ports_.mirror(message.id) : networks_.mirror(message.id));
  if (auto failure = of_port ? ports_.set_mirror(message.id, std::move(mirror.value()))
                             : networks_.set_mirror(message.id, std::move(mirror.value()));
      failure.failed())
    return failure;
  return watch(*(of_port ? ports_.mirror(message.id) : networks_.mirror(message.id)), message.kind,
               message.id);
}

Failure Manager::watch(const Mirror& mirror, api::MirrorKind kind, uint32_t id) {
  const Source source = kind == api::MirrorKind::kPort ? Source::kPortMirror : Source::kVrfMirror;
  for (const auto& fd : mirror.fds()) {
    epoll_event event{.events = EPOLLIN, .data = {.u64 = tag(source, id)}};
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0)
      return {api::Error::kExhausted, mirror.device() + ": cannot be watched: " + std::strerror(errno)};
  }
  return success();
}

void Manager::unwatch(const Mirror* mirror) {
  if (mirror == nullptr) return;
  for (const auto& fd : mirror->fds())
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd.get(), nullptr);
}

}  // namespace sallyport::dataplane
