// SPDX-License-Identifier: BSD-3-Clause
// The answer of the API to `sallyport why` as sentences. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "control/cli/table.h"

namespace sallyport::cli {

// One line for each tunnel: its name, why it is up or down, and what to do.
[[nodiscard]] std::string why_text(const nlohmann::json& answer, Colours colours);

}  // namespace sallyport::cli
