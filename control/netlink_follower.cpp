// SPDX-License-Identifier: BSD-3-Clause
#include "control/netlink_follower.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <vector>

namespace sallyport::control {
namespace {

constexpr int kReceiveBufferBytes = 8 << 20;  // a full table's worth of route changes
constexpr int kGroups[] = {RTNLGRP_LINK,       RTNLGRP_NEIGH,      RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
                           RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_NEXTHOP};

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

int open_socket(const NetnsName& netns) {
  int fd = -1;
  run_in_netns(netns,
               [&] { fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE); });
  if (fd < 0) fail("netlink socket");
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBufferBytes, sizeof kReceiveBufferBytes);
  sockaddr_nl name{};
  name.nl_family = AF_NETLINK;
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) fail("netlink bind");
  for (const int group : kGroups) {
    if (::setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
      fail("netlink group");
  }
  return fd;
}

KernelView::RouteKey key_of(const KernelRoute& route) {
  return {route.table, route.prefix, route.metric};
}

}  // namespace

NetlinkFollower::NetlinkFollower(asio::io_context& io, const NetnsName& netns,
                                 std::function<void()> on_change)
    : netlink_(netns), socket_(io, open_socket(netns)), on_change_(std::move(on_change)) {
  dump_all();
  wait();
}

NetlinkFollower::~NetlinkFollower() {
  asio::error_code ignored;
  socket_.close(ignored);
}

void NetlinkFollower::dump_all() {
  view_ = {};
  for (const int type : {RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE, RTM_GETNEIGH}) {
    netlink_.dump(type, [this](const nlmsghdr* message) { apply(message); });
  }
}

void NetlinkFollower::dump_routes() {
  view_.routes.clear();
  netlink_.dump(RTM_GETROUTE, [this](const nlmsghdr* message) { apply(message); });
}

void NetlinkFollower::wait() {
  socket_.async_wait(asio::posix::stream_descriptor::wait_read, [this](asio::error_code error) {
    if (!error) read_batch();
  });
}

void NetlinkFollower::read_batch() {
  static constexpr size_t kBufferBytes = 1 << 16;
  std::vector<char> buffer(kBufferBytes);
  bool changed = false, routes_untold = false, overrun = false;
  for (int reads = 0; reads < 256; ++reads) {
    const ssize_t length = ::recv(socket_.native_handle(), buffer.data(), buffer.size(), 0);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0 && errno == ENOBUFS) {
      overrun = true;
      continue;
    }
    if (length <= 0) break;
    int left = static_cast<int>(length);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.data()); nlmsg_ok(header, left);
         header = nlmsg_next(header, &left)) {
      const Effect effect = apply(header);
      changed |= effect != Effect::kNone;
      routes_untold |= effect == Effect::kRoutesUntold;
    }
  }
  try {
    if (overrun) {
      spdlog::warn("netlink: notifications were lost, reading everything again");
      dump_all();
    } else if (routes_untold) {
      dump_routes();
    }
  } catch (const std::system_error& error) {
    spdlog::error("netlink: {}", error.what());
  }
  wait();
  if (changed || overrun) on_change_();
}

NetlinkFollower::Effect NetlinkFollower::apply_link(const nlmsghdr* message) {
  const auto link = parse_link(message);
  if (!link) return Effect::kNone;
  if (message->nlmsg_type == RTM_DELLINK) {
    view_.links.erase(link->index);
    std::erase_if(view_.addresses, [&](const KernelAddress& one) { return one.link == link->index; });
    std::erase_if(view_.neighbours, [&](const auto& one) { return one.first.first == link->index; });
    return Effect::kRoutesUntold;
  }
  KernelLink& held = view_.links[link->index];
  if (held == *link) return Effect::kNone;
  const bool is_as_up = held.up == link->up && held.running == link->running;
  held = *link;
  // The kernel takes routes of a link that went down away without a word.
  return is_as_up ? Effect::kChanged : Effect::kRoutesUntold;
}

// Of an IPv6 route with several next hops one alone may go; that is told without the others.
NetlinkFollower::Effect NetlinkFollower::apply_route_gone(const nlmsghdr* message) {
  const auto route = parse_route(message);
  const auto held = route ? view_.routes.find(key_of(*route)) : view_.routes.end();
  if (held == view_.routes.end()) return Effect::kNone;
  const bool is_part = held->second.next_hops.size() > route->next_hops.size();
  if (is_part && !route->prefix.address.is_v4()) return Effect::kRoutesUntold;
  view_.routes.erase(held);
  return Effect::kChanged;
}

NetlinkFollower::Effect NetlinkFollower::apply(const nlmsghdr* message) {
  switch (message->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return apply_link(message);
    case RTM_NEWADDR:
      if (const auto address = parse_kernel_address(message)) {
        return view_.addresses.insert(*address).second ? Effect::kChanged : Effect::kNone;
      }
      return Effect::kNone;
    case RTM_DELADDR:
      if (const auto address = parse_kernel_address(message)) view_.addresses.erase(*address);
      return Effect::kRoutesUntold;
    case RTM_NEWROUTE:
      if (auto route = parse_route(message)) {
        KernelRoute& held = view_.routes[key_of(*route)];
        if (held == *route) return Effect::kNone;
        held = std::move(*route);
        return Effect::kChanged;
      }
      return Effect::kNone;
    case RTM_DELROUTE:
      return apply_route_gone(message);
    case RTM_NEWNEIGH:
      if (const auto neighbour = parse_neighbour(message)) {
        KernelNeighbour& held = view_.neighbours[{neighbour->link, neighbour->address}];
        if (held == *neighbour) return Effect::kNone;
        held = *neighbour;
        return Effect::kChanged;
      }
      return Effect::kNone;
    case RTM_DELNEIGH:
      if (const auto neighbour = parse_neighbour(message)) {
        return view_.neighbours.erase({neighbour->link, neighbour->address}) > 0 ? Effect::kChanged
                                                                                 : Effect::kNone;
      }
      return Effect::kNone;
    case RTM_DELNEXTHOP:
      return Effect::kRoutesUntold;
    default:
      return Effect::kNone;
  }
}

}  // namespace sallyport::control
