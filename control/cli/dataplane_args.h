// SPDX-License-Identifier: BSD-3-Clause
// The command line of sallyport-dataplane that a configuration asks for. Pure.
#pragma once

#include <string>

#include "control/config/gateway.h"

namespace sallyport::cli {

// --workers 1,2 --idle poll --huge --memory 512 --slots 16384 --max-mtu 1500: words without blanks in them.
[[nodiscard]] std::string dataplane_args(const control::Gateway& gateway);

}  // namespace sallyport::cli
