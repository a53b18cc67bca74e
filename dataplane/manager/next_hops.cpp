// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/manager/next_hops.h"

#include <algorithm>
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

bool same_members(std::span<const api::GroupMember> a, std::span<const api::GroupMember> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return std::memcmp(&x, &y, sizeof x) == 0;
  });
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
  if (it != neighbours_.end()) context_.references.drop(ObjectKind::kPort, it->second.message.port_id);
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
  neighbours_.erase(it);
  return success();
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

void NextHops::count_members(const NextHopGroup& group, void (References::*count)(ObjectKind, uint32_t)) {
  (context_.references.*count)(ObjectKind::kVrf, group.vrf_id());
  for (const auto& member : group.members())
    if (const auto kind = kind_of(member)) (context_.references.*count)(*kind, member.id);
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
  if (it != groups_.end() && it->second.published->vrf_id() == message.vrf_id &&
      same_members(it->second.published->members(), members)) {
    it->second.name = message.name;
    return success();
  }
  if (it != groups_.end() && it->second.published->vrf_id() != message.vrf_id)
    return {api::Error::kInUse, "group " + std::to_string(message.group_id) +
                                    " belongs to another virtual network; delete it first"};
  auto group = std::make_unique<NextHopGroup>(message.group_id, message.vrf_id, members, message.choice);
  count_members(*group, &References::add);
  if (it != groups_.end()) count_members(*it->second.published, &References::drop);
  context_.world.groups.publish(message.group_id, group.get());
  GroupEntry& entry = groups_[message.group_id];
  entry.name = message.name;
  context_.retirer.retire(std::exchange(entry.published, std::move(group)));
  return success();
}

Failure NextHops::delete_group(uint32_t id) {
  const auto it = groups_.find(id);
  if (it == groups_.end()) return not_found("group", id);
  if (auto failure = context_.references.check_unused(ObjectKind::kGroup, id, "group", "routes");
      failure.failed())
    return failure;
  count_members(*it->second.published, &References::drop);
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
    const auto members = entry.published->members();
    message.member_count = static_cast<uint32_t>(members.size());
    std::copy(members.begin(), members.end(), message.members.begin());
    return message;
  });
}

}  // namespace sallyport::dataplane
