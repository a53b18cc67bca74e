// SPDX-License-Identifier: BSD-3-Clause
// gateway.yaml's text -> Gateway, or every mistake in it with its place and what to do. Reads the files that
// auth refers to (their mode and whether they are there) and nothing else. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "control/config/gateway.h"

namespace sallyport::control {

struct ConfigError {
  std::string file;
  uint32_t line = 0;  // from 1
  uint32_t column = 0;
  std::string message;
  std::string hint;  // what to do; may be empty

  [[nodiscard]] std::string to_string() const;  // file:line:column: message (hint)
  bool operator==(const ConfigError&) const = default;
};

struct ParseResult {
  Gateway gateway;                  // only meaningful without errors
  std::vector<ConfigError> errors;  // by line and column
  [[nodiscard]] bool ok() const { return errors.empty(); }
};

// file_name is for messages only; relative secrets are looked up in base_dir.
[[nodiscard]] ParseResult parse(std::string_view text, const std::string& file_name,
                                const std::string& base_dir);

}  // namespace sallyport::control
