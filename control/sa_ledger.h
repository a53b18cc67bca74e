// SPDX-License-Identifier: BSD-3-Clause
// What is known about every SA that charon negotiated or the dataplane holds, without its keys; which
// outbound SA of a policy is the newest; and what has become superfluous. RFC 4301 section 4.4.2. Pure
// values; main thread.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "dataplane/api/messages.h"
#include "vici-bridge/feed_message.h"

namespace sallyport::control {

using SaId = vici::FeedSaId;
using Instance = std::array<uint8_t, 16>;
using MonotonicTime = std::chrono::steady_clock::time_point;

enum class SaState : uint8_t { kInstalling, kInstalled, kRefused, kDeleting };

// What traffic an SA is for (RFC 4301 section 4.4.1). The SAs of one policy replace each other. Those of
// others lie side by side, in one tunnel, too: a peer that narrows down what we ask for makes a CHILD_SA for
// each pair of its own selectors.
struct Policy {
  std::string tunnel;  // the name of its CHILD_SA in the configuration, which is a tunnel of the dataplane
  std::vector<api::Selector> local, remote;  // as negotiated, sorted

  auto operator<=>(const Policy&) const = default;
};

// Whether the configuration changed since the SA was negotiated, and what has to be there before it can go.
enum class Outdated : uint8_t {
  kNo,
  kReplaceable,  // a newer one of its policy
  kOther,        // the tunnel has other selectors now: any newer one
  kGone,         // the tunnel is gone: nothing
};

struct SaRecord {
  SaId id;
  Policy policy;
  uint64_t order = 0;  // larger is newer; 0: the feed has not named it yet
  uint32_t ike_id = 0, child_id = 0;
  SaState state = SaState::kInstalling;
  bool orphan = false;  // its charon is gone
  Outdated outdated = Outdated::kNo;
  bool encap = false, esn = false;
  uint32_t replay_window = 0;
  std::string algorithm;
  api::Address local{}, remote{};
  uint16_t local_port = 0, remote_port = 0;
  MonotonicTime since{};
  std::optional<MonotonicTime> hard_deadline;
};

// Of an inbound SA: when it last received a verified packet.
using LastUse = std::function<std::optional<MonotonicTime>(const SaId&)>;

struct Superfluous {
  std::vector<SaId> orphans;      // to delete
  std::vector<uint32_t> ike_sas;  // to terminate
};

// To terminate, by charon's numbers.
struct LeftBehind {
  std::set<uint32_t> child_sas;
  std::set<uint32_t> ike_sas;  // whose CHILD_SAs are all left behind
};

class SaLedger {
 public:
  // From the dataplane's dump: installed, not yet named by the feed.
  void learn_inbound(const api::SetInboundSa& sa, const std::string& tunnel, MonotonicTime now);
  void learn_outbound(const api::SetOutboundSa& sa, const std::string& tunnel, MonotonicTime now);
  // The dataplane holds these and nothing else; what it has lost is no longer known.
  void retain_only(const std::set<SaId>& held);

  // A snapshot begins: nothing is named until the feed names it again. Ends: what it didn't name is returned
  // for deletion when the same charon had installed it; otherwise it is an orphan, which keeps forwarding.
  void begin_snapshot();
  [[nodiscard]] std::vector<SaId> end_snapshot(bool same_charon, MonotonicTime now);

  // The feed names an SA. kInstalled: the dataplane has it already, with these parameters.
  SaRecord& name(const vici::FeedSaAdd& sa, MonotonicTime now);
  void update(const vici::FeedSaUpdate& update);
  // The dataplane has the SA, but with other addresses or ports, or another encapsulation.
  [[nodiscard]] bool has_elsewhere(const vici::FeedSaAdd& sa) const;
  void set_state(const SaId& id, SaState state);
  void erase(const SaId& id);
  void rename_ike(uint32_t old_id, uint32_t new_id);

  [[nodiscard]] const SaRecord* find(const SaId& id) const;
  [[nodiscard]] const std::map<SaId, SaRecord>& records() const { return records_; }
  // The SA that the policy's packets are sent on: the newest installed one.
  [[nodiscard]] const SaRecord* active_outbound(const Policy& policy) const;
  // An outbound SA on its way to the dataplane keeps a tunnel up, as the old one is often deleted right after
  // the new one was added, but does not bring it up.
  [[nodiscard]] bool can_send(const std::string& tunnel, bool is_up) const;
  [[nodiscard]] bool is_newest_outbound(const SaRecord& record) const;  // of its policy
  [[nodiscard]] const SaRecord* inbound_of(const SaRecord& outbound) const;
  // An installed pair that a living charon keeps.
  [[nodiscard]] bool has_living_child(const std::string& tunnel) const;
  [[nodiscard]] std::vector<uint32_t> inbound_spis() const;

  // What a newer CHILD_SA of the same policy has replaced: it has received verified packets for kOverlap
  // since the older one received its last. Two peers that made two IKE_SAs at the same time can't both pass
  // this for different ones, as each receives on the one that the other sends on. Also orphans past their
  // hard lifetime.
  static constexpr std::chrono::seconds kOverlap{2};
  [[nodiscard]] Superfluous superfluous(const LastUse& last_use, MonotonicTime now) const;
  // The configuration changed: what the tunnel has now is no longer what it should have.
  void outdate(const std::string& tunnel, Outdated how);
  // A rekey keeps what it replaces as it was.
  void inherit(const std::string& tunnel, uint32_t old_child, uint32_t new_child);
  // Outdated CHILD_SAs of a living charon whose successor has been there for kSettled, or needs none.
  static constexpr std::chrono::seconds kSettled{5};
  [[nodiscard]] LeftBehind left_behind(MonotonicTime now) const;
  // Past their hard lifetime (RFC 4301 section 4.4.2.1), which is charon's to see as long as it is there.
  [[nodiscard]] std::vector<SaId> expired(MonotonicTime now) const;

 private:
  void assign_policy(SaRecord& record, Policy policy);
  void forget_tunnel(const SaRecord& record);
  // Whether `condition` holds for an outbound SA of the tunnel.
  std::vector<SaRecord*> of(const std::string& tunnel);
  template <typename Condition>
  bool any_outbound(const std::string& tunnel, Condition condition) const;

  std::map<SaId, SaRecord> records_;
  std::unordered_map<std::string, std::set<SaId>> of_tunnel_;  // those of a tunnel are few, all are many
  std::set<SaId> named_;
  uint64_t last_order_ = 0;
};

// Whether a new outbound SA is sent on only once the peer has: the responder of an IKE_SA has its SAs before
// the initiator does (RFC 7296 section 1.2), and until then the SA of an older IKE_SA still reaches the peer.
// A rekey keeps the IKE_SA, and has its own order. `active`: what the policy's packets are sent on, if
// anything.
[[nodiscard]] bool waits_for_peer(const SaRecord& newcomer, const SaRecord* active, bool ike_initiator);

// Keys included; nothing for an algorithm that the dataplane does not have.
[[nodiscard]] std::optional<api::SetInboundSa> inbound_message(const vici::FeedSaAdd& sa, uint32_t tunnel_id);
[[nodiscard]] std::optional<api::SetOutboundSa> outbound_message(const vici::FeedSaAdd& sa,
                                                                 uint32_t tunnel_id);

}  // namespace sallyport::control
