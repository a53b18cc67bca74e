// SPDX-License-Identifier: BSD-3-Clause
// How many objects of the API refer to another one, so that nothing is deleted from under them. Manager
// thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/manager/failure.h"

namespace sallyport::dataplane {

enum class ObjectKind : uint8_t { kPort, kVrf, kNeighbour, kGroup, kTunnel };

class References {
 public:
  // Of an id that exists, or api::kNone, which nobody counts.
  void add(ObjectKind kind, uint32_t id) {
    if (id == api::kNone) return;
    auto& counts = counts_of(kind);
    if (id >= counts.size()) counts.resize(std::max<size_t>(id + 1, counts.size() * 2));
    ++counts[id];
  }
  void drop(ObjectKind kind, uint32_t id) {
    auto& counts = counts_of(kind);
    if (id < counts.size() && counts[id] > 0) --counts[id];
  }
  // kInUse while something refers to the object.
  Failure check_unused(ObjectKind kind, uint32_t id, const char* what, const char* users) const {
    const auto& counts = counts_.at(static_cast<size_t>(kind));
    if (id >= counts.size() || counts[id] == 0) return success();
    return {api::Error::kInUse, std::string(what) + " " + std::to_string(id) + " is referred to by " +
                                    std::to_string(counts[id]) + " " + users + "; delete those first"};
  }

 private:
  std::vector<uint32_t>& counts_of(ObjectKind kind) { return counts_.at(static_cast<size_t>(kind)); }

  std::array<std::vector<uint32_t>, 5> counts_;  // by kind, then by id; as long as the largest id so far
};

}  // namespace sallyport::dataplane
