// SPDX-License-Identifier: BSD-3-Clause
// Neighbours and the next-hop groups that routes lead to. Manager thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "dataplane/manager/api_server.h"
#include "dataplane/manager/carriers.h"
#include "dataplane/manager/next_hop_key.h"
#include "dataplane/manager/ports.h"
#include "dataplane/manager/tables_context.h"

namespace sallyport::dataplane {

class NextHops {
 public:
  // kHealthy for a tunnel that nothing is known of.
  using CauseOf = std::function<api::HealthCause(uint32_t tunnel_id)>;

  NextHops(TablesContext& context, const Ports& ports, CauseOf cause_of)
      : context_(context), ports_(ports), cause_of_(std::move(cause_of)) {}
  ~NextHops();
  NextHops(const NextHops&) = delete;
  NextHops& operator=(const NextHops&) = delete;

  Failure set_neighbour(const api::SetNeighbour& message);
  Failure delete_neighbour(uint32_t id);
  Failure set_group(const api::SetGroup& message);
  Failure delete_group(uint32_t id);
  // What `cause_of` says of these tunnels is another than before: who carries in the groups that have them as
  // members is chosen anew. Sends kGroupChanged where that changes anything.
  void health_changed(std::span<const uint32_t> tunnel_ids);

  // A resolved neighbour of that address on that port; nullptr: there is none.
  const Neighbour* find_resolved(const NextHopKey& key) const;

  DumpSource dump_neighbours() const;
  DumpSource dump_groups() const;

 private:
  struct NeighbourEntry {
    api::SetNeighbour message;
    std::unique_ptr<Neighbour> published;
  };
  struct GroupEntry {
    api::Name name;
    Preemption preemption;
    std::vector<RankInForce> in_force;
    std::unique_ptr<NextHopGroup> published;
  };

  Failure check_member(const api::GroupMember& member) const;
  void enter_members(const NextHopGroup& group);
  void withdraw_members(const NextHopGroup& group);
  uint64_t choose(std::span<const api::GroupMember> members, api::MemberChoice choice, GroupEntry& entry);
  void publish(GroupEntry& entry, std::unique_ptr<NextHopGroup> group);

  TablesContext& context_;
  const Ports& ports_;
  CauseOf cause_of_;
  std::map<uint32_t, NeighbourEntry> neighbours_;
  std::set<std::pair<NextHopKey, uint32_t>> by_address_;  // of all neighbours, with their ids
  std::map<uint32_t, GroupEntry> groups_;
  std::set<std::pair<uint32_t, uint32_t>> groups_of_tunnels_;  // tunnel, group
};

}  // namespace sallyport::dataplane
