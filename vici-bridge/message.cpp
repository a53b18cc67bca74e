// SPDX-License-Identifier: BSD-3-Clause
// The tree of a VICI message. Pure values, any thread.
#include "vici-bridge/message.h"

#include <string.h>

#include <charconv>

namespace sallyport::vici {

Message::Message() = default;
Message::~Message() = default;
Message::Message(const Message&) = default;
Message::Message(Message&&) noexcept = default;
Message& Message::operator=(const Message&) = default;
Message& Message::operator=(Message&&) noexcept = default;
bool Message::operator==(const Message& other) const {
  return entries_ == other.entries_;
}

// A name may be used once for each kind: the sections of an event are named by the operator, its values by
// charon.
template <typename T>
const T* Message::find(std::string_view name) const {
  for (const Entry& entry : entries_) {
    if (entry.name != name) continue;
    if (const T* content = std::get_if<T>(&entry.content)) return content;
  }
  return nullptr;
}

Message& Message::set(std::string_view name, std::string_view value) {
  entries_.push_back({std::string(name), std::string(value)});
  return *this;
}

Message& Message::set_list(std::string_view name, List values) {
  entries_.push_back({std::string(name), std::move(values)});
  return *this;
}

Message& Message::section(std::string_view name) {
  if (const Message* existing = find<Message>(name)) return const_cast<Message&>(*existing);
  return append_section(name);
}

Message& Message::append_section(std::string_view name) {
  entries_.push_back({std::string(name), Message()});
  return std::get<Message>(entries_.back().content);
}

std::optional<std::string_view> Message::value(std::string_view name) const {
  const std::string* found = find<std::string>(name);
  if (found == nullptr) return std::nullopt;
  return *found;
}

std::string_view Message::value_or(std::string_view name, std::string_view fallback) const {
  return value(name).value_or(fallback);
}

uint64_t Message::number(std::string_view name, uint64_t fallback, int base) const {
  const std::string* text = find<std::string>(name);
  if (text == nullptr || text->empty()) return fallback;
  uint64_t number = 0;
  const char* end = text->data() + text->size();
  auto [stop, code] = std::from_chars(text->data(), end, number, base);
  return code == std::errc() && stop == end ? number : fallback;
}

bool Message::is_yes(std::string_view name) const {
  return value(name) == "yes";
}

const Message::List& Message::list(std::string_view name) const {
  static const List kEmpty;
  const List* found = find<List>(name);
  return found == nullptr ? kEmpty : *found;
}

const Message* Message::find_section(std::string_view name) const {
  return find<Message>(name);
}

void Message::wipe() {
  for (Entry& entry : entries_) {
    if (auto* text = std::get_if<std::string>(&entry.content)) {
      explicit_bzero(text->data(), text->size());
    } else if (auto* items = std::get_if<List>(&entry.content)) {
      for (std::string& item : *items)
        explicit_bzero(item.data(), item.size());
    } else {
      std::get<Message>(entry.content).wipe();
    }
  }
}

}  // namespace sallyport::vici
