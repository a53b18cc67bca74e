// SPDX-License-Identifier: BSD-3-Clause
// What is due when, by id: at most one time for each. O(log n), and nothing for what isn't due. Manager
// thread.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

namespace sallyport::dataplane {

class Deadlines {
 public:
  static constexpr uint64_t kNever = ~uint64_t{0};

  // Instead of the time that the id had.
  void set(uint32_t id, uint64_t due_ns) {
    auto [entry, is_new] = due_.try_emplace(id, due_ns);
    if (is_new) {
      order_.emplace(due_ns, id);
      return;
    }
    auto node = order_.extract({std::exchange(entry->second, due_ns), id});
    node.value().first = due_ns;
    order_.insert(std::move(node));
  }
  void cancel(uint32_t id) {
    const auto entry = due_.find(id);
    if (entry == due_.end()) return;
    order_.erase({entry->second, id});
    due_.erase(entry);
  }

  struct Due {
    uint32_t id;
    uint64_t due_ns;
  };
  // The earliest, where that is `now_ns` or before; it keeps its place until it is set or cancelled.
  std::optional<Due> first(uint64_t now_ns) const {
    if (next_ns() > now_ns) return std::nullopt;
    return Due{order_.begin()->second, order_.begin()->first};
  }
  uint64_t next_ns() const { return order_.empty() ? kNever : order_.begin()->first; }

 private:
  std::set<std::pair<uint64_t, uint32_t>> order_;
  std::unordered_map<uint32_t, uint64_t> due_;
};

}  // namespace sallyport::dataplane
