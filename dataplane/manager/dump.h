// SPDX-License-Identifier: BSD-3-Clause
// Turns an ordered table into a dump that survives changes of the table between two items. Manager thread.
#pragma once

#include <optional>
#include <span>

#include "dataplane/manager/api_server.h"

namespace sallyport::dataplane {

template <typename Message>
Bytes bytes_of(const Message& message) {
  const auto bytes = std::as_bytes(std::span(&message, 1));
  return {bytes.begin(), bytes.end()};
}

// `table` is a std::map and outlives the source; `describe(key, value)` gives the item's message.
template <typename Map, typename Describe>
DumpSource dump_of(const Map& table, Describe describe) {
  return
      [&table, describe, last = std::optional<typename Map::key_type>()]() mutable -> std::optional<Bytes> {
        const auto it = last ? table.upper_bound(*last) : table.begin();
        if (it == table.end()) return std::nullopt;
        last = it->first;
        return bytes_of(describe(it->first, it->second));
      };
}

}  // namespace sallyport::dataplane
