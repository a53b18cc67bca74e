// SPDX-License-Identifier: BSD-3-Clause
// A VICI message and its encoding: named values, lists and nested sections, and the packets that carry them.
// Pure values, any thread. Format: strongSwan's src/libcharon/plugins/vici/README.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "vici-bridge/result.h"

namespace sallyport::vici {

inline constexpr size_t kMaxPacketBytes = 512 * 1024;  // charon refuses more; the length field not counted
inline constexpr size_t kMaxNameBytes = 255;
inline constexpr size_t kMaxValueBytes = 65535;
inline constexpr size_t kMaxSectionDepth = 16;

using Bytes = std::vector<uint8_t>;

// One section; the root of a message is a section without a name. Order is kept. Values are bytes, usually
// text.
class Message {
 public:
  struct Entry;
  using List = std::vector<std::string>;

  Message();
  ~Message();
  Message(const Message&);
  Message(Message&&) noexcept;
  Message& operator=(const Message&);
  Message& operator=(Message&&) noexcept;

  // Building. A name is appended; section() returns the existing section of that name if there is one. The
  // reference is valid until the next call that adds to this section.
  Message& set(std::string_view name, std::string_view value);
  Message& set_list(std::string_view name, List values);
  Message& section(std::string_view name);
  Message& append_section(std::string_view name);  // always a new one

  // Reading. Null, nullopt or empty when there is no such name, or when it is of another kind.
  std::optional<std::string_view> value(std::string_view name) const;
  std::string_view value_or(std::string_view name, std::string_view fallback) const;
  uint64_t number(std::string_view name, uint64_t fallback = 0, int base = 10) const;
  bool is_yes(std::string_view name) const;
  const List& list(std::string_view name) const;
  const Message* find_section(std::string_view name) const;
  const std::vector<Entry>& entries() const { return entries_; }
  bool empty() const { return entries_.empty(); }

  // Overwrites every value with zeros, for messages that carried a secret.
  void wipe();

  bool operator==(const Message& other) const;

 private:
  template <typename T>
  const T* find(std::string_view name) const;
  std::vector<Entry> entries_;
};

struct Message::Entry {
  std::string name;
  std::variant<std::string, List, Message> content;
  bool operator==(const Entry& other) const { return name == other.name && content == other.content; }
};

enum class PacketType : uint8_t {
  kRequest = 0,
  kResponse,
  kUnknownCommand,
  kRegister,
  kUnregister,
  kConfirm,
  kUnknownEvent,
  kEvent,
};

struct Packet {
  PacketType type = PacketType::kResponse;
  std::string name{};  // of the command or event; empty for the types that carry none
  Message message{};
};

// The elements alone. Errors name the byte offset within `bytes`; everything after the root's end is an
// error.
Result<Message> decode_message(std::span<const uint8_t> bytes);
// Fails when a name, value, nesting or the whole exceeds the limits above.
Result<Bytes> encode_message(const Message& message);

// A packet without its length field.
Result<Packet> decode_packet(std::span<const uint8_t> bytes);
// A packet with its length field, ready to write.
Result<Bytes> encode_packet(PacketType type, std::string_view name, const Message& message);

}  // namespace sallyport::vici
