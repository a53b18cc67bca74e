// SPDX-License-Identifier: BSD-3-Clause
// Builds and matches traffic selectors.
#include "dataplane/policy/selector_set.h"

#include <algorithm>

namespace sallyport::dataplane {

namespace {

constexpr uint16_t kAllPorts = 0xffff;

using Bytes = std::array<uint8_t, 16>;

template <typename Key>
Key key_of(const Bytes& bytes);
template <>
uint32_t key_of(const Bytes& bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}
template <>
Ipv6Address key_of(const Bytes& bytes) {
  return bytes;
}

template <typename Key>
constexpr api::Family kFamily = sizeof(Key) == 4 ? api::Family::kIpv4 : api::Family::kIpv6;

bool is_wrong(const api::Selector& selector) {
  if (selector.family != api::Family::kIpv4 && selector.family != api::Family::kIpv6) return true;
  const size_t bytes = selector.family == api::Family::kIpv4 ? 4 : 16;
  return selector.port_from > selector.port_to ||
         std::lexicographical_compare(selector.to.begin(), selector.to.begin() + bytes, selector.from.begin(),
                                      selector.from.begin() + bytes);
}

bool is_wrong(std::span<const api::Selector> selectors) {
  return selectors.empty() || selectors.size() > api::kMaxSelectors ||
         std::any_of(selectors.begin(), selectors.end(),
                     [](const api::Selector& selector) { return is_wrong(selector); });
}

template <typename Key>
bool covers_all(const typename SelectorRanges<Key>::Range& range) {
  Bytes last;
  last.fill(0xff);
  return range.address_from == Key{} && range.address_to == key_of<Key>(last) && range.protocol == 0 &&
         range.any_port;
}

template <typename Key>
auto ranges_of(std::span<const api::Selector> selectors) {
  std::vector<typename SelectorRanges<Key>::Range> ranges;
  ranges.reserve(selectors.size());
  for (const api::Selector& selector : selectors) {
    if (selector.family != kFamily<Key>) continue;
    ranges.push_back({key_of<Key>(selector.from), key_of<Key>(selector.to), selector.port_from,
                      selector.port_to, selector.protocol,
                      selector.port_from == 0 && selector.port_to == kAllPorts});
  }
  ranges.shrink_to_fit();
  return ranges;
}

// Nothing of a family that only one side has.
template <typename Key>
SelectorRanges<Key> family_of(std::span<const api::Selector> local, std::span<const api::Selector> remote) {
  SelectorRanges<Key> result{ranges_of<Key>(local), ranges_of<Key>(remote), false};
  if (result.local.empty() || result.remote.empty()) return {};
  if (std::any_of(result.local.begin(), result.local.end(), covers_all<Key>) &&
      std::any_of(result.remote.begin(), result.remote.end(), covers_all<Key>)) {
    return {{}, {}, true};
  }
  return result;
}

template <typename Key, typename FlowOfFamily>
bool any_covers(const std::vector<typename SelectorRanges<Key>::Range>& ranges, const Key& address,
                uint16_t port, const FlowOfFamily& flow) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const auto& range) {
    if (address < range.address_from || address > range.address_to) return false;
    if (range.protocol != 0 && range.protocol != flow.protocol) return false;
    return range.any_port || (flow.ports_known && port >= range.port_from && port <= range.port_to);
  });
}

}  // namespace

api::Error SelectorSet::assign(std::span<const api::Selector> local, std::span<const api::Selector> remote) {
  if (is_wrong(local) || is_wrong(remote)) return api::Error::kInvalid;
  auto ipv4 = family_of<uint32_t>(local, remote);
  auto ipv6 = family_of<Ipv6Address>(local, remote);
  if (!ipv4.any && ipv4.local.empty() && !ipv6.any && ipv6.local.empty()) return api::Error::kInvalid;
  ipv4_ = std::move(ipv4);
  ipv6_ = std::move(ipv6);
  return api::Error::kNone;
}

bool SelectorSet::matches(uint32_t local_be, uint16_t local_port, uint32_t remote_be, uint16_t remote_port,
                          const Flow& flow) const {
  return any_covers<uint32_t>(ipv4_.local, rte_be_to_cpu_32(local_be), local_port, flow) &&
         any_covers<uint32_t>(ipv4_.remote, rte_be_to_cpu_32(remote_be), remote_port, flow);
}

bool SelectorSet::matches_inbound(const Ipv6Flow& flow) const {
  if (ipv6_.any) return true;
  return any_covers<Ipv6Address>(ipv6_.local, flow.destination, flow.destination_port, flow) &&
         any_covers<Ipv6Address>(ipv6_.remote, flow.source, flow.source_port, flow);
}

bool SelectorSet::matches_outbound(const Ipv6Flow& flow) const {
  if (ipv6_.any) return true;
  return any_covers<Ipv6Address>(ipv6_.local, flow.source, flow.source_port, flow) &&
         any_covers<Ipv6Address>(ipv6_.remote, flow.destination, flow.destination_port, flow);
}

}  // namespace sallyport::dataplane
