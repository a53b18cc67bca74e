// SPDX-License-Identifier: BSD-3-Clause
#include "control/namespace_claim.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <system_error>

namespace sallyport::control {
namespace {

constexpr std::string_view kName{"\0sallyport-gateway", 18};  // scripts/gateway looks for it, too
constexpr socklen_t kLength = offsetof(sockaddr_un, sun_path) + kName.size();

sockaddr_un address() {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, kName.data(), kName.size());
  return name;
}

// 0: it ended meanwhile.
pid_t holder() {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un name = address();
  ucred peer{};
  socklen_t length = sizeof peer;
  if (fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&name), kLength) != 0 ||
      ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) {
    peer.pid = 0;
  }
  if (fd >= 0) ::close(fd);
  return peer.pid;
}

}  // namespace

NamespaceClaim::NamespaceClaim() : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const sockaddr_un name = address();
  const bool bound = fd_ >= 0 && ::bind(fd_, reinterpret_cast<const sockaddr*>(&name), kLength) == 0 &&
                     ::listen(fd_, 1) == 0;
  if (bound) return;
  const int error = errno;
  if (fd_ >= 0) ::close(fd_);
  if (error != EADDRINUSE) throw std::system_error(error, std::generic_category(), "claim of the namespace");
  throw std::runtime_error(
      fmt::format("another gateway runs in this network namespace (sallyportd, process {}): stop it, or give "
                  "this one a namespace of its own",
                  holder()));
}

NamespaceClaim::~NamespaceClaim() {
  ::close(fd_);
}

}  // namespace sallyport::control
