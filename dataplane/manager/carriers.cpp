// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/manager/carriers.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

#include "dataplane/path/tables.h"

namespace sallyport::dataplane {
namespace {

template <typename Predicate>
uint64_t select(uint64_t from, Predicate predicate) {
  uint64_t selected = 0;
  for (uint64_t left = from; left != 0; left &= left - 1) {
    const auto i = static_cast<size_t>(std::countr_zero(left));
    if (predicate(i)) selected |= uint64_t{1} << i;
  }
  return selected;
}

// Of members that are up: the healthy ones; where there is none, those with nothing wrong at present; where
// there is none of those either, those with a link, as a peer may not answer and forward all the same; else
// all.
uint64_t live_among(uint64_t able, std::span<const api::HealthCause> causes) {
  for (const auto cause : {api::HealthCause::kHealthy, api::HealthCause::kHold}) {
    const uint64_t live = select(able, [&](size_t i) { return causes[i] == cause; });
    if (live != 0) return live;
  }
  const uint64_t linked = select(able, [&](size_t i) { return causes[i] != api::HealthCause::kLink; });
  return linked != 0 ? linked : able;
}

std::optional<uint8_t> rank_of(std::span<const RankInForce> in_force, uint16_t policy) {
  const auto found = std::find_if(in_force.begin(), in_force.end(),
                                  [&](const RankInForce& entry) { return entry.policy == policy; });
  return found == in_force.end() ? std::nullopt : std::optional(found->rank);
}

}  // namespace

uint64_t choose_carriers(std::span<const api::GroupMember> members, std::span<const api::HealthCause> causes,
                         api::MemberChoice choice, Preemption preemption,
                         std::vector<RankInForce>& in_force) {
  const auto policy_of = [&](size_t i) {
    return choice == api::MemberChoice::kByPolicy ? members[i].policy : uint16_t{0};
  };
  const std::vector<RankInForce> before = std::exchange(in_force, {});
  uint64_t carrying = 0;
  for (uint64_t left = able_members(members); left != 0;) {
    const uint16_t policy = policy_of(static_cast<size_t>(std::countr_zero(left)));
    const uint64_t able = select(left, [&](size_t i) { return policy_of(i) == policy; });
    left &= ~able;
    const uint64_t live = live_among(able, causes);
    const auto of_rank = [&](uint8_t rank) {
      return select(live, [&](size_t i) { return members[i].rank == rank; });
    };
    uint8_t rank = 0xff;
    for (uint64_t rest = live; rest != 0; rest &= rest - 1)
      rank = std::min(rank, members[static_cast<size_t>(std::countr_zero(rest))].rank);
    const auto kept = preemption == Preemption::kNo ? rank_of(before, policy) : std::nullopt;
    if (kept && of_rank(*kept) != 0) rank = *kept;
    in_force.push_back({policy, rank});
    carrying |= of_rank(rank);
  }
  return carrying;
}

}  // namespace sallyport::dataplane
