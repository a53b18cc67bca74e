// SPDX-License-Identifier: BSD-3-Clause
// Follows links, addresses, routes and neighbours of one network namespace. A lost notification (ENOBUFS) or
// a change that the kernel doesn't spell out leads to a new dump; what it no longer lists is gone. Main
// thread.
#pragma once

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <functional>

#include "control/kernel_view.h"
#include "control/rtnetlink.h"

namespace sallyport::control {

class NetlinkFollower {
 public:
  // Dumps everything at once; throws std::system_error. on_change is called after each batch of changes,
  // never from here.
  NetlinkFollower(asio::io_context& io, const NetnsName& netns, std::function<void()> on_change);
  ~NetlinkFollower();
  NetlinkFollower(const NetlinkFollower&) = delete;
  NetlinkFollower& operator=(const NetlinkFollower&) = delete;

  [[nodiscard]] const KernelView& view() const { return view_; }
  // For changes in the same namespace.
  [[nodiscard]] RtNetlink& netlink() { return netlink_; }

 private:
  enum class Effect : uint8_t { kNone, kChanged, kRoutesUntold };

  void dump_all();
  void dump_routes();
  void wait();
  void read_batch();
  Effect apply(const nlmsghdr* message);
  Effect apply_link(const nlmsghdr* message);
  Effect apply_route_gone(const nlmsghdr* message);

  RtNetlink netlink_;
  asio::posix::stream_descriptor socket_;
  std::function<void()> on_change_;
  KernelView view_;
};

}  // namespace sallyport::control
