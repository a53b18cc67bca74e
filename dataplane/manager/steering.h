// SPDX-License-Identifier: BSD-3-Clause
// How a port's packets are to come to the workers, worker w from queue w: what receive-side scaling hashes,
// and the rte_flow rules that lead ESP to the queue of its SA's home worker. Pure plans from what a device
// offers; esp_steering.h puts the rules into the device.
#pragma once

#include <rte_ethdev.h>
#include <rte_flow.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/api/messages.h"

namespace sallyport::dataplane {

enum class PortSide : uint8_t { kLan, kPublic };

// What rte_eth_conf is to say about RSS.
struct RssPlan {
  uint64_t hashed = 0;       // RTE_ETH_RSS_*; 0: one worker, or the device hashes nothing that helps
  std::vector<uint8_t> key;  // as long as the device's; empty: the device's own
};

// Flows spread by addresses and TCP or UDP ports, fragments by addresses alone, so that all of a datagram
// meet in one worker. A LAN port hashes both directions of an inner flow alike. A public port hashes ESP by
// its SPI too where the device can; ESP in UDP is then a UDP flow.
RssPlan plan_rss(PortSide side, uint16_t workers, const rte_eth_dev_info& device);

// A Toeplitz key of repeated 6d5a: swapping source and destination doesn't change the hash.
std::vector<uint8_t> symmetric_key(size_t bytes);

// A redirection table of `entries` that gives no worker more than one entry more than another.
std::vector<rte_eth_rss_reta_entry64> even_redirection(uint16_t entries, uint16_t workers);

// ESP whose SPI has the bits of `spi` where `spi_mask` has ones goes to the queue of `worker`.
struct HomeRule {
  uint32_t spi;
  uint32_t spi_mask;
  uint16_t worker;
};

// A rule for each worker where their number is a power of two above one: the home of an SA is slot % workers
// and the slot is the SPI's low bits, so a mask tells. None for other numbers, whose remainders no mask can
// tell: there the handover rings bring each packet home.
std::vector<HomeRule> plan_home_rules(uint16_t workers);

enum class EspCarrier : uint8_t { kIp, kUdp };  // protocol 50; RFC 3948
enum class Fragments : uint8_t {
  kExcluded,     // the rule itself leaves fragments to RSS
  kUnmentioned,  // for devices whose ESP item matches no fragment anyway, and that take no such condition
};

// An rte_flow rule with all that it points to, and so neither copied nor moved.
class FlowRule {
 public:
  // To the queue of a home worker.
  FlowRule(const HomeRule& rule, api::Family family, EspCarrier carrier, Fragments fragments);
  // All ESP of that family and carrier, over all queues by SPI.
  FlowRule(api::Family family, EspCarrier carrier, Fragments fragments);
  FlowRule(const FlowRule&) = delete;
  FlowRule& operator=(const FlowRule&) = delete;

  const rte_flow_attr* attributes() const { return &attributes_; }
  const rte_flow_item* items() const { return items_.data(); }        // to RTE_FLOW_ITEM_TYPE_END
  const rte_flow_action* actions() const { return actions_.data(); }  // to RTE_FLOW_ACTION_TYPE_END

 private:
  rte_flow_item* set_items(api::Family family, EspCarrier carrier, Fragments fragments);

  rte_flow_attr attributes_{};
  rte_flow_item_ipv4 ipv4_{}, ipv4_mask_{};
  rte_flow_item_ipv6 ipv6_{}, ipv6_mask_{};
  rte_flow_item_esp esp_{}, esp_mask_{};
  rte_flow_action_queue queue_{};
  rte_flow_action_rss rss_{};
  std::array<rte_flow_item, 5> items_{};
  std::array<rte_flow_action, 2> actions_{};
};

// How ESP of one carrier comes to its home worker.
enum class EspSpread : uint8_t {
  kHome,   // its queue, by rules
  kBySpi,  // any queue, by a hash of the SPI; the handover ring does the rest
  kByRss,  // any queue, by what RSS hashes else; likewise
};

struct EspSteering {
  EspSpread how = EspSpread::kByRss;
  std::string refusal;  // what the device said to the rules that it did not take
};

struct PortSpread {
  PortSide side;
  uint16_t workers;
  uint64_t hashed;                        // RssPlan's
  EspSteering esp, esp_in_udp;            // over IPv4
  EspSteering esp_ipv6, esp_in_udp_ipv6;  // over IPv6
};

// One line for people.
std::string describe(const PortSpread& spread);

}  // namespace sallyport::dataplane
