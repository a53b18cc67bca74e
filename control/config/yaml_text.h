// SPDX-License-Identifier: BSD-3-Clause
// YAML text -> the tree of its only document. Any thread.
#pragma once

#include <yaml-cpp/yaml.h>

#include <optional>
#include <string>

namespace sallyport::control {

struct YamlDocument {
  YAML::Node root;
  std::optional<YAML::Mark> second;  // where something follows that is not part of it
};

// Throws YAML::Exception with the mark of the mistake.
[[nodiscard]] YamlDocument load_document(const std::string& text);

}  // namespace sallyport::control
