// SPDX-License-Identifier: BSD-3-Clause
// Neighbours and the next-hop groups that routes lead to. Manager thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "dataplane/manager/api_server.h"
#include "dataplane/manager/next_hop_key.h"
#include "dataplane/manager/ports.h"
#include "dataplane/manager/tables_context.h"

namespace sallyport::dataplane {

class NextHops {
 public:
  NextHops(TablesContext& context, const Ports& ports) : context_(context), ports_(ports) {}
  ~NextHops();
  NextHops(const NextHops&) = delete;
  NextHops& operator=(const NextHops&) = delete;

  Failure set_neighbour(const api::SetNeighbour& message);
  Failure delete_neighbour(uint32_t id);
  Failure set_group(const api::SetGroup& message);
  Failure delete_group(uint32_t id);

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
    std::unique_ptr<NextHopGroup> published;
  };

  Failure check_member(const api::GroupMember& member) const;
  void count_members(const NextHopGroup& group, void (References::*count)(ObjectKind, uint32_t));

  TablesContext& context_;
  const Ports& ports_;
  std::map<uint32_t, NeighbourEntry> neighbours_;
  std::set<std::pair<NextHopKey, uint32_t>> by_address_;  // of all neighbours, with their ids
  std::map<uint32_t, GroupEntry> groups_;
};

}  // namespace sallyport::dataplane
