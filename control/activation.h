// SPDX-License-Identifier: BSD-3-Clause
// Which outbound SA each policy's packets are sent on: as a rule the newest, but as the responder of a new
// IKE SA, and after a rekey of IKEv1, the old one until the peer has used the new one, one second at most.
// Tells the dataplane. Main thread.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "control/dataplane_client.h"
#include "control/sa_ledger.h"
#include "control/shared_state_reader.h"
#include "vici-bridge/feed_message.h"

namespace sallyport::control {

class Activation {
 public:
  Activation(asio::io_context& io, DataplaneClient& dataplane, const SharedStateReader& counters,
             const SaLedger& ledger);

  // Whether the tunnel's IKE is version 1. There the initiator of a rekey has its SAs before the responder
  // does (RFC 2409 section 5.5), so each end goes on with the old SA until the other uses the new one; the
  // old one lives on till its hard lifetime.
  std::function<bool(const std::string& tunnel)> is_ikev1;

  // Called with an SA that keep() kept, once it is sent on no more.
  std::function<void(const SaId&)> on_released;

  // True: it is to be sent on at once. Otherwise it may have to wait for the peer, or is not the newest.
  [[nodiscard]] bool decide(const SaRecord& outbound);
  // Has the dataplane send on an SA that it holds.
  void activate(const Policy& policy, const SaId& id);
  // The dataplane sends on it already, or is told so with the SA itself.
  void learn(const SaRecord& outbound) { active_[outbound.policy] = outbound.id; }
  // The dataplane refused the SA.
  void refused(const SaRecord& sa);
  // Whether this SA is sent on for a moment more, though charon has deleted it: charon lets go of the
  // old outbound SA as soon as IKEv1 has made the new one, which the peer may not have yet.
  [[nodiscard]] bool keep(const SaRecord& sa);
  // The SA is about to go: its policy's packets are sent on the next one.
  void deleted(const SaRecord& sa);
  void on_ike_event(const vici::FeedIkeEvent& event);
  // Another charon: its IKE_SAs are none of those known.
  void forget_ike_sas() { initiated_.clear(); }
  void stop_waiting() {
    waiting_.clear();
    kept_.clear();
  }
  void forget_all();

  // Nothing when the policy's packets are sent on none.
  [[nodiscard]] const SaRecord* active(const Policy& policy) const;
  // One of those that the tunnel sends on, of the lowest policy; nothing when there is none.
  [[nodiscard]] const SaRecord* first_active(const std::string& tunnel) const;

 private:
  struct Waiting {
    SaId id;
    MonotonicTime deadline;
  };

  void await_peers();
  void release(const SaId& id);
  void poll_later();

  DataplaneClient& dataplane_;
  const SharedStateReader& counters_;
  const SaLedger& ledger_;
  asio::steady_timer timer_;
  std::map<Policy, SaId> active_;      // what the dataplane was told to send on
  std::map<Policy, Waiting> waiting_;  // installed, to be sent on when the peer does
  std::set<uint32_t> initiated_;       // IKE_SAs that we are the initiator of
  std::set<SaId> kept_;                // deleted by charon, still sent on
  bool polls_ = false;
};

}  // namespace sallyport::control
