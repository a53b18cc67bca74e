// SPDX-License-Identifier: BSD-3-Clause
// Turns a table in order of its ids into a dump that survives changes of the table between two items. Manager
// thread.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/manager/api_server.h"

namespace sallyport::dataplane {

template <typename Message>
Bytes bytes_of(Message message) {
  message.header.length = api::wire_bytes(message);
  const auto bytes = std::as_bytes(std::span(&message, 1)).first(message.header.length);
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

// As above for a table of pointers by id, which never changes its size.
template <typename Record, typename Describe>
DumpSource dump_of_table(const std::vector<std::unique_ptr<Record>>& table, Describe describe) {
  return [&table, describe, next = uint32_t{0}]() mutable -> std::optional<Bytes> {
    while (next < table.size() && table[next] == nullptr)
      ++next;
    if (next == table.size()) return std::nullopt;
    const uint32_t id = next++;
    return bytes_of(describe(id, *table[id]));
  };
}

}  // namespace sallyport::dataplane
