// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/manager/esp_steering.h"

#include <rte_errno.h>

#include <list>

namespace sallyport::dataplane {
namespace {

using Rules = std::list<FlowRule>;

std::string reason_of(const rte_flow_error& error, int code) {
  return error.message != nullptr ? error.message : rte_strerror(std::abs(code));
}

// Whether all of them are in the device now; else none, and `refusal` says why.
bool install(uint16_t port, const Rules& rules, std::string& refusal) {
  rte_flow_error error{};
  for (const auto& rule : rules)
    if (const int code = rte_flow_validate(port, rule.attributes(), rule.items(), rule.actions(), &error);
        code != 0) {
      refusal = reason_of(error, code);
      return false;
    }
  std::vector<rte_flow*> made;
  for (const auto& rule : rules) {
    rte_flow* flow = rte_flow_create(port, rule.attributes(), rule.items(), rule.actions(), &error);
    if (flow == nullptr) {
      refusal = reason_of(error, rte_errno);
      for (rte_flow* earlier : made)
        rte_flow_destroy(port, earlier, nullptr);
      return false;
    }
    made.push_back(flow);
  }
  return true;
}

}  // namespace

EspSteering steer_esp(uint16_t port, uint16_t workers, api::Family family, EspCarrier carrier,
                      bool spi_hashed) {
  EspSteering result;
  if (workers < 2) return result;
  constexpr std::array kFragments = {Fragments::kExcluded, Fragments::kUnmentioned};
  if (const auto homes = plan_home_rules(workers); !homes.empty())
    for (const auto fragments : kFragments) {
      Rules rules;
      for (const auto& home : homes)
        rules.emplace_back(home, family, carrier, fragments);
      if (install(port, rules, result.refusal)) return {EspSpread::kHome, {}};
    }
  if (spi_hashed) {
    result.how = EspSpread::kBySpi;
    return result;
  }
  std::string ignored;  // the refusal of the better rules says enough
  for (const auto fragments : kFragments) {
    Rules rules;
    rules.emplace_back(family, carrier, fragments);
    if (install(port, rules, ignored)) {
      result.how = EspSpread::kBySpi;
      return result;
    }
  }
  return result;
}

}  // namespace sallyport::dataplane
