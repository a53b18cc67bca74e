// SPDX-License-Identifier: BSD-3-Clause
// NAT-T peers whose NAT moves them (RFC 3948 section 5, RFC 7296 section 2.23). Home worker.
#pragma once

#include "dataplane/esp/decapsulate.h"

namespace sallyport::dataplane {

struct PathContext;

// The peer is followed by the newest of its verified packets in UDP. Their outer headers still lie in front
// of the text that `job` decrypted.
void follow_peer(PathContext& context, const DecapPacket& packet, const CryptoJob& job);

}  // namespace sallyport::dataplane
