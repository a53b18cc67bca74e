// SPDX-License-Identifier: BSD-3-Clause
// Answers of sallyportd's API (JSON) -> the text of `sallyport show NOUN`. Pure. A field that an answer lacks
// is shown as "-", so that the CLI and sallyportd can be upgraded apart.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "control/cli/table.h"

namespace sallyport::cli {

using Json = nlohmann::json;

enum class DropRows : uint8_t { kNonZero, kAll };

struct ShowStyle {
  Colours colours = Colours::kOff;
  DropRows drop_rows = DropRows::kNonZero;
};

// The nouns that show() knows, each also the last part of its API path.
[[nodiscard]] const std::vector<std::string>& show_nouns();
[[nodiscard]] std::string show(const std::string& noun, const Json& answer, const ShowStyle& style);

// The difference between two configurations, one line for each value.
[[nodiscard]] std::string diff_text(const Json& changes, Colours colours);
// file:line:column: message, and the hint on a line of its own.
[[nodiscard]] std::string config_error_text(const Json& error);

}  // namespace sallyport::cli
