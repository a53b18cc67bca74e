// SPDX-License-Identifier: BSD-3-Clause
// How many objects of the API refer to another one, so that nothing is deleted from under them. Manager
// thread.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "dataplane/manager/failure.h"

namespace sallyport::dataplane {

enum class ObjectKind : uint8_t { kPort, kVrf, kNeighbour, kGroup, kTunnel };

class References {
 public:
  void add(ObjectKind kind, uint32_t id) { ++counts_[key(kind, id)]; }
  void drop(ObjectKind kind, uint32_t id) {
    const auto it = counts_.find(key(kind, id));
    if (it != counts_.end() && --it->second == 0) counts_.erase(it);
  }
  // kInUse while something refers to the object.
  Failure check_unused(ObjectKind kind, uint32_t id, const char* what, const char* users) const {
    const auto it = counts_.find(key(kind, id));
    if (it == counts_.end()) return success();
    return {api::Error::kInUse, std::string(what) + " " + std::to_string(id) + " is referred to by " +
                                    std::to_string(it->second) + " " + users + "; delete those first"};
  }

 private:
  static uint64_t key(ObjectKind kind, uint32_t id) {
    return uint64_t{static_cast<uint8_t>(kind)} << 32 | id;
  }

  std::unordered_map<uint64_t, uint32_t> counts_;
};

}  // namespace sallyport::dataplane
