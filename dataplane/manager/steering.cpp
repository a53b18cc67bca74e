// SPDX-License-Identifier: BSD-3-Clause
// Pure; any thread.
#include "dataplane/manager/steering.h"

#include <rte_byteorder.h>
#include <spdlog/fmt/fmt.h>

#include <bit>

#include "dataplane/api/messages.h"

namespace sallyport::dataplane {
namespace {

constexpr uint64_t kFlowHashes = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP;
constexpr uint16_t kFragmentBits = 0x3fff;  // more fragments, offset (RFC 791)

std::string describe_rss(uint64_t hashed) {
  if ((hashed & (RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP)) != 0) return "by addresses and ports";
  if ((hashed & RTE_ETH_RSS_IP) != 0) return "by addresses";
  return "as the device does by itself";
}

std::string describe_esp(const EspSteering& steering, uint64_t hashed) {
  switch (steering.how) {
    case EspSpread::kHome:
      return "to its home worker's queue by rule";
    case EspSpread::kBySpi:
      return "by SPI, then handed to its home worker";
    case EspSpread::kByRss:
      break;
  }
  return describe_rss(hashed) + ", then handed to its home worker";
}

}  // namespace

RssPlan plan_rss(PortSide side, uint16_t workers, const rte_eth_dev_info& device) {
  RssPlan plan;
  if (workers < 2) return plan;
  const uint64_t wanted = side == PortSide::kPublic ? kFlowHashes | RTE_ETH_RSS_ESP : kFlowHashes;
  plan.hashed = device.flow_type_rss_offloads & wanted;
  // On the public side the directions don't share a worker by their hash, and a key of more entropy spreads
  // better.
  if (side == PortSide::kLan && plan.hashed != 0) plan.key = symmetric_key(device.hash_key_size);
  return plan;
}

std::vector<uint8_t> symmetric_key(size_t bytes) {
  std::vector<uint8_t> key(bytes);
  for (size_t i = 0; i < bytes; ++i)
    key[i] = i % 2 == 0 ? 0x6d : 0x5a;
  return key;
}

std::vector<rte_eth_rss_reta_entry64> even_redirection(uint16_t entries, uint16_t workers) {
  std::vector<rte_eth_rss_reta_entry64> table((entries + RTE_ETH_RETA_GROUP_SIZE - 1) /
                                              RTE_ETH_RETA_GROUP_SIZE);
  for (uint16_t entry = 0; entry < entries; ++entry) {
    auto& group = table[entry / RTE_ETH_RETA_GROUP_SIZE];
    group.mask |= RTE_BIT64(entry % RTE_ETH_RETA_GROUP_SIZE);
    group.reta[entry % RTE_ETH_RETA_GROUP_SIZE] = static_cast<uint16_t>(entry % workers);
  }
  return table;
}

std::vector<HomeRule> plan_home_rules(uint16_t workers) {
  std::vector<HomeRule> rules;
  if (workers < 2 || !std::has_single_bit(workers)) return rules;
  static_assert(api::kSlotMask >= RTE_MAX_LCORE);
  for (uint16_t worker = 0; worker < workers; ++worker)
    rules.push_back({worker, workers - 1u, worker});
  return rules;
}

FlowRule::FlowRule(const HomeRule& rule, api::Family family, EspCarrier carrier, Fragments fragments) {
  rte_flow_item* esp = set_items(family, carrier, fragments);
  esp_.hdr.spi = rte_cpu_to_be_32(rule.spi);
  esp_mask_.hdr.spi = rte_cpu_to_be_32(rule.spi_mask);
  esp->spec = &esp_;
  esp->mask = &esp_mask_;
  queue_.index = rule.worker;
  actions_[0] = {RTE_FLOW_ACTION_TYPE_QUEUE, &queue_};
}

// No queues named: all of RSS.
FlowRule::FlowRule(api::Family family, EspCarrier carrier, Fragments fragments) {
  set_items(family, carrier, fragments);
  rss_.types = RTE_ETH_RSS_ESP;
  actions_[0] = {RTE_FLOW_ACTION_TYPE_RSS, &rss_};
}

// The ESP item, which matches every SPI. Devices that know ESP in UDP know its port; naming it makes some
// refuse the rule.
rte_flow_item* FlowRule::set_items(api::Family family, EspCarrier carrier, Fragments fragments) {
  attributes_.ingress = 1;
  rte_flow_item* item = items_.data();
  (item++)->type = RTE_FLOW_ITEM_TYPE_ETH;
  const bool is_ipv4 = family == api::Family::kIpv4;
  item->type = is_ipv4 ? RTE_FLOW_ITEM_TYPE_IPV4 : RTE_FLOW_ITEM_TYPE_IPV6;
  if (fragments == Fragments::kExcluded) {
    ipv4_mask_.hdr.fragment_offset = rte_cpu_to_be_16(kFragmentBits);
    ipv6_mask_.has_frag_ext = 1;
    item->spec = is_ipv4 ? static_cast<const void*>(&ipv4_) : &ipv6_;
    item->mask = is_ipv4 ? static_cast<const void*>(&ipv4_mask_) : &ipv6_mask_;
  }
  ++item;
  if (carrier == EspCarrier::kUdp) (item++)->type = RTE_FLOW_ITEM_TYPE_UDP;
  item->type = RTE_FLOW_ITEM_TYPE_ESP;
  item[1].type = RTE_FLOW_ITEM_TYPE_END;
  actions_[1].type = RTE_FLOW_ACTION_TYPE_END;
  return item;
}

std::string describe(const PortSpread& spread) {
  if (spread.workers < 2) return "one worker takes every packet";
  const std::string rest = describe_rss(spread.hashed);
  if (spread.side == PortSide::kLan) return fmt::format("{} queues: flows {}", spread.workers, rest);
  std::string text = fmt::format("{} queues: ESP {}; ESP in UDP {}; the rest {}", spread.workers,
                                 describe_esp(spread.esp, spread.hashed),
                                 describe_esp(spread.esp_in_udp, spread.hashed), rest);
  if (spread.esp_ipv6.how != spread.esp.how || spread.esp_in_udp_ipv6.how != spread.esp_in_udp.how)
    text += fmt::format("; over IPv6 ESP {}; ESP in UDP {}", describe_esp(spread.esp_ipv6, spread.hashed),
                        describe_esp(spread.esp_in_udp_ipv6, spread.hashed));
  if (!std::has_single_bit(spread.workers))
    return text +
           fmt::format("; only 2, 4, 8... workers can have rules to their queues, not {}", spread.workers);
  const auto& refusal = spread.esp.refusal.empty() ? spread.esp_in_udp.refusal : spread.esp.refusal;
  return refusal.empty() ? text : text + "; the device takes no rule for it: " + refusal;
}

}  // namespace sallyport::dataplane
