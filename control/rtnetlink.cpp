// SPDX-License-Identifier: BSD-3-Clause
#include "control/rtnetlink.h"

#include <fmt/format.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

namespace sallyport::control {
namespace {

uint8_t family_of(const IpAddress& address) {
  return address.is_v4() ? AF_INET : AF_INET6;
}
int size_of(const IpAddress& address) {
  return address.is_v4() ? 4 : 16;
}

void put(nl_msg* message, int type, const IpAddress& address) {
  nla_put(message, type, size_of(address), address.bytes.data());
}

template <typename Body>
nl_msg* message_of(int type, int flags, const Body& body) {
  nl_msg* message = nlmsg_alloc_simple(type, NLM_F_REQUEST | flags);
  if (message == nullptr) throw std::bad_alloc();
  nlmsg_append(message, const_cast<Body*>(&body), sizeof body, NLMSG_ALIGNTO);
  return message;
}

nl_msg* link_message(uint32_t link) {
  ifinfomsg body{};
  body.ifi_index = static_cast<int>(link);
  return message_of(RTM_NEWLINK, 0, body);
}

nl_msg* address_message(int type, int flags, const KernelAddress& address) {
  ifaddrmsg body{};
  body.ifa_family = family_of(address.address.address);
  body.ifa_prefixlen = address.address.prefix_length;
  body.ifa_index = address.link;
  if (!address.address.address.is_v4()) body.ifa_flags = IFA_F_NODAD;
  nl_msg* message = message_of(type, flags, body);
  put(message, IFA_LOCAL, address.address.address);
  put(message, IFA_ADDRESS, address.address.address);
  nla_put_u8(message, IFA_PROTO, kRouteProtocol);
  return message;
}

nl_msg* neighbour_message(int type, int flags, uint8_t neighbour_flags, uint32_t link,
                          const IpAddress& address) {
  ndmsg body{};
  body.ndm_family = family_of(address);
  body.ndm_ifindex = static_cast<int>(link);
  body.ndm_state = NUD_NONE;
  body.ndm_flags = neighbour_flags;
  nl_msg* message = message_of(type, flags, body);
  put(message, NDA_DST, address);
  return message;
}

std::string text_of(const KernelAddress& address) {
  return fmt::format("{} on link {}", address.address.to_string(), address.link);
}

}  // namespace

RtNetlink::RtNetlink(const NetnsName& netns) : socket_(nl_socket_alloc()) {
  if (socket_ == nullptr) throw std::bad_alloc();
  int result = 0;
  try {
    run_in_netns(netns, [&] { result = nl_connect(socket_, NETLINK_ROUTE); });
  } catch (...) {
    nl_socket_free(socket_);
    throw;
  }
  if (result < 0) {
    nl_socket_free(socket_);
    throw std::system_error(EIO, std::generic_category(), fmt::format("netlink: {}", nl_geterror(result)));
  }
  nl_socket_disable_seq_check(socket_);
  nl_socket_set_msg_buf_size(socket_, 1 << 16);
}

RtNetlink::~RtNetlink() {
  nl_socket_free(socket_);
}

void RtNetlink::change(nl_msg* message, const std::string& what, int ignored_error) {
  const std::unique_ptr<nl_msg, decltype(&nlmsg_free)> owned(message, nlmsg_free);
  nlmsg_hdr(message)->nlmsg_flags |= NLM_F_ACK;
  nl_complete_msg(socket_, message);
  if (nl_send(socket_, message) < 0) throw std::system_error(errno, std::generic_category(), what);
  // The kernel's own error number, which libnl's would hide.
  int error = EIO;
  for (bool done = false; !done;) {
    sockaddr_nl from{};
    unsigned char* raw = nullptr;
    const int length = nl_recv(socket_, &from, &raw, nullptr);
    const std::unique_ptr<unsigned char, decltype(&free)> buffer(raw, free);
    if (length <= 0) break;
    int left = length;
    for (auto* header = reinterpret_cast<nlmsghdr*>(raw); nlmsg_ok(header, left);
         header = nlmsg_next(header, &left)) {
      if (header->nlmsg_type != NLMSG_ERROR || header->nlmsg_seq != nlmsg_hdr(message)->nlmsg_seq) continue;
      error = -static_cast<const nlmsgerr*>(nlmsg_data(header))->error;
      done = true;
    }
  }
  if (error != 0 && error != ignored_error) throw std::system_error(error, std::generic_category(), what);
}

void RtNetlink::dump(int type, const std::function<void(const nlmsghdr*)>& on_message) {
  rtgenmsg body{};
  body.rtgen_family = AF_UNSPEC;
  const std::unique_ptr<nl_msg, decltype(&nlmsg_free)> request(message_of(type, NLM_F_DUMP, body),
                                                               nlmsg_free);
  nl_complete_msg(socket_, request.get());
  if (nl_send(socket_, request.get()) < 0)
    throw std::system_error(errno, std::generic_category(), "netlink dump");
  for (bool done = false; !done;) {
    sockaddr_nl from{};
    unsigned char* raw = nullptr;
    const int length = nl_recv(socket_, &from, &raw, nullptr);
    const std::unique_ptr<unsigned char, decltype(&free)> buffer(raw, free);
    if (length <= 0) throw std::system_error(EIO, std::generic_category(), "netlink dump");
    int left = length;
    for (auto* header = reinterpret_cast<nlmsghdr*>(raw); nlmsg_ok(header, left);
         header = nlmsg_next(header, &left)) {
      if (header->nlmsg_seq != nlmsg_hdr(request.get())->nlmsg_seq) continue;
      done = header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR;
      if (!done) on_message(header);
    }
  }
}

std::optional<KernelLink> RtNetlink::find_link(const std::string& name) {
  std::optional<KernelLink> found;
  dump(RTM_GETLINK, [&](const nlmsghdr* message) {
    if (auto link = parse_link(message); link && link->name == name) found = std::move(link);
  });
  return found;
}

std::vector<KernelAddress> RtNetlink::addresses() {
  std::vector<KernelAddress> found;
  dump(RTM_GETADDR, [&](const nlmsghdr* message) {
    if (auto address = parse_kernel_address(message)) found.push_back(*address);
  });
  return found;
}

std::vector<KernelAddress> RtNetlink::own_addresses() {
  std::vector<KernelAddress> found;
  dump(RTM_GETADDR, [&](const nlmsghdr* message) {
    auto* header = const_cast<nlmsghdr*>(message);
    const nlattr* protocol = nlmsg_find_attr(header, sizeof(ifaddrmsg), IFA_PROTO);
    if (protocol == nullptr || nla_get_u8(protocol) != kRouteProtocol) return;
    if (auto address = parse_kernel_address(message)) found.push_back(*address);
  });
  return found;
}

std::vector<KernelRoute> RtNetlink::routes() {
  std::vector<KernelRoute> found;
  dump(RTM_GETROUTE, [&](const nlmsghdr* message) {
    if (auto route = parse_route(message)) found.push_back(std::move(*route));
  });
  return found;
}

std::vector<KernelRule> RtNetlink::own_rules() {
  std::vector<KernelRule> found;
  dump(RTM_GETRULE, [&](const nlmsghdr* message) {
    nlattr* attributes[FRA_MAX + 1] = {};
    auto* header = const_cast<nlmsghdr*>(message);
    if (nlmsg_parse(header, sizeof(fib_rule_hdr), attributes, FRA_MAX, nullptr) < 0) return;
    if (!attributes[FRA_PROTOCOL] || nla_get_u8(attributes[FRA_PROTOCOL]) != kRouteProtocol) return;
    if (!attributes[FRA_SRC] || !attributes[FRA_TABLE]) return;
    const auto* body = static_cast<const fib_rule_hdr*>(nlmsg_data(message));
    KernelRule rule;
    rule.source.version = body->family == AF_INET6 ? IpVersion::kV6 : IpVersion::kV4;
    std::memcpy(rule.source.bytes.data(), nla_data(attributes[FRA_SRC]),
                std::min(nla_len(attributes[FRA_SRC]), size_of(rule.source)));
    rule.table = nla_get_u32(attributes[FRA_TABLE]);
    if (attributes[FRA_PRIORITY]) rule.priority = nla_get_u32(attributes[FRA_PRIORITY]);
    found.push_back(rule);
  });
  return found;
}

void RtNetlink::set_link_up(uint32_t link) {
  ifinfomsg body{};
  body.ifi_index = static_cast<int>(link);
  body.ifi_flags = IFF_UP;
  body.ifi_change = IFF_UP;
  change(message_of(RTM_NEWLINK, 0, body), "set link up");
}

void RtNetlink::set_link_mac(uint32_t link, const api::Mac& mac) {
  nl_msg* message = link_message(link);
  nla_put(message, IFLA_ADDRESS, static_cast<int>(mac.size()), mac.data());
  change(message, "set the MAC address of a mirror");
}

void RtNetlink::set_link_mtu(uint32_t link, uint32_t mtu_bytes) {
  nl_msg* message = link_message(link);
  nla_put_u32(message, IFLA_MTU, mtu_bytes);
  change(message, fmt::format("set the MTU of a mirror to {}", mtu_bytes));
}

void RtNetlink::delete_link(uint32_t link) {
  ifinfomsg body{};
  body.ifi_index = static_cast<int>(link);
  change(message_of(RTM_DELLINK, 0, body), "delete a mirror", ENODEV);
}

void RtNetlink::add_address(const KernelAddress& address) {
  change(address_message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, address), "add address " + text_of(address),
         EEXIST);
}

void RtNetlink::delete_address(const KernelAddress& address) {
  change(address_message(RTM_DELADDR, 0, address), "delete address " + text_of(address), EADDRNOTAVAIL);
}

void RtNetlink::change_route(const KernelRoute& route, int type, int flags, int ignored_error) {
  rtmsg body{};
  body.rtm_family = family_of(route.prefix.address);
  body.rtm_dst_len = route.prefix.length;
  body.rtm_table = RT_TABLE_UNSPEC;
  body.rtm_protocol = kRouteProtocol;
  body.rtm_scope = RT_SCOPE_UNIVERSE;
  body.rtm_type = RTN_UNICAST;
  const KernelNextHop* next = route.next_hops.empty() ? nullptr : &route.next_hops.front();
  if (type == RTM_DELROUTE)
    body.rtm_scope = RT_SCOPE_NOWHERE;
  else if (next != nullptr && !next->via && route.prefix.address.is_v4())
    body.rtm_scope = RT_SCOPE_LINK;
  if (next != nullptr && next->via) body.rtm_flags = RTNH_F_ONLINK;
  nl_msg* message = message_of(type, flags, body);
  if (route.prefix.length > 0) put(message, RTA_DST, route.prefix.address);
  nla_put_u32(message, RTA_TABLE, route.table);
  if (route.metric != 0) nla_put_u32(message, RTA_PRIORITY, route.metric);
  if (next != nullptr) {
    nla_put_u32(message, RTA_OIF, next->link);
    if (next->via) put(message, RTA_GATEWAY, *next->via);
  }
  change(message, fmt::format("route {} in table {}", route.prefix.to_string(), route.table), ignored_error);
}

void RtNetlink::replace_route(const KernelRoute& route) {
  change_route(route, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, 0);
}

void RtNetlink::delete_route(const KernelRoute& route) {
  change_route(route, RTM_DELROUTE, 0, ESRCH);
}

void RtNetlink::change_rule(const KernelRule& rule, int type, int flags, int ignored_error) {
  fib_rule_hdr body{};
  body.family = family_of(rule.source);
  body.src_len = rule.source.max_prefix_length();
  body.action = FR_ACT_TO_TBL;
  nl_msg* message = message_of(type, flags, body);
  put(message, FRA_SRC, rule.source);
  nla_put_u32(message, FRA_TABLE, rule.table);
  nla_put_u32(message, FRA_PRIORITY, rule.priority);
  nla_put_u8(message, FRA_PROTOCOL, kRouteProtocol);
  change(message, fmt::format("rule from {} to table {}", rule.source.to_string(), rule.table),
         ignored_error);
}

void RtNetlink::add_rule(const KernelRule& rule) {
  change_rule(rule, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, EEXIST);
}

void RtNetlink::delete_rule(const KernelRule& rule) {
  change_rule(rule, RTM_DELRULE, 0, ENOENT);
}

void RtNetlink::resolve_neighbour(uint32_t link, const IpAddress& address) {
  nl_msg* message = neighbour_message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, NTF_USE, link, address);
  change(message, "resolve neighbour " + address.to_string());
}

void RtNetlink::manage_neighbour(uint32_t link, const IpAddress& address) {
  nl_msg* message = neighbour_message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, 0, link, address);
  nla_put_u32(message, NDA_FLAGS_EXT, NTF_EXT_MANAGED);
  change(message, "keep neighbour " + address.to_string());
}

void RtNetlink::delete_neighbour(uint32_t link, const IpAddress& address) {
  change(neighbour_message(RTM_DELNEIGH, 0, 0, link, address), "delete neighbour " + address.to_string(),
         ENOENT);
}

}  // namespace sallyport::control
