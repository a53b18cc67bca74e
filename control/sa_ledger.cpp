// SPDX-License-Identifier: BSD-3-Clause
#include "control/sa_ledger.h"

#include <algorithm>
#include <cstring>

#include "control/addresses.h"
#include "control/esp_transforms.h"

namespace sallyport::control {
namespace {

constexpr std::chrono::hours kUnknownLifetime{8};  // of an orphan whose lifetime was never told

std::optional<EspTransforms> transforms_of(const vici::FeedSaAdd& sa) {
  return control::transforms_of(sa.encryption, sa.encryption_key.size_bytes(), sa.integrity);
}

void copy_key(const vici::KeyMaterial& from, std::array<uint8_t, 64>& to, uint16_t& bytes) {
  static_assert(vici::KeyMaterial::kMaxBytes == 64);
  bytes = static_cast<uint16_t>(from.size_bytes());
  std::copy(from.bytes().begin(), from.bytes().end(), to.begin());
}

std::vector<api::Selector> api_selectors(const std::vector<sp_selector>& from) {
  std::vector<api::Selector> to;
  to.reserve(from.size());
  for (const sp_selector& selector : from) {
    if (to.size() == api::kMaxSelectors) break;  // the feed's reader lets no more through
    api::Selector& out = to.emplace_back();
    out.family = static_cast<api::Family>(selector.family);
    out.protocol = selector.protocol;
    out.port_from = selector.port_from;
    out.port_to = selector.port_to;
    std::memcpy(out.from.data(), selector.from, out.from.size());
    std::memcpy(out.to.data(), selector.to, out.to.size());
  }
  return to;
}

// Behind the `first` that are there already; how many these are.
uint16_t copy_selectors(const std::vector<sp_selector>& from, api::SaSelectors& to, uint16_t first) {
  const std::vector<api::Selector> selectors = api_selectors(from);
  std::copy(selectors.begin(), selectors.end(), to.begin() + first);
  return static_cast<uint16_t>(selectors.size());
}

template <typename Message>
void fill_common(const vici::FeedSaAdd& sa, uint32_t tunnel_id, const EspTransforms& transforms,
                 Message& message) {
  message.spi = sa.id.spi;
  message.tunnel_id = tunnel_id;
  message.esn = sa.esn ? 1 : 0;
  message.encap = sa.encap ? 1 : 0;
  message.keys.algorithm = transforms.algorithm;
  message.keys.integrity = transforms.integrity;
  copy_key(sa.encryption_key, message.keys.key, message.keys.key_bytes);
  copy_key(sa.integrity_key, message.keys.integrity_key, message.keys.integrity_key_bytes);
  message.lifetimes = {sa.soft_bytes, sa.hard_bytes, sa.soft_packets, sa.hard_packets};
  message.local = to_api(sa.local);
  message.remote = to_api(sa.remote);
  message.local_port = sa.local.port;
  message.remote_port = sa.remote.port;
  message.local_selector_count = copy_selectors(sa.local_selectors, message.selectors, 0);
  message.remote_selector_count =
      copy_selectors(sa.remote_selectors, message.selectors, message.local_selector_count);
}

std::vector<api::Selector> sorted(std::span<const api::Selector> selectors) {
  std::vector<api::Selector> result(selectors.begin(), selectors.end());
  std::sort(result.begin(), result.end());
  return result;
}

template <typename Message>
Policy policy_of(const Message& sa, const std::string& tunnel) {
  return {tunnel, sorted(api::local_selectors(sa)), sorted(api::remote_selectors(sa))};
}

// A key of maps that live no longer than the records.
struct PolicyRef {
  const Policy& policy;

  PolicyRef(const Policy& of) : policy(of) {}
  bool operator<(const PolicyRef& other) const { return policy < other.policy; }
};

Policy policy_of(const vici::FeedSaAdd& sa) {
  return {sa.child_name, sorted(api_selectors(sa.local_selectors)),
          sorted(api_selectors(sa.remote_selectors))};
}

template <typename Message>
void fill_record(const Message& sa, SaRecord& record) {
  record.state = SaState::kInstalled;
  record.encap = sa.encap != 0;
  record.esn = sa.esn != 0;
  record.algorithm = algorithm_name(sa.keys.algorithm, sa.keys.integrity);
  record.local = sa.local;
  record.remote = sa.remote;
  record.local_port = sa.local_port;
  record.remote_port = sa.remote_port;
}

}  // namespace

bool waits_for_peer(const SaRecord& newcomer, const SaRecord* active, bool ike_initiator) {
  const bool sends =
      active != nullptr && (active->state == SaState::kInstalled || active->state == SaState::kInstalling);
  if (!sends) return false;
  const bool same_ike_sa = !active->orphan && active->ike_id == newcomer.ike_id;
  return !same_ike_sa && !ike_initiator;
}

std::optional<api::SetInboundSa> inbound_message(const vici::FeedSaAdd& sa, uint32_t tunnel_id) {
  const auto transforms = transforms_of(sa);
  if (!transforms) return std::nullopt;
  api::SetInboundSa message{};
  fill_common(sa, tunnel_id, *transforms, message);
  message.replay_window = sa.replay_window;
  return message;
}

std::optional<api::SetOutboundSa> outbound_message(const vici::FeedSaAdd& sa, uint32_t tunnel_id) {
  const auto transforms = transforms_of(sa);
  if (!transforms) return std::nullopt;
  api::SetOutboundSa message{};
  fill_common(sa, tunnel_id, *transforms, message);
  message.slot = sa.id.slot;
  message.may_have_sent = sa.installed ? 1 : 0;
  return message;
}

void SaLedger::retain_only(const std::set<SaId>& held) {
  std::erase_if(records_, [&](const auto& entry) {
    if (held.contains(entry.first)) return false;
    forget_tunnel(entry.second);
    return true;
  });
}

void SaLedger::erase(const SaId& id) {
  const auto it = records_.find(id);
  if (it == records_.end()) return;
  forget_tunnel(it->second);
  records_.erase(it);
}

// record.id is set.
void SaLedger::assign_policy(SaRecord& record, Policy policy) {
  if (record.policy.tunnel != policy.tunnel) forget_tunnel(record);
  record.policy = std::move(policy);
  of_tunnel_[record.policy.tunnel].insert(record.id);
}

void SaLedger::forget_tunnel(const SaRecord& record) {
  const auto it = of_tunnel_.find(record.policy.tunnel);
  if (it == of_tunnel_.end()) return;
  it->second.erase(record.id);
  if (it->second.empty()) of_tunnel_.erase(it);
}

template <typename Condition>
bool SaLedger::any_outbound(const std::string& tunnel, Condition condition) const {
  const auto it = of_tunnel_.find(tunnel);
  return it != of_tunnel_.end() && std::any_of(it->second.begin(), it->second.end(), [&](const SaId& id) {
           return !id.inbound && condition(records_.at(id));
         });
}

void SaLedger::learn_inbound(const api::SetInboundSa& sa, const std::string& tunnel, MonotonicTime now) {
  const SaId id{sa.spi, sa.spi & api::kSlotMask, true};
  SaRecord& record = records_[id];
  record.id = id;
  assign_policy(record, policy_of(sa, tunnel));
  record.replay_window = sa.replay_window;
  if (record.since == MonotonicTime{}) record.since = now;
  if (!record.hard_deadline) record.hard_deadline = now + kUnknownLifetime;
  fill_record(sa, record);
}

void SaLedger::learn_outbound(const api::SetOutboundSa& sa, const std::string& tunnel, MonotonicTime now) {
  const SaId id{sa.spi, sa.slot, false};
  SaRecord& record = records_[id];
  record.id = id;
  assign_policy(record, policy_of(sa, tunnel));
  if (record.since == MonotonicTime{}) record.since = now;
  if (!record.hard_deadline) record.hard_deadline = now + kUnknownLifetime;
  fill_record(sa, record);
}

void SaLedger::begin_snapshot() {
  named_.clear();
}

std::vector<SaId> SaLedger::end_snapshot(bool same_charon, MonotonicTime now) {
  std::vector<SaId> gone;
  for (auto& [id, record] : records_) {
    if (named_.contains(id) || record.state == SaState::kDeleting || record.orphan) continue;
    if (same_charon) {
      gone.push_back(id);
      continue;
    }
    record.orphan = true;
    record.ike_id = record.child_id = 0;
    if (!record.hard_deadline) record.hard_deadline = now + kUnknownLifetime;
  }
  named_.clear();
  return gone;
}

SaRecord& SaLedger::name(const vici::FeedSaAdd& sa, MonotonicTime now) {
  const auto [it, is_new] = records_.try_emplace(sa.id);
  SaRecord& record = it->second;
  if (is_new || record.state == SaState::kDeleting || record.state == SaState::kRefused) {
    record.state = SaState::kInstalling;
    record.since = now;
  }
  record.id = sa.id;
  assign_policy(record, policy_of(sa));
  record.order = ++last_order_;
  record.ike_id = sa.ike_id;
  record.child_id = sa.child_id;
  record.orphan = false;
  record.encap = sa.encap;
  record.esn = sa.esn;
  record.replay_window = sa.replay_window;
  const auto transforms = transforms_of(sa);
  record.algorithm = transforms ? algorithm_name(transforms->algorithm, transforms->integrity)
                                : "encryption " + std::to_string(sa.encryption);
  record.local = to_api(sa.local);
  record.remote = to_api(sa.remote);
  record.local_port = sa.local.port;
  record.remote_port = sa.remote.port;
  record.hard_deadline.reset();
  if (sa.hard_seconds > 0) record.hard_deadline = record.since + std::chrono::seconds(sa.hard_seconds);
  named_.insert(sa.id);
  return record;
}

void SaLedger::update(const vici::FeedSaUpdate& update) {
  const auto it = records_.find(update.id);
  if (it == records_.end()) return;
  it->second.encap = update.encap;
  it->second.local = to_api(update.local);
  it->second.remote = to_api(update.remote);
  it->second.local_port = update.local.port;
  it->second.remote_port = update.remote.port;
}

bool SaLedger::has_elsewhere(const vici::FeedSaAdd& sa) const {
  const SaRecord* record = find(sa.id);
  if (record == nullptr || record->state != SaState::kInstalled) return false;
  const auto is_at = [](const sp_address& endpoint, const api::Address& address, uint16_t port) {
    const api::Address wanted = to_api(endpoint);
    return wanted.family == address.family && wanted.bytes == address.bytes && endpoint.port == port;
  };
  return record->encap != sa.encap || !is_at(sa.local, record->local, record->local_port) ||
         !is_at(sa.remote, record->remote, record->remote_port);
}

void SaLedger::set_state(const SaId& id, SaState state) {
  if (const auto it = records_.find(id); it != records_.end()) it->second.state = state;
}

void SaLedger::rename_ike(uint32_t old_id, uint32_t new_id) {
  for (auto& [id, record] : records_) {
    if (record.ike_id == old_id && !record.orphan) record.ike_id = new_id;
  }
}

const SaRecord* SaLedger::find(const SaId& id) const {
  const auto it = records_.find(id);
  return it == records_.end() ? nullptr : &it->second;
}

const SaRecord* SaLedger::active_outbound(const Policy& policy) const {
  const SaRecord* newest = nullptr;
  any_outbound(policy.tunnel, [&](const SaRecord& record) {
    const bool is_newer = newest == nullptr || record.order > newest->order;
    if (record.state == SaState::kInstalled && is_newer && record.policy == policy) newest = &record;
    return false;
  });
  return newest;
}

bool SaLedger::can_send(const std::string& tunnel, bool is_up) const {
  return any_outbound(tunnel, [&](const SaRecord& record) {
    return record.state == SaState::kInstalled || (is_up && record.state == SaState::kInstalling);
  });
}

bool SaLedger::is_newest_outbound(const SaRecord& record) const {
  return !any_outbound(record.policy.tunnel, [&](const SaRecord& other) {
    return other.order > record.order && other.policy == record.policy &&
           (other.state == SaState::kInstalled || other.state == SaState::kInstalling);
  });
}

const SaRecord* SaLedger::inbound_of(const SaRecord& outbound) const {
  const auto it = of_tunnel_.find(outbound.policy.tunnel);
  if (it == of_tunnel_.end()) return nullptr;
  for (const SaId& id : it->second) {
    if (id.inbound && id.slot == outbound.id.slot) return &records_.at(id);
  }
  return nullptr;
}

bool SaLedger::has_living_child(const std::string& tunnel) const {
  return any_outbound(tunnel, [](const SaRecord& record) {
    return !record.orphan && record.order > 0 &&
           (record.state == SaState::kInstalled || record.state == SaState::kInstalling);
  });
}

std::vector<uint32_t> SaLedger::inbound_spis() const {
  std::vector<uint32_t> spis;
  for (const auto& [id, record] : records_) {
    if (id.inbound && record.state != SaState::kRefused) spis.push_back(id.spi);
  }
  return spis;
}

std::vector<SaRecord*> SaLedger::of(const std::string& tunnel) {
  std::vector<SaRecord*> records;
  if (const auto it = of_tunnel_.find(tunnel); it != of_tunnel_.end()) {
    for (const SaId& id : it->second)
      records.push_back(&records_.at(id));
  }
  return records;
}

void SaLedger::outdate(const std::string& tunnel, Outdated how) {
  for (SaRecord* record : of(tunnel))
    record->outdated = std::max(record->outdated, how);
}

void SaLedger::inherit(const std::string& tunnel, uint32_t old_child, uint32_t new_child) {
  Outdated how = Outdated::kNo;
  for (const SaRecord* record : of(tunnel)) {
    if (!record->orphan && record->child_id == old_child) how = record->outdated;
  }
  for (SaRecord* record : of(tunnel)) {
    if (!record->orphan && record->child_id == new_child) record->outdated = how;
  }
}

LeftBehind SaLedger::left_behind(MonotonicTime now) const {
  LeftBehind out;
  std::set<uint32_t> busy_ike_sas;
  for (const auto& [id, record] : records_) {
    if (id.inbound || record.orphan || record.state != SaState::kInstalled || record.order == 0) continue;
    const auto replaces = [&](const SaRecord& other) {
      return other.outdated == Outdated::kNo && !other.orphan && other.state == SaState::kInstalled &&
             now - other.since >= kSettled &&
             (record.outdated == Outdated::kOther || other.policy == record.policy);
    };
    if (record.outdated == Outdated::kGone ||
        (record.outdated != Outdated::kNo && any_outbound(record.policy.tunnel, replaces))) {
      out.child_sas.insert(record.child_id);
      out.ike_sas.insert(record.ike_id);
    } else {
      busy_ike_sas.insert(record.ike_id);
    }
  }
  std::erase_if(out.ike_sas, [&](uint32_t id) { return busy_ike_sas.contains(id); });
  return out;
}

std::vector<SaId> SaLedger::expired(MonotonicTime now) const {
  std::vector<SaId> ids;
  for (const auto& [id, record] : records_) {
    if (record.state == SaState::kInstalled && record.hard_deadline && now >= *record.hard_deadline)
      ids.push_back(id);
  }
  return ids;
}

Superfluous SaLedger::superfluous(const LastUse& last_use, MonotonicTime now) const {
  std::map<PolicyRef, const SaRecord*> newest;  // outbound, of living charons
  for (const auto& [id, record] : records_) {
    if (id.inbound || record.orphan || record.state != SaState::kInstalled || record.order == 0) continue;
    const SaRecord*& held = newest[record.policy];
    if (held == nullptr || record.order > held->order) held = &record;
  }
  Superfluous out;
  std::set<uint32_t> ike_sas;
  std::map<PolicyRef, std::optional<MonotonicTime>> verified;  // when the newest CHILD_SA received last
  for (const auto& [policy, outbound] : newest) {
    if (const SaRecord* inbound = inbound_of(*outbound)) verified[policy] = last_use(inbound->id);
  }
  const auto is_replaced = [&](const SaRecord& inbound) {
    const auto& newer = verified[inbound.policy];
    if (!newer) return false;
    const SaRecord& current = *newest.at(inbound.policy);
    const MonotonicTime older = std::max(last_use(inbound.id).value_or(current.since), current.since);
    return *newer - older >= kOverlap;
  };
  std::set<uint32_t> busy_ike_sas;  // with a CHILD_SA that still receives, or that is the newest
  for (const auto& [id, record] : records_) {
    if (record.state == SaState::kDeleting) continue;
    const auto current = newest.find(record.policy);
    if (record.orphan) {
      const bool expired = record.hard_deadline && now >= *record.hard_deadline;
      // Its outbound SA goes with the inbound one of the same slot; one without a partner goes at once.
      const SaRecord* inbound = id.inbound ? &record : inbound_of(record);
      const bool replaced = current != newest.end() && (inbound == nullptr || is_replaced(*inbound));
      if (expired || replaced) out.orphans.push_back(id);
      continue;
    }
    if (current == newest.end() || record.ike_id == 0) continue;
    if (record.ike_id == current->second->ike_id) {
      busy_ike_sas.insert(record.ike_id);
      continue;
    }
    if (id.inbound && !is_replaced(record)) busy_ike_sas.insert(record.ike_id);
    ike_sas.insert(record.ike_id);
  }
  for (const uint32_t id : ike_sas) {
    if (!busy_ike_sas.contains(id)) out.ike_sas.push_back(id);
  }
  return out;
}

}  // namespace sallyport::control
