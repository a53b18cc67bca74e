// SPDX-License-Identifier: BSD-3-Clause
// Who listens on the other end of a unix socket we connected. Any thread.
#pragma once

#include <string>

#include "vici-bridge/result.h"

namespace sallyport::vici {

// Ok when the listener ran as root, or as ourselves, when it called listen(); `who` names it in the error.
Result<void> check_peer(int socket, const std::string& who);

}  // namespace sallyport::vici
