// SPDX-License-Identifier: BSD-3-Clause
// rtnetlink (RFC 3549) of one network namespace: typed dumps and changes, each waiting for the kernel's
// answer. The socket is opened inside the namespace and then used from any one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "control/config/ip.h"
#include "control/netns.h"
#include "dataplane/api/messages.h"

struct nl_sock;
struct nl_msg;
struct nlmsghdr;

namespace sallyport::control {

inline constexpr uint8_t kRouteProtocol = 83;  // in the kernel: routes, rules, addresses of sallyportd's

struct KernelLink {
  uint32_t index = 0;
  std::string name;
  bool up = false;  // administratively
  bool running = false;
  uint32_t mtu_bytes = 0;
  api::Mac mac{};
  bool operator==(const KernelLink&) const = default;
};

struct KernelAddress {
  uint32_t link = 0;
  InterfaceAddress address;
  auto operator<=>(const KernelAddress&) const = default;
};

struct KernelNextHop {
  uint32_t link = 0;
  std::optional<IpAddress> via;
  uint32_t weight = 1;
  auto operator<=>(const KernelNextHop&) const = default;
};

enum class KernelRouteKind : uint8_t { kUnicast, kDrop };

// Where it points: unicast routes have one or more next hops.
struct KernelRoute {
  uint32_t table = 254;
  IpPrefix prefix;
  uint32_t metric = 0;
  uint8_t protocol = 0;
  KernelRouteKind kind = KernelRouteKind::kUnicast;
  std::vector<KernelNextHop> next_hops;
  bool operator==(const KernelRoute&) const = default;
};

enum class NeighbourState : uint8_t { kNone, kIncomplete, kReachable, kStale, kProbing, kFailed, kPermanent };
[[nodiscard]] const char* to_string(NeighbourState state);

struct KernelNeighbour {
  uint32_t link = 0;
  IpAddress address;
  api::Mac mac{};  // all zero: not known
  NeighbourState state = NeighbourState::kNone;
  bool managed = false;
  bool operator==(const KernelNeighbour&) const = default;
};

struct KernelRule {
  IpAddress source;
  uint32_t table = 0, priority = 0;
  auto operator<=>(const KernelRule&) const = default;
};

// Of one message; nothing for kinds that the gateway has no use for (multicast, cloned, bridges...).
[[nodiscard]] std::optional<KernelLink> parse_link(const nlmsghdr* message);
[[nodiscard]] std::optional<KernelAddress> parse_kernel_address(const nlmsghdr* message);
[[nodiscard]] std::optional<KernelRoute> parse_route(const nlmsghdr* message);
[[nodiscard]] std::optional<KernelNeighbour> parse_neighbour(const nlmsghdr* message);

// Every failure throws std::system_error with what was attempted.
class RtNetlink {
 public:
  explicit RtNetlink(const NetnsName& netns);
  ~RtNetlink();
  RtNetlink(const RtNetlink&) = delete;
  RtNetlink& operator=(const RtNetlink&) = delete;

  // Calls back with each message of the dump; type is RTM_GETLINK, RTM_GETADDR...
  void dump(int type, const std::function<void(const nlmsghdr*)>& on_message);

  [[nodiscard]] std::optional<KernelLink> find_link(const std::string& name);
  [[nodiscard]] std::vector<KernelAddress> addresses();
  // Those of them that add_address() made, in this life or an earlier one (IFA_PROTO, Linux 5.18).
  [[nodiscard]] std::vector<KernelAddress> own_addresses();
  [[nodiscard]] std::vector<KernelRoute> routes();
  [[nodiscard]] std::vector<KernelRule> own_rules();

  void set_link_up(uint32_t link);
  void set_link_mac(uint32_t link, const api::Mac& mac);
  void set_link_mtu(uint32_t link, uint32_t mtu_bytes);
  void delete_link(uint32_t link);
  void add_address(const KernelAddress& address);
  void delete_address(const KernelAddress& address);
  // Replaces a route of the same prefix, table and metric. A via need not be on a link's prefix (onlink).
  void replace_route(const KernelRoute& route);
  void delete_route(const KernelRoute& route);
  void add_rule(const KernelRule& rule);
  void delete_rule(const KernelRule& rule);
  // The kernel resolves it now, once.
  void resolve_neighbour(uint32_t link, const IpAddress& address);
  // The kernel resolves it now, and goes on doing so though it sees no traffic (NTF_EXT_MANAGED).
  void manage_neighbour(uint32_t link, const IpAddress& address);
  void delete_neighbour(uint32_t link, const IpAddress& address);

 private:
  void change(nl_msg* message, const std::string& what, int ignored_error = 0);
  void change_route(const KernelRoute& route, int type, int flags, int ignored_error);
  void change_rule(const KernelRule& rule, int type, int flags, int ignored_error);
  nl_sock* socket_;
};

}  // namespace sallyport::control
