// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/manager/liveness.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <string_view>

#include "dataplane/manager/codec.h"

namespace sallyport::dataplane {
namespace {

std::string_view to_text(api::HealthCause cause) {
  switch (cause) {
    case api::HealthCause::kHealthy:
      return "healthy";
    case api::HealthCause::kLink:
      return "unhealthy: the link is down";
    case api::HealthCause::kSuspect:
      return "unhealthy: the peer does not answer IKE";
    case api::HealthCause::kProbe:
      return "unhealthy: no answer to its probes";
    case api::HealthCause::kHold:
      return "held: nothing is wrong any more, but not for long enough";
  }
  return "";
}

// Milliseconds that have passed, at most what the field holds.
uint32_t elapsed_ms(uint64_t since_ns, uint64_t now_ns) {
  return static_cast<uint32_t>(std::min<uint64_t>((now_ns - since_ns) / 1'000'000, UINT32_MAX));
}

}  // namespace

void Liveness::set_tunnel(const api::SetTunnel& message, uint64_t now_ns) {
  const uint32_t id = message.tunnel_id, path_id = message.path_tunnel_id;
  if (path_of_[id] != path_id) {
    const auto before = cause(id);
    leave(id);
    join(id, path_id);
    if (cause(id) != before) changed_(std::span(&id, 1));
  }
  if (!is_own_path(id)) return;
  Path& path = paths_.at(id);
  path.name = message.name;
  path.health.set_hold(message.hold_ms);
  if (message.suspect != 0 ? path.health.raise(Fault::kSuspect, now_ns)
                           : path.health.clear(Fault::kSuspect, now_ns))
    announce(id, path, now_ns);
  check_link(id, path, now_ns);
}

void Liveness::delete_tunnel(uint32_t id) {
  leave(id);
}

void Liveness::join(uint32_t tunnel_id, uint32_t path_id) {
  path_of_[tunnel_id] = path_id;
  paths_[path_id].tunnels.push_back(tunnel_id);
}

// A path whose own tunnel has gone is judged no more.
void Liveness::leave(uint32_t tunnel_id) {
  const uint32_t path_id = std::exchange(path_of_[tunnel_id], api::kNone);
  const auto entry = paths_.find(path_id);
  if (entry == paths_.end()) return;
  Path& path = entry->second;
  std::erase(path.tunnels, tunnel_id);
  if (tunnel_id == path_id) {
    holds_.cancel(path_id);
    const bool was_unhealthy = path.health.cause() != api::HealthCause::kHealthy;
    path.health = Health();
    if (was_unhealthy) changed_(path.tunnels);
  }
  if (path.tunnels.empty()) paths_.erase(entry);
}

void Liveness::fail_probe(uint32_t path_id, uint64_t answered_ns, uint64_t now_ns) {
  Path& path = paths_.at(path_id);
  path.answered_ns = answered_ns;
  if (path.health.raise(Fault::kProbe, now_ns)) announce(path_id, path, now_ns);
}

void Liveness::pass_probe(uint32_t path_id, uint64_t now_ns) {
  Path& path = paths_.at(path_id);
  if (path.health.clear(Fault::kProbe, now_ns)) announce(path_id, path, now_ns);
}

void Liveness::check_link(uint32_t path_id, Path& path, uint64_t now_ns) {
  const World& world = context_.world;
  const uint32_t neighbour_id = world.tunnels.at(path_id)->neighbour_id.load(std::memory_order_relaxed);
  const Neighbour* neighbour = world.neighbours.at(neighbour_id);
  const Port* port = neighbour == nullptr ? nullptr : world.ports.at(neighbour->port_id);
  const bool down = port != nullptr && !port->link_up.load(std::memory_order_relaxed);
  if (down ? path.health.raise(Fault::kLink, now_ns) : path.health.clear(Fault::kLink, now_ns))
    announce(path_id, path, now_ns);
}

void Liveness::check_links(uint64_t now_ns) {
  for (auto& [path_id, path] : paths_)
    if (is_own_path(path_id)) check_link(path_id, path, now_ns);
}

void Liveness::advance(uint64_t now_ns) {
  while (const auto due = holds_.first(now_ns)) {
    Path& path = paths_.at(due->id);
    holds_.cancel(due->id);
    if (path.health.advance(now_ns)) announce(due->id, path, now_ns);
  }
}

void Liveness::announce(uint32_t path_id, const Path& path, uint64_t now_ns) {
  const auto cause = path.health.cause();
  const uint64_t hold_ends_ns = path.health.hold_ends_ns();
  auto event = make_message<api::HealthChanged>(api::Type::kHealthChanged, 0);
  event.tunnel_id = path_id;
  event.cause = cause;
  if (cause == api::HealthCause::kHold) {
    holds_.set(path_id, hold_ends_ns);
    event.hold_ms = static_cast<uint32_t>((hold_ends_ns - now_ns) / 1'000'000);
  } else {
    holds_.cancel(path_id);
  }
  if (cause == api::HealthCause::kProbe) event.after_ms = elapsed_ms(path.answered_ns, now_ns);
  if (cause == api::HealthCause::kHealthy)
    event.after_ms = elapsed_ms(path.health.unhealthy_since_ns(), now_ns);
  spdlog::info("tunnel {} is {}", text_of(path.name), to_text(cause));
  context_.send_event(std::as_bytes(std::span(&event, 1)));
  changed_(path.tunnels);
}

api::HealthCause Liveness::cause(uint32_t tunnel_id) const {
  const auto path = tunnel_id < path_of_.size() ? paths_.find(path_of_[tunnel_id]) : paths_.end();
  return path == paths_.end() ? api::HealthCause::kHealthy : path->second.health.cause();
}

std::span<const uint32_t> Liveness::tunnels_of(uint32_t path_id) const {
  const auto path = paths_.find(path_id);
  return path == paths_.end() ? std::span<const uint32_t>() : std::span(path->second.tunnels);
}

}  // namespace sallyport::dataplane
