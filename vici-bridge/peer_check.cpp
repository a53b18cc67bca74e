// SPDX-License-Identifier: BSD-3-Clause
// Secrets are sent to and keys taken from these peers: SO_PEERCRED tells who they are. Any thread.
#include "vici-bridge/peer_check.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

namespace sallyport::vici {

Result<void> check_peer(int socket, const std::string& who) {
  ucred credentials{};
  socklen_t size_bytes = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size_bytes) != 0) {
    return Error{who + ": can't tell who listens: " + std::strerror(errno)};
  }
  if (credentials.uid == 0 || credentials.uid == geteuid()) return {};
  return Error{who + ": the listener runs as user " + std::to_string(credentials.uid) + ", not as root",
               "something else has taken the socket's place; remove it and start charon again"};
}

}  // namespace sallyport::vici
