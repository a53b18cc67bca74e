// SPDX-License-Identifier: BSD-3-Clause
// What the process gives up before it holds any key: core dumps, ptrace by others, new privileges. Main
// thread.
#pragma once

#include "dataplane/manager/failure.h"

namespace sallyport::dataplane {

Failure harden_process();

}  // namespace sallyport::dataplane
