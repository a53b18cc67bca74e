// SPDX-License-Identifier: BSD-3-Clause
#include "control/activation.h"

#include <spdlog/spdlog.h>

#include <utility>
#include <vector>

namespace sallyport::control {
namespace {

constexpr std::chrono::milliseconds kPoll{50};
constexpr std::chrono::seconds kPatience{1};  // with a peer that has nothing to send

MonotonicTime now() {
  return std::chrono::steady_clock::now();
}

}  // namespace

Activation::Activation(asio::io_context& io, DataplaneClient& dataplane, const SharedStateReader& counters,
                       const SaLedger& ledger)
    : dataplane_(dataplane), counters_(counters), ledger_(ledger), timer_(io) {}

const SaRecord* Activation::active(const Policy& policy) const {
  const auto it = active_.find(policy);
  return it == active_.end() ? nullptr : ledger_.find(it->second);
}

const SaRecord* Activation::first_active(const std::string& tunnel) const {
  for (auto it = active_.lower_bound({tunnel, {}, {}}); it != active_.end() && it->first.tunnel == tunnel;
       ++it) {
    if (const SaRecord* record = ledger_.find(it->second)) return record;
  }
  return nullptr;
}

bool Activation::decide(const SaRecord& outbound) {
  const SaRecord* current = active(outbound.policy);
  if (current == &outbound) return outbound.state != SaState::kInstalled;
  if (!ledger_.is_newest_outbound(outbound)) return false;
  const bool waits = waits_for_peer(outbound, current, initiated_.contains(outbound.ike_id)) ||
                     (current != nullptr && is_ikev1 && is_ikev1(outbound.policy.tunnel));
  if (!waits) {
    waiting_.erase(outbound.policy);
    return true;
  }
  const auto [it, is_new] = waiting_.try_emplace(outbound.policy);
  if (is_new || it->second.id != outbound.id) it->second = {outbound.id, now() + kPatience};
  if (!std::exchange(polls_, true)) poll_later();
  return false;
}

void Activation::activate(const Policy& policy, const SaId& id) {
  waiting_.erase(policy);
  const auto before = active_.find(policy);
  const std::optional<SaId> old = before == active_.end() ? std::nullopt : std::optional(before->second);
  active_[policy] = id;
  api::ActivateSa message{};
  message.slot = id.slot;
  message.spi = id.spi;
  dataplane_.request(api::Type::kActivateSa, message, [this, policy, id](const DataplaneAnswer& answer) {
    if (answer.ok() || answer.lost) return;
    spdlog::warn("sa {}: outbound SA {:08x} could not be sent on: {}", policy.tunnel, id.spi, answer.text);
    const auto it = active_.find(policy);
    if (it != active_.end() && it->second == id) active_.erase(it);
  });
  if (old) release(*old);
}

void Activation::release(const SaId& id) {
  if (kept_.erase(id) > 0 && on_released) on_released(id);
}

bool Activation::keep(const SaRecord& sa) {
  const auto sending = active_.find(sa.policy);
  const bool is_needed = sending != active_.end() && sending->second == sa.id &&
                         waiting_.contains(sa.policy) && is_ikev1 && is_ikev1(sa.policy.tunnel);
  if (is_needed) kept_.insert(sa.id);
  return is_needed;
}

void Activation::refused(const SaRecord& sa) {
  if (const auto it = active_.find(sa.policy); it != active_.end() && it->second == sa.id) active_.erase(it);
  const auto it = waiting_.find(sa.policy);
  if (it == waiting_.end() || it->second.id != sa.id) return;
  waiting_.erase(it);
  if (const auto sending = active_.find(sa.policy); sending != active_.end()) release(SaId(sending->second));
}

void Activation::deleted(const SaRecord& sa) {
  const Policy policy = sa.policy;  // the record may go
  const SaId id = sa.id;
  kept_.erase(id);
  const auto sending = active_.find(policy);
  if (const auto it = waiting_.find(policy); it != waiting_.end() && it->second.id == id) {
    waiting_.erase(it);
    if (sending != active_.end() && kept_.contains(sending->second)) return release(SaId(sending->second));
  }
  if (sending == active_.end() || sending->second != id) return;
  active_.erase(sending);
  if (const auto it = waiting_.find(policy); it != waiting_.end()) {
    const SaId next = it->second.id;  // goes with the entry
    return activate(policy, next);
  }
  const SaRecord* newest = ledger_.active_outbound(policy);
  if (newest != nullptr && !newest->orphan) activate(policy, newest->id);
}

void Activation::on_ike_event(const vici::FeedIkeEvent& event) {
  if (event.rekey) {
    if (initiated_.erase(event.ike_id) > 0) initiated_.insert(event.other_id);
  } else if (event.state_name == "DESTROYING") {
    initiated_.erase(event.ike_id);
  } else if (event.initiator) {
    initiated_.insert(event.ike_id);
  }
}

void Activation::forget_all() {
  active_.clear();
  waiting_.clear();
  kept_.clear();
}

void Activation::await_peers() {
  std::vector<std::pair<Policy, SaId>> ready;
  for (const auto& [policy, waiting] : waiting_) {
    const SaRecord* outbound = ledger_.find(waiting.id);
    const SaRecord* inbound = outbound == nullptr ? nullptr : ledger_.inbound_of(*outbound);
    const auto row = inbound == nullptr ? std::nullopt : counters_.inbound(inbound->id.slot, inbound->id.spi);
    const bool verified = row && row->last_use_ns != 0;
    if (verified || now() >= waiting.deadline) ready.emplace_back(policy, waiting.id);
  }
  for (const auto& [policy, id] : ready)
    activate(policy, id);
  polls_ = !waiting_.empty();
  if (polls_) poll_later();
}

void Activation::poll_later() {
  timer_.expires_after(kPoll);
  timer_.async_wait([this](asio::error_code error) {
    if (!error) await_peers();
  });
}

}  // namespace sallyport::control
