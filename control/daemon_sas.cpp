// SPDX-License-Identifier: BSD-3-Clause
// What the API shows of SAs.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "control/addresses.h"
#include "control/daemon.h"
#include "control/elapsed.h"
#include "control/selector_text.h"

namespace sallyport::control {
namespace {

using nlohmann::json;

std::string endpoint(const api::Address& address, uint16_t port, bool encap) {
  return encap ? endpoint_text(address, port) : to_string(address);
}

json texts_of(const std::vector<api::Selector>& selectors) {
  json texts = json::array();
  for (const api::Selector& selector : selectors)
    texts.push_back(selector_text(selector));
  return texts;
}

const char* state_of(SaState state) {
  switch (state) {
    case SaState::kInstalling:
      return "installing";
    case SaState::kInstalled:
      return "installed";
    case SaState::kRefused:
      return "refused";
    case SaState::kDeleting:
      break;
  }
  return "deleting";
}

}  // namespace

json Daemon::show_sas() const {
  json out = json::array();
  const auto now_ns = std::chrono::steady_clock::now().time_since_epoch();
  for (const auto& [id, record] : feed_.ledger().records()) {
    const SaRecord* active = id.inbound ? nullptr : feed_.activation().active(record.policy);
    json sa = {{"tunnel", record.policy.tunnel},
               {"direction", id.inbound ? "in" : "out"},
               {"spi", fmt::format("{:08x}", id.spi)},
               {"slot", id.slot},
               {"home_worker", hello_.workers == 0 ? 0 : id.slot % hello_.workers},
               {"algorithm", record.algorithm},
               {"esn", record.esn},
               {"replay_window", record.replay_window},
               {"encap", record.encap},
               {"local", endpoint(record.local, record.local_port, record.encap)},
               {"remote", endpoint(record.remote, record.remote_port, record.encap)},
               {"local_selectors", texts_of(record.policy.local)},
               {"remote_selectors", texts_of(record.policy.remote)},
               {"state", state_of(record.state)},
               {"orphan", record.orphan},
               {"active", id.inbound ? record.state == SaState::kInstalled : active == &record},
               {"age_s", seconds_since(record.since)}};
    uint64_t last_use_ns = 0;
    if (id.inbound) {
      const auto row = counters_.inbound(id.slot, id.spi).value_or(InboundTotals{});
      sa["packets"] = row.packets;
      sa["bytes"] = row.bytes;
      sa["right_edge"] = row.right_edge;
      sa["icv_failed"] = row.icv_failed;
      sa["replayed"] = row.replayed;
      sa["policy_dropped"] = row.policy_dropped;
      last_use_ns = row.last_use_ns;
    } else {
      const auto row = counters_.outbound(id.slot, id.spi).value_or(OutboundTotals{});
      sa["packets"] = row.packets;
      sa["bytes"] = row.bytes;
      sa["sequence"] = row.reserved_sequence;
      sa["policy_dropped"] = row.policy_dropped;
      last_use_ns = row.last_use_ns;
    }
    const auto idle_ns = now_ns - std::chrono::nanoseconds(last_use_ns);
    sa["last_use_s"] =
        last_use_ns == 0 ? json() : json(std::chrono::duration_cast<std::chrono::seconds>(idle_ns).count());
    out.push_back(std::move(sa));
  }
  return out;
}

}  // namespace sallyport::control
