// SPDX-License-Identifier: BSD-3-Clause
// Installs SAs in their home worker's table, moves their addresses, takes them out, and remembers what the
// API said about them (RFC 4301 section 4.4.2). Manager thread; never waits for a worker.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "dataplane/manager/api_server.h"
#include "dataplane/manager/sa_record.h"
#include "dataplane/manager/shared_state_file.h"
#include "dataplane/manager/tables_context.h"
#include "dataplane/manager/tunnels.h"
#include "dataplane/path/path_mtu.h"

namespace sallyport::dataplane {

class Sas {
 public:
  Sas(TablesContext& context, SharedStateFile& state, Tunnels& tunnels, const CryptoEngine& engine);
  ~Sas();
  Sas(const Sas&) = delete;
  Sas& operator=(const Sas&) = delete;

  // Success: visible to the home worker. An SA with this SPI, tunnel, key and parameters that is there
  // already stays as it is; one whose addresses alone differ is moved.
  Failure set_inbound(const api::SetInboundSa& message);
  Failure set_outbound(const api::SetOutboundSa& message);
  Failure update(const api::UpdateSa& message);
  Failure activate(const api::ActivateSa& message);
  // Success only says that it is on its way; `done` runs when no worker uses it and its row is zero.
  Failure remove(const api::DeleteSa& message, std::function<void()> done);

  // Makes the headers of the tunnel's outbound SAs follow its policy.
  void refresh_headers(uint32_t tunnel_id);
  // When the tunnel's inbound SAs verified a packet last; 0: never.
  uint64_t last_verified_ns(uint32_t tunnel_id) const;
  // The tunnel whose live outbound SA the router quotes; api::kNone: believe nothing.
  uint32_t tunnel_of(const QuotedEsp& quoted) const;

  DumpSource dump_inbound() const;
  DumpSource dump_outbound() const;

 private:
  enum class Match : uint8_t { kAbsent, kSame, kMoved, kOther };

  template <typename Record, typename Message>
  Match compare(const Record& record, const Message& message) const;
  Failure check_slot(uint32_t slot, uint32_t tunnel_id, const std::vector<bool>& dying) const;
  InboundRecord* find_inbound(uint32_t slot, uint32_t spi) const;
  OutboundRecord* find_outbound(uint32_t slot, uint32_t spi) const;
  Failure install(const api::SetInboundSa& message, uint32_t slot);
  Failure install(const api::SetOutboundSa& message);
  Failure move_inbound(const api::UpdateSa& message);
  Failure move_outbound(const api::UpdateSa& message);
  Failure remove_inbound(const api::DeleteSa& message, std::function<void()> done);
  Failure remove_outbound(const api::DeleteSa& message, std::function<void()> done);
  void send_on(uint32_t tunnel_id, uint32_t slot);
  Failure replace_header(OutboundRecord& record, const OuterEndpoints& endpoints);

  TablesContext& context_;
  SharedStateFile& state_;
  Tunnels& tunnels_;
  const CryptoEngine& engine_;
  std::vector<std::unique_ptr<InboundRecord>> inbound_;          // by slot
  std::vector<std::unique_ptr<OutboundRecord>> outbound_;        // by slot
  std::vector<bool> dying_inbound_, dying_outbound_;             // slots whose rows workers may still write
  std::vector<uint32_t> first_inbound_, first_outbound_;         // slots by tunnel; the record has the next
  std::unordered_multimap<uint32_t, uint32_t> outbound_by_spi_;  // to slots
};

}  // namespace sallyport::dataplane
