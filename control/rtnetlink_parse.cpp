// SPDX-License-Identifier: BSD-3-Clause
// rtnetlink messages -> values.
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include <algorithm>
#include <cstring>

#include "control/rtnetlink.h"

namespace sallyport::control {
namespace {

template <typename Body, size_t N>
const Body* parse(const nlmsghdr* message, nlattr* (&attributes)[N]) {
  auto* mutable_message = const_cast<nlmsghdr*>(message);
  if (nlmsg_parse(mutable_message, sizeof(Body), attributes, N - 1, nullptr) < 0) return nullptr;
  return static_cast<const Body*>(nlmsg_data(message));
}

std::optional<IpAddress> address_of(uint8_t family, const nlattr* attribute) {
  IpAddress address;
  address.version = family == AF_INET6 ? IpVersion::kV6 : IpVersion::kV4;
  const size_t size = family == AF_INET6 ? 16 : 4;
  if (attribute == nullptr) return std::nullopt;
  if (static_cast<size_t>(nla_len(attribute)) < size) return std::nullopt;
  std::memcpy(address.bytes.data(), nla_data(attribute), size);
  return address;
}

std::optional<IpAddress> via_of(const nlattr* attribute) {  // RTA_VIA: another family's gateway
  if (attribute == nullptr || nla_len(attribute) < static_cast<int>(sizeof(rtvia))) return std::nullopt;
  const auto* via = static_cast<const rtvia*>(nla_data(attribute));
  IpAddress address;
  address.version = via->rtvia_family == AF_INET6 ? IpVersion::kV6 : IpVersion::kV4;
  const size_t size = via->rtvia_family == AF_INET6 ? 16 : 4;
  if (nla_len(attribute) < static_cast<int>(sizeof(rtvia) + size)) return std::nullopt;
  std::memcpy(address.bytes.data(), via->rtvia_addr, size);
  return address;
}

bool carries_ip(uint8_t family) {
  return family == AF_INET || family == AF_INET6;
}

void parse_multipath(uint8_t family, const nlattr* attribute, std::vector<KernelNextHop>& next_hops) {
  const auto* hop = static_cast<const rtnexthop*>(nla_data(attribute));
  int left = nla_len(attribute);
  while (left >= static_cast<int>(sizeof *hop) && hop->rtnh_len >= sizeof *hop && hop->rtnh_len <= left) {
    nlattr* attributes[RTA_MAX + 1] = {};
    auto* first = reinterpret_cast<nlattr*>(const_cast<rtnexthop*>(hop) + 1);
    nla_parse(attributes, RTA_MAX, first, hop->rtnh_len - static_cast<int>(sizeof *hop), nullptr);
    KernelNextHop next{static_cast<uint32_t>(hop->rtnh_ifindex), address_of(family, attributes[RTA_GATEWAY]),
                       hop->rtnh_hops + 1u};
    if (!next.via) next.via = via_of(attributes[RTA_VIA]);
    if ((hop->rtnh_flags & RTNH_F_DEAD) == 0) next_hops.push_back(next);
    const int step = NLMSG_ALIGN(hop->rtnh_len);
    left -= step;
    hop = reinterpret_cast<const rtnexthop*>(reinterpret_cast<const char*>(hop) + step);
  }
}

NeighbourState state_of(uint16_t state) {
  if (state & (NUD_PERMANENT | NUD_NOARP)) return NeighbourState::kPermanent;
  if (state & NUD_REACHABLE) return NeighbourState::kReachable;
  if (state & NUD_STALE) return NeighbourState::kStale;
  if (state & (NUD_DELAY | NUD_PROBE)) return NeighbourState::kProbing;
  if (state & NUD_INCOMPLETE) return NeighbourState::kIncomplete;
  if (state & NUD_FAILED) return NeighbourState::kFailed;
  return NeighbourState::kNone;
}

}  // namespace

const char* to_string(NeighbourState state) {
  switch (state) {
    case NeighbourState::kNone:
      return "none";
    case NeighbourState::kIncomplete:
      return "incomplete";
    case NeighbourState::kReachable:
      return "reachable";
    case NeighbourState::kStale:
      return "stale";
    case NeighbourState::kProbing:
      return "probing";
    case NeighbourState::kFailed:
      return "failed";
    case NeighbourState::kPermanent:
      break;
  }
  return "permanent";
}

std::optional<KernelLink> parse_link(const nlmsghdr* message) {
  nlattr* attributes[IFLA_MAX + 1] = {};
  const auto* body = parse<ifinfomsg>(message, attributes);
  if (body == nullptr || body->ifi_family != AF_UNSPEC || attributes[IFLA_IFNAME] == nullptr)
    return std::nullopt;
  KernelLink link;
  link.index = static_cast<uint32_t>(body->ifi_index);
  link.name = nla_get_string(attributes[IFLA_IFNAME]);
  link.up = (body->ifi_flags & IFF_UP) != 0;
  link.running = (body->ifi_flags & IFF_RUNNING) != 0;
  if (attributes[IFLA_MTU] != nullptr) link.mtu_bytes = nla_get_u32(attributes[IFLA_MTU]);
  if (attributes[IFLA_ADDRESS] != nullptr && nla_len(attributes[IFLA_ADDRESS]) == 6) {
    std::memcpy(link.mac.data(), nla_data(attributes[IFLA_ADDRESS]), link.mac.size());
  }
  return link;
}

std::optional<KernelAddress> parse_kernel_address(const nlmsghdr* message) {
  nlattr* attributes[IFA_MAX + 1] = {};
  const auto* body = parse<ifaddrmsg>(message, attributes);
  if (body == nullptr || !carries_ip(body->ifa_family)) return std::nullopt;
  const nlattr* own = attributes[IFA_LOCAL] != nullptr ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
  const auto address = address_of(body->ifa_family, own);
  if (!address) return std::nullopt;
  return KernelAddress{body->ifa_index, {*address, body->ifa_prefixlen}};
}

std::optional<KernelRoute> parse_route(const nlmsghdr* message) {
  nlattr* attributes[RTA_MAX + 1] = {};
  const auto* body = parse<rtmsg>(message, attributes);
  if (body == nullptr || !carries_ip(body->rtm_family) || (body->rtm_flags & RTM_F_CLONED) != 0)
    return std::nullopt;
  KernelRoute route;
  switch (body->rtm_type) {
    case RTN_UNICAST:
      break;
    case RTN_BLACKHOLE:
    case RTN_UNREACHABLE:
    case RTN_PROHIBIT:
      route.kind = KernelRouteKind::kDrop;
      break;
    default:
      return std::nullopt;
  }
  route.table = attributes[RTA_TABLE] != nullptr ? nla_get_u32(attributes[RTA_TABLE]) : body->rtm_table;
  route.prefix.address.version = body->rtm_family == AF_INET6 ? IpVersion::kV6 : IpVersion::kV4;
  if (const auto to = address_of(body->rtm_family, attributes[RTA_DST])) route.prefix.address = *to;
  route.prefix.length = body->rtm_dst_len;
  if (attributes[RTA_PRIORITY] != nullptr) route.metric = nla_get_u32(attributes[RTA_PRIORITY]);
  route.protocol = body->rtm_protocol;
  if (route.kind == KernelRouteKind::kDrop) return route;
  if (attributes[RTA_MULTIPATH] != nullptr) {
    parse_multipath(body->rtm_family, attributes[RTA_MULTIPATH], route.next_hops);
  } else if (attributes[RTA_OIF] != nullptr) {
    KernelNextHop next{nla_get_u32(attributes[RTA_OIF]),
                       address_of(body->rtm_family, attributes[RTA_GATEWAY]), 1};
    if (!next.via) next.via = via_of(attributes[RTA_VIA]);
    if ((body->rtm_flags & RTNH_F_DEAD) == 0) route.next_hops.push_back(next);
  }
  std::sort(route.next_hops.begin(), route.next_hops.end());
  return route;
}

std::optional<KernelNeighbour> parse_neighbour(const nlmsghdr* message) {
  nlattr* attributes[NDA_MAX + 1] = {};
  const auto* body = parse<ndmsg>(message, attributes);
  if (body == nullptr || !carries_ip(body->ndm_family) || (body->ndm_flags & NTF_PROXY) != 0)
    return std::nullopt;
  const auto address = address_of(body->ndm_family, attributes[NDA_DST]);
  if (!address) return std::nullopt;
  KernelNeighbour neighbour{
      static_cast<uint32_t>(body->ndm_ifindex), *address, {}, state_of(body->ndm_state), false};
  if (attributes[NDA_LLADDR] != nullptr && nla_len(attributes[NDA_LLADDR]) == 6) {
    std::memcpy(neighbour.mac.data(), nla_data(attributes[NDA_LLADDR]), neighbour.mac.size());
  }
  if (attributes[NDA_FLAGS_EXT] != nullptr) {
    neighbour.managed = (nla_get_u32(attributes[NDA_FLAGS_EXT]) & NTF_EXT_MANAGED) != 0;
  }
  return neighbour;
}

}  // namespace sallyport::control
