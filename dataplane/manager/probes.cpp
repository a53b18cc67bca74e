// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/manager/probes.h"

#include <rte_random.h>
#include <sys/random.h>

#include <algorithm>
#include <cstring>

#include "dataplane/packet/addresses.h"
#include "dataplane/path/choose_sa.h"
#include "dataplane/path/context.h"

namespace sallyport::dataplane {
namespace {

constexpr unsigned kPerTurn = 64;
constexpr uint64_t kLookAgainNs = 200'000'000;  // for an SA, where there is none

std::span<const uint8_t> data_of(const rte_mbuf& packet) {
  return {rte_pktmbuf_mtod(&packet, const uint8_t*), packet.data_len};
}

bool same_probe(const api::Probe& a, const api::Probe& b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

}  // namespace

uint64_t NonceSource::next() {
  while (left_ == 0) {
    const ssize_t bytes = getrandom(numbers_.data(), sizeof numbers_, 0);
    if (bytes == sizeof numbers_) left_ = numbers_.size();
  }
  return numbers_[--left_];
}

// What only says again what is known changes nothing.
void Probes::set_tunnel(const api::SetTunnel& message, uint64_t now_ns) {
  const uint32_t id = message.tunnel_id;
  if (message.probe.kind == api::ProbeKind::kNone || message.path_tunnel_id != id) {
    if (!entries_.contains(id)) return;
    delete_tunnel(id);
    if (message.path_tunnel_id == id) parts_.liveness.pass_probe(id, now_ns);
    return;
  }
  auto [found, is_new] = entries_.try_emplace(id);
  Entry& entry = found->second;
  if (!is_new && same_probe(entry.probe, message.probe)) return;
  entry.probe = message.probe;
  entry.vrf_id = message.vrf_id;
  start(id, entry, now_ns);
}

void Probes::delete_tunnel(uint32_t id) {
  entries_.erase(id);
  deadlines_.cancel(id);
}

// The first one goes out some time within an interval, so that many tunnels don't ask all at once.
void Probes::start(uint32_t id, Entry& entry, uint64_t now_ns) {
  entry.missed = 0;
  entry.waiting = entry.answered = false;
  deadlines_.set(id, now_ns + rte_rand_max(interval_ns(entry)));
}

void Probes::run(uint64_t now_ns) {
  for (unsigned count = 0; count < kPerTurn; ++count) {
    const auto due = deadlines_.first(now_ns);
    if (!due) return;
    const uint32_t id = due->id;
    Entry& entry = entries_.at(id);
    const uint64_t interval = interval_ns(entry);
    if (parts_.tunnels.active(id) == api::kNone) {  // nothing can be said without one
      entry.missed = 0;
      entry.waiting = entry.answered = false;
      parts_.liveness.pass_probe(id, now_ns);
      deadlines_.set(id, now_ns + std::max(interval, kLookAgainNs));
      continue;
    }
    // This thread itself stood still: what it couldn't have received in time is not missed. The probes that
    // are due all at once after that are spread again.
    const bool stalled = now_ns - due->due_ns > interval;
    if (entry.waiting && !entry.answered && !stalled && entry.missed < entry.probe.misses) ++entry.missed;
    judge(id, entry, now_ns);
    send(id, entry, now_ns);
    deadlines_.set(id, now_ns + interval - (stalled ? rte_rand_max(interval / 4) : 0));
  }
}

void Probes::judge(uint32_t id, Entry& entry, uint64_t now_ns) {
  if (entry.missed < entry.probe.misses) return;
  if (entry.probe.shared_target != 0 && is_verified_lately(id, entry, now_ns)) {
    parts_.liveness.pass_probe(id, now_ns);
  } else {
    parts_.liveness.fail_probe(id, entry.answered_ns, now_ns);
  }
}

// Its target's answers may come by another tunnel: any packet by this path says as much.
bool Probes::is_verified_lately(uint32_t id, const Entry& entry, uint64_t now_ns) const {
  const uint64_t span_ns = 2 * interval_ns(entry);
  const auto tunnels = parts_.liveness.tunnels_of(id);
  return std::any_of(tunnels.begin(), tunnels.end(), [&](uint32_t tunnel_id) {
    const uint64_t verified_ns = parts_.sas.last_verified_ns(tunnel_id);
    return verified_ns != 0 && now_ns < verified_ns + span_ns;
  });
}

void Probes::send(uint32_t id, Entry& entry, uint64_t now_ns) {
  ProbePacket probe;
  if (entry.probe.kind == api::ProbeKind::kGateway) {
    probe = gateway_probe_for(id);
  } else {
    probe.source = entry.probe.source;
    probe.target = entry.probe.target;
  }
  probe.sequence = entry.sequence++;
  probe.tunnel_id = id;
  probe.identifier = static_cast<uint16_t>(id);  // so that NATs and logs tell them apart
  probe.nonce = entry.nonces[probe.sequence % kRemembered] = nonces_.next();
  if (entry.answered_ns == 0) entry.answered_ns = now_ns;
  entry.answered = false;
  entry.waiting = send_packet(id, probe);
}

// The SA of the tunnel's that lets this packet through; api::kNone: none.
uint32_t Probes::slot_for(uint32_t tunnel_id, const uint8_t* packet) const {
  const World& world = parts_.context.world;
  const Tunnel& tunnel = *world.tunnels.at(tunnel_id);
  return packet[0] >> 4 == 6
             ? outbound_slot_for(world, tunnel, *reinterpret_cast<const rte_ipv6_hdr*>(packet))
             : outbound_slot_for(world, tunnel, *reinterpret_cast<const rte_ipv4_hdr*>(packet));
}

// By IPv4, or else by IPv6 where that alone lies within an SA's selectors.
ProbePacket Probes::gateway_probe_for(uint32_t tunnel_id) const {
  std::array<uint8_t, kMaxProbeBytes> room;
  const ProbePacket ipv4 = gateway_probe(api::Family::kIpv4), ipv6 = gateway_probe(api::Family::kIpv6);
  write_probe(ipv4, room);
  if (slot_for(tunnel_id, room.data()) != api::kNone) return ipv4;
  write_probe(ipv6, room);
  return slot_for(tunnel_id, room.data()) != api::kNone ? ipv6 : ipv4;
}

// False: no room for it anywhere, which says nothing of the tunnel.
bool Probes::send_packet(uint32_t tunnel_id, const ProbePacket& probe) {
  const auto pool = parts_.context.pools.of_socket(-1);
  rte_mbuf* packet = pool.ok() ? rte_pktmbuf_alloc(pool.value()) : nullptr;
  if (packet == nullptr) {
    parts_.injector.count_drop(api::DropReason::kNoMbuf);
    return false;
  }
  auto* room = reinterpret_cast<uint8_t*>(rte_pktmbuf_append(packet, kMaxProbeBytes));
  const uint32_t bytes = write_probe(probe, {room, kMaxProbeBytes});
  rte_pktmbuf_trim(packet, static_cast<uint16_t>(kMaxProbeBytes - bytes));
  const uint32_t fitting = slot_for(tunnel_id, room);
  const uint32_t slot = fitting != api::kNone ? fitting : parts_.tunnels.active(tunnel_id);
  PacketMeta& meta = meta_of(packet);
  meta = {};
  meta.kind = MetaKind::kInjectTunnel;
  meta.tunnel_id = tunnel_id;
  meta.vrf_id = parts_.context.world.tunnels.at(tunnel_id)->vrf_id;
  meta.port_id = kNoPort;
  meta.origin = static_cast<uint32_t>(Origin::kMirror);
  return parts_.injector.inject(parts_.context.world.home_worker(slot), packet);
}

void Probes::receive(uint32_t tunnel_id, rte_mbuf* packet, uint64_t now_ns) {
  const auto probe = read_probe(data_of(*packet));
  if (!probe) {
    parts_.injector.drop(packet, api::DropReason::kProbeAddress);
    return;
  }
  rte_pktmbuf_free(packet);
  if (is_gateway_answer(*probe)) {
    Entry* entry = probe->tunnel_id == tunnel_id ? find_asker(*probe) : nullptr;
    if (entry != nullptr && entry->probe.kind == api::ProbeKind::kGateway) accept(tunnel_id, *entry, now_ns);
  } else if (is_gateway_request(*probe) && parts_.tunnels.active(tunnel_id) != api::kNone) {
    send_packet(tunnel_id, answer_to(*probe));
  } else {
    parts_.injector.count_drop(api::DropReason::kProbeAddress);
  }
}

bool Probes::answers(uint32_t vrf_id, const rte_mbuf& packet, uint64_t now_ns) {
  const auto probe = read_probe(data_of(packet));
  if (!probe || probe->kind != ProbePacket::Kind::kAnswer) return false;
  Entry* entry = find_asker(*probe);
  if (entry == nullptr || entry->probe.kind != api::ProbeKind::kEcho || entry->vrf_id != vrf_id ||
      !same_address(probe->source, entry->probe.target) || !same_address(probe->target, entry->probe.source))
    return false;
  accept(probe->tunnel_id, *entry, now_ns);
  return true;
}

// The tunnel whose outstanding probe that answers; nullptr: none, or nobody's.
Probes::Entry* Probes::find_asker(const ProbePacket& answer) {
  const auto found = entries_.find(answer.tunnel_id);
  if (found == entries_.end()) return nullptr;
  Entry& entry = found->second;
  const auto age = static_cast<uint16_t>(entry.sequence - 1 - answer.sequence);
  const bool known = age < kRemembered && entry.nonces[answer.sequence % kRemembered] == answer.nonce;
  return known ? &entry : nullptr;
}

void Probes::accept(uint32_t id, Entry& entry, uint64_t now_ns) {
  entry.missed = 0;
  entry.answered = true;
  entry.answered_ns = now_ns;
  parts_.liveness.pass_probe(id, now_ns);
}

}  // namespace sallyport::dataplane
