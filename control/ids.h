// SPDX-License-Identifier: BSD-3-Clause
// Stable numbers for named things of the dataplane: a name keeps its id for as long as it is in use, and ids
// that the dataplane already has are adopted, so that a restarted sallyportd changes nothing. A freed id is
// given away again only after all others, so that nothing that still refers to it can mean something else.
// Main thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>

namespace sallyport::control {

class IdPool {
 public:
  // Ids from first up to and including last.
  IdPool(uint32_t first, uint32_t last) : first_(first), last_(last), next_(first) {}

  // The name's id; a free one when it has none yet. Throws when all are taken.
  uint32_t id_of(const std::string& name) {
    if (const auto it = ids_.find(name); it != ids_.end()) return it->second;
    if (names_.size() > last_ - first_) throw std::length_error("no id left for " + name);
    while (names_.contains(next_))
      advance();
    const uint32_t id = next_;
    advance();
    ids_[name] = id;
    names_[id] = name;
    return id;
  }

  [[nodiscard]] std::optional<uint32_t> find(const std::string& name) const {
    const auto it = ids_.find(name);
    if (it == ids_.end()) return std::nullopt;
    return it->second;
  }

  [[nodiscard]] std::string name_of(uint32_t id) const {
    const auto it = names_.find(id);
    return it == names_.end() ? std::string() : it->second;
  }

  // Takes over an id found in a dump; false when the name or the id is already another's.
  bool adopt(const std::string& name, uint32_t id) {
    if (id < first_ || id > last_ || ids_.contains(name) || names_.contains(id)) return false;
    ids_[name] = id;
    names_[id] = name;
    if (id == next_) advance();
    return true;
  }

  void release(const std::string& name) {
    const auto it = ids_.find(name);
    if (it == ids_.end()) return;
    names_.erase(it->second);
    ids_.erase(it);
  }

  // Frees every id whose name is not in `used`.
  void release_all_but(const std::set<std::string>& used) {
    std::erase_if(ids_, [&](const auto& entry) {
      if (used.contains(entry.first)) return false;
      names_.erase(entry.second);
      return true;
    });
  }

 private:
  void advance() { next_ = next_ == last_ ? first_ : next_ + 1; }

  uint32_t first_, last_, next_;
  std::map<std::string, uint32_t> ids_;
  std::map<uint32_t, std::string> names_;
};

}  // namespace sallyport::control
