// SPDX-License-Identifier: BSD-3-Clause
// Builds and matches traffic selectors.
#include "dataplane/policy/selector_set.h"

#include <algorithm>

namespace sallyport::dataplane {

namespace {

constexpr uint32_t kAllAddresses = 0xffffffff;
constexpr uint16_t kAllPorts = 0xffff;

uint32_t host_order(const std::array<uint8_t, 16>& bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}

bool upside_down(const api::Selector& selector) {
  const size_t bytes = selector.family == api::Family::kIpv4 ? 4 : 16;
  return selector.port_from > selector.port_to ||
         std::lexicographical_compare(selector.to.begin(), selector.to.begin() + bytes, selector.from.begin(),
                                      selector.from.begin() + bytes);
}

}  // namespace

api::Error SelectorSet::assign(std::span<const api::Selector> local, std::span<const api::Selector> remote) {
  std::vector<Range> ranges;
  ranges.reserve(local.size() + remote.size());
  bool any = true;
  const auto convert = [&ranges, &any](std::span<const api::Selector> selectors) {
    if (selectors.empty() || selectors.size() > api::kMaxSelectors) return api::Error::kInvalid;
    const size_t before = ranges.size();
    bool any_of_side = false;
    for (const api::Selector& selector : selectors) {
      if (selector.family != api::Family::kIpv4 && selector.family != api::Family::kIpv6)
        return api::Error::kInvalid;
      if (upside_down(selector)) return api::Error::kInvalid;
      if (selector.family == api::Family::kIpv6) continue;
      const Range& range = ranges.emplace_back(
          Range{host_order(selector.from), host_order(selector.to), selector.port_from, selector.port_to,
                selector.protocol, selector.port_from == 0 && selector.port_to == kAllPorts});
      any_of_side |= range.address_from == 0 && range.address_to == kAllAddresses && range.protocol == 0 &&
                     range.any_port;
    }
    any &= any_of_side;
    return ranges.size() == before ? api::Error::kUnsupported : api::Error::kNone;
  };
  if (const api::Error error = convert(local); error != api::Error::kNone) return error;
  const auto local_count = static_cast<uint32_t>(ranges.size());
  if (const api::Error error = convert(remote); error != api::Error::kNone) return error;
  any_ = any;
  local_count_ = any ? 0 : local_count;
  ranges_ = any ? std::vector<Range>() : std::move(ranges);
  return api::Error::kNone;
}

bool SelectorSet::covers(const Range& range, uint32_t address, uint16_t port, const Flow& flow) {
  if (address < range.address_from || address > range.address_to) return false;
  if (range.protocol != 0 && range.protocol != flow.protocol) return false;
  return range.any_port || (flow.ports_known && port >= range.port_from && port <= range.port_to);
}

bool SelectorSet::matches(uint32_t local_be, uint16_t local_port, uint32_t remote_be, uint16_t remote_port,
                          const Flow& flow) const {
  const uint32_t local = rte_be_to_cpu_32(local_be), remote = rte_be_to_cpu_32(remote_be);
  const auto first_remote = ranges_.begin() + local_count_;
  return std::any_of(ranges_.begin(), first_remote,
                     [&](const Range& range) { return covers(range, local, local_port, flow); }) &&
         std::any_of(first_remote, ranges_.end(),
                     [&](const Range& range) { return covers(range, remote, remote_port, flow); });
}

}  // namespace sallyport::dataplane
