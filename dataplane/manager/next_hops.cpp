// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/manager/next_hops.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "dataplane/manager/codec.h"
#include "dataplane/manager/dump.h"

namespace sallyport::dataplane {
namespace {

Failure table_full(const char* what, uint32_t capacity) {
  return {api::Error::kExhausted, std::string(what) + " ids must be below " + std::to_string(capacity)};
}

bool same(const api::SetNeighbour& a, const api::SetNeighbour& b) {
  return a.port_id == b.port_id && a.mac == b.mac &&
         std::memcmp(&a.address, &b.address, sizeof a.address) == 0;
}

std::pair<NextHopKey, uint32_t> address_entry(const api::SetNeighbour& message) {
  return {{message.port_id, message.address}, message.neighbour_id};
}

bool same_members(std::span<const api::GroupMember> a, std::span<const api::GroupMember> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return std::memcmp(&x, &y, sizeof x) == 0; });
}

// Whether the same members carry, by the same places. `a`: nullptr for none.
bool same_carriers(const NextHopGroup* a, const NextHopGroup& b) {
  if ((a == nullptr ? 0 : a->carrying()) != b.carrying()) return false;
  for (uint64_t left = b.carrying(); left != 0; left &= left - 1) {
    const auto i = static_cast<size_t>(std::countr_zero(left));
    if (a->members()[i].kind != b.members()[i].kind || a->members()[i].id != b.members()[i].id) return false;
  }
  return true;
}

std::optional<ObjectKind> kind_of(const api::GroupMember& member) {
  switch (member.kind) {
    case api::MemberKind::kTunnel:
      return ObjectKind::kTunnel;
    case api::MemberKind::kNeighbour:
      return ObjectKind::kNeighbour;
    case api::MemberKind::kConnected:
      return ObjectKind::kPort;
    case api::MemberKind::kLocal:
    case api::MemberKind::kDrop:
      break;
  }
  return std::nullopt;
}

}  // namespace

// The workers have stopped: nothing reads the World any more.
NextHops::~NextHops() {
  for (const auto& [id, entry] : groups_)
    context_.world.groups.publish(id, nullptr);
  for (const auto& [id, entry] : neighbours_)
    context_.world.neighbours.publish(id, nullptr);
}

Failure NextHops::set_neighbour(const api::SetNeighbour& message) {
  if (message.neighbour_id >= context_.world.neighbours.capacity())
    return table_full("neighbour", context_.world.neighbours.capacity());
  const Port* port = ports_.find(message.port_id);
  if (port == nullptr) return not_found("port", message.port_id);
  const auto it = neighbours_.find(message.neighbour_id);
  if (it != neighbours_.end() && same(it->second.message, message)) return success();

  auto neighbour = std::make_unique<Neighbour>();
  neighbour->id = message.neighbour_id;
  neighbour->port_id = message.port_id;
  neighbour->address = message.address;
  neighbour->resolved = message.mac != api::Mac{};
  rte_ether_addr destination;
  std::copy(message.mac.begin(), message.mac.end(), destination.addr_bytes);
  neighbour->rewrite = make_ethernet_rewrite(destination, port->mac, RTE_ETHER_TYPE_IPV4);

  context_.references.add(ObjectKind::kPort, message.port_id);
  if (it != neighbours_.end()) {
    context_.references.drop(ObjectKind::kPort, it->second.message.port_id);
    by_address_.erase(address_entry(it->second.message));
  }
  by_address_.insert(address_entry(message));
  context_.world.neighbours.publish(message.neighbour_id, neighbour.get());
  NeighbourEntry& entry = neighbours_[message.neighbour_id];
  entry.message = message;
  context_.retirer.retire(std::exchange(entry.published, std::move(neighbour)));
  return success();
}

Failure NextHops::delete_neighbour(uint32_t id) {
  const auto it = neighbours_.find(id);
  if (it == neighbours_.end()) return not_found("neighbour", id);
  if (auto failure =
          context_.references.check_unused(ObjectKind::kNeighbour, id, "neighbour", "tunnels or groups");
      failure.failed())
    return failure;
  context_.references.drop(ObjectKind::kPort, it->second.message.port_id);
  context_.world.neighbours.publish(id, nullptr);
  context_.retirer.retire(std::move(it->second.published));
  by_address_.erase(address_entry(it->second.message));
  neighbours_.erase(it);
  return success();
}

const Neighbour* NextHops::find_resolved(const NextHopKey& key) const {
  for (auto it = by_address_.lower_bound({key, 0}); it != by_address_.end() && it->first == key; ++it) {
    const Neighbour* neighbour = context_.world.neighbours.at(it->second);
    if (neighbour->resolved) return neighbour;
  }
  return nullptr;
}

Failure NextHops::check_member(const api::GroupMember& member) const {
  const auto kind = kind_of(member);
  if (kind == ObjectKind::kTunnel && context_.world.tunnels.at(member.id) == nullptr)
    return not_found("tunnel", member.id);
  if (kind == ObjectKind::kNeighbour && !neighbours_.contains(member.id))
    return not_found("neighbour", member.id);
  if (kind == ObjectKind::kPort && ports_.find(member.id) == nullptr) return not_found("port", member.id);
  return success();
}

void NextHops::enter_members(const NextHopGroup& group) {
  context_.references.add(ObjectKind::kVrf, group.vrf_id());
  for (const auto& member : group.members()) {
    const auto kind = kind_of(member);
    if (kind) context_.references.add(*kind, member.id);
    if (kind == ObjectKind::kTunnel) groups_of_tunnels_.emplace(member.id, group.id());
  }
}

void NextHops::withdraw_members(const NextHopGroup& group) {
  context_.references.drop(ObjectKind::kVrf, group.vrf_id());
  for (const auto& member : group.members()) {
    const auto kind = kind_of(member);
    if (kind) context_.references.drop(*kind, member.id);
    if (kind == ObjectKind::kTunnel) groups_of_tunnels_.erase({member.id, group.id()});
  }
}

uint64_t NextHops::choose(std::span<const api::GroupMember> members, api::MemberChoice choice,
                          GroupEntry& entry) {
  std::array<api::HealthCause, api::kMaxGroupMembers> causes{};
  for (size_t i = 0; i < members.size(); ++i)
    if (members[i].kind == api::MemberKind::kTunnel) causes[i] = cause_of_(members[i].id);
  return choose_carriers(members, std::span(causes).first(members.size()), choice, entry.preemption,
                         entry.in_force);
}

// Takes the place of the group that the entry has, if any.
void NextHops::publish(GroupEntry& entry, std::unique_ptr<NextHopGroup> group) {
  context_.world.groups.publish(group->id(), group.get());
  auto old = std::exchange(entry.published, std::move(group));
  if (!same_carriers(old.get(), *entry.published)) {
    auto event = make_message<api::GroupChanged>(api::Type::kGroupChanged, 0);
    event.group_id = entry.published->id();
    event.carrying = entry.published->carrying();
    context_.send_event(std::as_bytes(std::span(&event, 1)));
  }
  context_.retirer.retire(std::move(old));
}

Failure NextHops::set_group(const api::SetGroup& message) {
  if (message.group_id >= context_.world.groups.capacity())
    return table_full("group", context_.world.groups.capacity());
  if (context_.world.vrfs.at(message.vrf_id) == nullptr) return not_found("virtual network", message.vrf_id);
  const auto members = std::span(message.members).first(message.member_count);
  for (const auto& member : members)
    if (auto failure = check_member(member); failure.failed()) {
      failure.text = "group " + std::string(text_of(message.name)) + ": " + failure.text;
      return failure;
    }
  const auto it = groups_.find(message.group_id);
  if (it != groups_.end() && it->second.published->vrf_id() != message.vrf_id)
    return {api::Error::kInUse, "group " + std::to_string(message.group_id) +
                                    " belongs to another virtual network; delete it first"};
  GroupEntry& entry = groups_[message.group_id];
  entry.name = message.name;
  entry.preemption = message.preempt != 0 ? Preemption::kYes : Preemption::kNo;
  const uint64_t carrying = choose(members, message.choice, entry);
  const NextHopGroup* old = entry.published.get();
  if (old != nullptr && old->carrying() == carrying && old->choice() == message.choice &&
      same_members(old->members(), members))
    return success();
  auto group =
      std::make_unique<NextHopGroup>(message.group_id, message.vrf_id, members, carrying, message.choice);
  if (old != nullptr) withdraw_members(*old);
  enter_members(*group);
  publish(entry, std::move(group));
  return success();
}

void NextHops::health_changed(std::span<const uint32_t> tunnel_ids) {
  for (const uint32_t tunnel_id : tunnel_ids) {
    for (auto it = groups_of_tunnels_.lower_bound({tunnel_id, 0});
         it != groups_of_tunnels_.end() && it->first == tunnel_id; ++it) {
      GroupEntry& entry = groups_.at(it->second);
      const NextHopGroup& old = *entry.published;
      const uint64_t carrying = choose(old.members(), old.choice(), entry);
      if (carrying != old.carrying())
        publish(entry, std::make_unique<NextHopGroup>(old.id(), old.vrf_id(), old.members(), carrying,
                                                      old.choice()));
    }
  }
}

Failure NextHops::delete_group(uint32_t id) {
  const auto it = groups_.find(id);
  if (it == groups_.end()) return not_found("group", id);
  if (auto failure = context_.references.check_unused(ObjectKind::kGroup, id, "group", "routes");
      failure.failed())
    return failure;
  withdraw_members(*it->second.published);
  context_.world.groups.publish(id, nullptr);
  context_.retirer.retire(std::move(it->second.published));
  groups_.erase(it);
  return success();
}

DumpSource NextHops::dump_neighbours() const {
  return dump_of(neighbours_, [](uint32_t, const NeighbourEntry& entry) { return entry.message; });
}

DumpSource NextHops::dump_groups() const {
  return dump_of(groups_, [](uint32_t id, const GroupEntry& entry) {
    auto message = make_message<api::SetGroup>(api::Type::kSetGroup, 0);
    message.group_id = id;
    message.vrf_id = entry.published->vrf_id();
    message.name = entry.name;
    message.choice = entry.published->choice();
    message.preempt = entry.preemption == Preemption::kYes;
    message.carrying = entry.published->carrying();
    const auto members = entry.published->members();
    message.member_count = static_cast<uint32_t>(members.size());
    std::copy(members.begin(), members.end(), message.members.begin());
    return message;
  });
}

}  // namespace sallyport::dataplane
