// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/manager/tunnels.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "dataplane/manager/codec.h"
#include "dataplane/manager/dump.h"

namespace sallyport::dataplane {
namespace {

constexpr uint16_t kDefaultMtuBytes = 1500;
constexpr size_t kRefreshShares = 10;  // so that many tunnels never hold up the manager
constexpr std::array<uint16_t, 4> kPlateaus = {4352, 2002, 1492, 1006};  // RFC 1191 section 7.1

uint16_t plateau_below(uint16_t mtu_bytes) {
  const auto it = std::find_if(kPlateaus.begin(), kPlateaus.end(), [&](uint16_t p) { return p < mtu_bytes; });
  return it == kPlateaus.end() ? kMinPathMtuBytes : *it;
}

// api::kNone: it sends on none.
uint32_t first_of(const Tunnel& tunnel) {
  const uint32_t word = tunnel.outbound_slot.load(std::memory_order_relaxed);
  return word == api::kNone ? word : word & ~kSeveralSas;
}

}  // namespace

// The workers have stopped: nothing reads the World any more.
Tunnels::~Tunnels() {
  for (uint32_t id = 0; id < entries_.size(); ++id)
    if (entries_[id]) context_.world.tunnels.publish(id, nullptr);
}

Failure Tunnels::set_tunnel(const api::SetTunnel& message) {
  if (std::max(message.tunnel_id, message.path_tunnel_id) >= context_.world.tunnels.capacity())
    return {api::Error::kExhausted,
            "tunnel ids must be below " + std::to_string(context_.world.tunnels.capacity())};
  if (context_.world.vrfs.at(message.vrf_id) == nullptr) return not_found("virtual network", message.vrf_id);
  if (message.neighbour_id != api::kNone && context_.world.neighbours.at(message.neighbour_id) == nullptr)
    return not_found("neighbour", message.neighbour_id);
  Entry* found = find(message.tunnel_id);
  if (found != nullptr && found->message.vrf_id != message.vrf_id)
    return {api::Error::kInUse, "tunnel " + std::string(text_of(message.name)) +
                                    " belongs to another virtual network; delete it first"};
  TunnelPool::Pointer created;
  if (found == nullptr && (created = context_.world.tunnel_pool.make()) == nullptr)
    return {api::Error::kExhausted, "tunnel " + std::string(text_of(message.name)) +
                                        ": too many were deleted a moment ago; try again"};
  context_.references.add(ObjectKind::kNeighbour, message.neighbour_id);
  if (found == nullptr) {
    context_.references.add(ObjectKind::kVrf, message.vrf_id);
    entries_[message.tunnel_id] = std::make_unique<Entry>();
    Entry& entry = *entries_[message.tunnel_id];
    entry.message = message;
    entry.tunnel = std::move(created);
    entry.tunnel->id = message.tunnel_id;
    entry.tunnel->vrf_id = static_cast<uint8_t>(message.vrf_id);
    entry.tunnel->neighbour_id = message.neighbour_id;
    entry.tunnel->mss_clamp = message.mss_clamp != 0;
    entry.tunnel->path_mtu_bytes = port_mtu(entry);
    context_.world.tunnels.publish(message.tunnel_id, entry.tunnel.get());
    return success();
  }
  Entry& entry = *found;
  context_.references.drop(ObjectKind::kNeighbour, entry.message.neighbour_id);
  entry.message = message;
  entry.tunnel->neighbour_id.store(message.neighbour_id, std::memory_order_release);
  entry.tunnel->mss_clamp.store(message.mss_clamp != 0, std::memory_order_relaxed);
  update_path_mtu(entry);
  return success();
}

Failure Tunnels::delete_tunnel(uint32_t id) {
  Entry* entry = find(id);
  if (entry == nullptr) return not_found("tunnel", id);
  if (auto failure = context_.references.check_unused(ObjectKind::kTunnel, id, "tunnel", "groups or SAs");
      failure.failed())
    return failure;
  context_.references.drop(ObjectKind::kNeighbour, entry->message.neighbour_id);
  context_.references.drop(ObjectKind::kVrf, entry->message.vrf_id);
  context_.world.tunnels.publish(id, nullptr);
  context_.retirer.retire(std::move(entry->tunnel));
  entries_[id].reset();
  return success();
}

OuterPolicy Tunnels::policy(uint32_t id) const {
  const Entry* entry = find(id);
  if (entry == nullptr) return {};
  return {entry->message.df, entry->message.dscp_policy, entry->message.dscp};
}

uint32_t Tunnels::active(uint32_t id) const {
  const Entry* entry = find(id);
  return entry == nullptr ? api::kNone : first_of(*entry->tunnel);
}

uint32_t Tunnels::older(uint32_t slot) const {
  return context_.world.outbound_beside[slot].load(std::memory_order_relaxed);
}

bool Tunnels::sends_on(uint32_t id, uint32_t slot) const {
  uint32_t held = active(id);
  while (held != api::kNone && held != slot)
    held = older(held);
  return held != api::kNone;
}

// At every moment workers find each SA that stays, and the new one or the replaced one.
void Tunnels::send_on(uint32_t id, uint32_t slot, uint32_t replaced) {
  const Entry* entry = find(id);
  if (entry == nullptr) return;
  const uint32_t first = first_of(*entry->tunnel);
  const bool replaces_first = first != api::kNone && first == replaced;
  context_.world.outbound_beside[slot].store(replaces_first ? older(first) : first,
                                             std::memory_order_release);
  set_first(*entry, slot);
  if (replaced != api::kNone && !replaces_first) unlink(*entry, replaced);
}

void Tunnels::stop_sending_on(uint32_t id, uint32_t slot) {
  if (!sends_on(id, slot)) return;
  const Entry& entry = *find(id);
  if (first_of(*entry.tunnel) == slot) {
    set_first(entry, older(slot));
  } else {
    unlink(entry, slot);
  }
}

// The list begins with `slot`, whose next one is set; api::kNone: there is none.
void Tunnels::set_first(const Entry& entry, uint32_t slot) {
  const bool is_one = slot == api::kNone || older(slot) == api::kNone;
  entry.tunnel->outbound_slot.store(is_one ? slot : slot | kSeveralSas, std::memory_order_release);
}

// Takes out one that is not the first. It keeps its next one, for workers that have come as far as it.
void Tunnels::unlink(const Entry& entry, uint32_t slot) {
  const uint32_t first = first_of(*entry.tunnel);
  uint32_t newer = first;
  while (older(newer) != slot)
    newer = older(newer);
  context_.world.outbound_beside[newer].store(older(slot), std::memory_order_release);
  set_first(entry, first);
}

uint16_t Tunnels::port_mtu(const Entry& entry) const {
  const Neighbour* neighbour = context_.world.neighbours.at(entry.message.neighbour_id);
  const Port* port = neighbour == nullptr ? nullptr : context_.world.ports.at(neighbour->port_id);
  return port == nullptr ? kDefaultMtuBytes : port->mtu_bytes;
}

void Tunnels::update_path_mtu(Entry& entry) {
  const uint16_t limit = port_mtu(entry);
  const uint16_t mtu = entry.learnt_mtu_bytes == 0 ? limit : std::min(limit, entry.learnt_mtu_bytes);
  if (entry.tunnel->path_mtu_bytes.load(std::memory_order_relaxed) == mtu) return;
  entry.tunnel->path_mtu_bytes.store(mtu, std::memory_order_relaxed);
  spdlog::info("tunnel {}: path MTU is {} bytes", text_of(entry.message.name), mtu);
  auto event = make_message<api::PathMtuChanged>(api::Type::kPathMtuChanged, 0);
  event.tunnel_id = entry.message.tunnel_id;
  event.path_mtu_bytes = mtu;
  context_.send_event(std::as_bytes(std::span(&event, 1)));
}

void Tunnels::learn_path_mtu(uint32_t id, uint16_t mtu_bytes, uint64_t now_ns) {
  Entry* found = find(id);
  if (found == nullptr) return;
  Entry& entry = *found;
  const uint16_t current = entry.tunnel->path_mtu_bytes.load(std::memory_order_relaxed);
  const uint16_t learnt = std::max(mtu_bytes == 0 ? plateau_below(current) : mtu_bytes, kMinPathMtuBytes);
  if (learnt > current) return;  // a path MTU grows by ageing only
  entry.learnt_mtu_bytes = learnt;
  entry.learnt_ns = now_ns;
  update_path_mtu(entry);
}

void Tunnels::refresh_path_mtus(uint64_t now_ns) {
  const size_t share = (entries_.size() + kRefreshShares - 1) / kRefreshShares;
  const size_t first = std::exchange(next_refresh_, next_refresh_ + share);
  if (next_refresh_ >= entries_.size()) next_refresh_ = 0;
  for (size_t id = first; id < std::min(first + share, entries_.size()); ++id) {
    Entry* entry = entries_[id].get();
    if (entry == nullptr) continue;
    if (entry->learnt_mtu_bytes != 0 && now_ns - entry->learnt_ns >= kPathMtuLifetimeNs)
      entry->learnt_mtu_bytes = 0;
    update_path_mtu(*entry);
  }
}

DumpSource Tunnels::dump(std::function<api::HealthCause(uint32_t tunnel_id)> cause_of) const {
  return dump_of_table(entries_, [cause_of = std::move(cause_of)](uint32_t id, const Entry& entry) {
    auto message = entry.message;
    message.outbound_slot = first_of(*entry.tunnel);
    message.path_mtu_bytes = entry.tunnel->path_mtu_bytes.load(std::memory_order_relaxed);
    message.unhealthy = static_cast<uint8_t>(cause_of(id));
    return message;
  });
}

}  // namespace sallyport::dataplane
