// SPDX-License-Identifier: BSD-3-Clause
// VICI messages and packets as bytes: the elements of a message are a type byte, a name with an 8-bit length
// and a value with a 16-bit length. Pure functions, any thread.
#include "vici-bridge/message.h"
#include "vici-bridge/wipe.h"

namespace sallyport::vici {
namespace {

enum Element : uint8_t {
  kSectionStart = 1,
  kSectionEnd = 2,
  kKeyValue = 3,
  kListStart = 4,
  kListItem = 5,
  kListEnd = 6,
};

Error at(size_t offset, const std::string& what) {
  return Error{"VICI message: " + what + " at byte " + std::to_string(offset)};
}

class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes, size_t offset = 0) : bytes_(bytes), offset_(offset) {}

  bool at_end() const { return offset_ == bytes_.size(); }
  size_t offset() const { return offset_; }

  // The caller has checked at_end().
  uint8_t byte() { return bytes_[offset_++]; }

  Result<std::string> name() {
    if (at_end()) return at(offset_, "ends before a name's length");
    const size_t length = byte();
    return text(length, "name");
  }

  Result<std::string> value() {
    if (bytes_.size() - offset_ < 2) return at(offset_, "ends before a value's length");
    const size_t high = byte();
    return text(high << 8 | byte(), "value");
  }

 private:
  Result<std::string> text(size_t length, const char* what) {
    if (bytes_.size() - offset_ < length) {
      return at(offset_, std::string("ends inside a ") + what + " of " + std::to_string(length) + " bytes");
    }
    const uint8_t* start = bytes_.data() + offset_;
    offset_ += length;
    return std::string(start, start + length);
  }

  std::span<const uint8_t> bytes_;
  size_t offset_;
};

Result<Message::List> read_list(Reader& reader) {
  Message::List items;
  while (!reader.at_end()) {
    const size_t offset = reader.offset();
    const uint8_t type = reader.byte();
    if (type == kListEnd) return items;
    if (type != kListItem) return at(offset, "element " + std::to_string(type) + " inside a list");
    Result<std::string> item = reader.value();
    if (!item) return item.error();
    items.push_back(std::move(*item));
  }
  return at(reader.offset(), "ends inside a list");
}

Result<void> read_section(Reader& reader, size_t depth, Message& section);

Result<void> read_element(Reader& reader, uint8_t type, size_t depth, Message& section) {
  const size_t offset = reader.offset() - 1;
  if (type != kSectionStart && type != kKeyValue && type != kListStart) {
    return at(offset, "element " + std::to_string(type) + " out of place");
  }
  Result<std::string> name = reader.name();
  if (!name) return name.error();
  if (type == kKeyValue) {
    Result<std::string> value = reader.value();
    if (!value) return value.error();
    section.set(*name, *value);
    return {};
  }
  if (type == kListStart) {
    Result<Message::List> items = read_list(reader);
    if (!items) return items.error();
    section.set_list(*name, std::move(*items));
    return {};
  }
  if (depth == kMaxSectionDepth) return at(offset, "sections nested too deep");
  return read_section(reader, depth + 1, section.append_section(*name));
}

// Depth 0 is the root, which the end of the bytes closes; the others have an end element.
Result<void> read_section(Reader& reader, size_t depth, Message& section) {
  while (!reader.at_end()) {
    const uint8_t type = reader.byte();
    if (type == kSectionEnd && depth > 0) return {};
    if (Result<void> done = read_element(reader, type, depth, section); !done) return done;
  }
  if (depth > 0) return at(reader.offset(), "ends inside a section");
  return {};
}

// What a writer could not encode is remembered as its first error.
// What it holds when it goes, after an error, may be a secret.
class Writer {
 public:
  Bytes bytes{};
  std::optional<Error> error{};

  ~Writer() { wipe(bytes); }

  void name(std::string_view name) {
    if (name.size() > kMaxNameBytes) return refuse("a name of " + std::to_string(name.size()) + " bytes");
    bytes.push_back(uint8_t(name.size()));
    bytes.insert(bytes.end(), name.begin(), name.end());
  }

  void value(std::string_view value) {
    if (value.size() > kMaxValueBytes) return refuse("a value of " + std::to_string(value.size()) + " bytes");
    bytes.push_back(uint8_t(value.size() >> 8));
    bytes.push_back(uint8_t(value.size()));
    bytes.insert(bytes.end(), value.begin(), value.end());
  }

  void section(const Message& section, size_t depth) {
    if (depth > kMaxSectionDepth) return refuse("sections nested too deep");
    for (const Message::Entry& entry : section.entries()) {
      if (error) return;
      write(entry, depth);
    }
  }

  void refuse(const std::string& what) {
    if (!error) error = Error{"VICI message: " + what + " can't be sent"};
  }

 private:
  void write(const Message::Entry& entry, size_t depth) {
    if (const auto* text = std::get_if<std::string>(&entry.content)) {
      bytes.push_back(kKeyValue);
      name(entry.name);
      value(*text);
    } else if (const auto* items = std::get_if<Message::List>(&entry.content)) {
      bytes.push_back(kListStart);
      name(entry.name);
      for (const std::string& item : *items) {
        bytes.push_back(kListItem);
        value(item);
      }
      bytes.push_back(kListEnd);
    } else {
      bytes.push_back(kSectionStart);
      name(entry.name);
      section(std::get<Message>(entry.content), depth + 1);
      bytes.push_back(kSectionEnd);
    }
  }
};

// Each element is counted at its largest framing, so that a writer never reallocates and leaves a secret
// behind.
size_t size_bound_bytes(const Message& section) {
  size_t bytes = 0;
  for (const Message::Entry& entry : section.entries()) {
    bytes += 8 + entry.name.size();
    if (const auto* text = std::get_if<std::string>(&entry.content)) {
      bytes += text->size();
    } else if (const auto* items = std::get_if<Message::List>(&entry.content)) {
      for (const std::string& item : *items)
        bytes += 3 + item.size();
    } else {
      bytes += size_bound_bytes(std::get<Message>(entry.content));
    }
  }
  return bytes;
}

bool has_name(PacketType type) {
  return type == PacketType::kRequest || type == PacketType::kRegister || type == PacketType::kUnregister ||
         type == PacketType::kEvent;
}

bool has_message(PacketType type) {
  return type == PacketType::kRequest || type == PacketType::kResponse || type == PacketType::kEvent;
}

Result<Message> read_message(Reader& reader) {
  Message message;
  if (Result<void> done = read_section(reader, 0, message); !done) return done.error();
  return message;
}

}  // namespace

Result<Message> decode_message(std::span<const uint8_t> bytes) {
  if (bytes.size() > kMaxPacketBytes) return at(kMaxPacketBytes, "longer than allowed");
  Reader reader(bytes);
  return read_message(reader);
}

Result<Bytes> encode_message(const Message& message) {
  Writer writer;
  writer.bytes.reserve(size_bound_bytes(message));
  writer.section(message, 0);
  if (writer.bytes.size() > kMaxPacketBytes) writer.refuse("more than 512 KiB");
  if (writer.error) return *writer.error;
  return std::move(writer.bytes);
}

Result<Packet> decode_packet(std::span<const uint8_t> bytes) {
  if (bytes.empty()) return at(0, "empty packet");
  if (bytes.size() > kMaxPacketBytes) return at(kMaxPacketBytes, "longer than allowed");
  if (bytes[0] > uint8_t(PacketType::kEvent)) {
    return at(0, "unknown packet type " + std::to_string(bytes[0]));
  }
  Packet packet{.type = PacketType(bytes[0])};
  Reader reader(bytes, 1);
  if (has_name(packet.type)) {
    Result<std::string> name = reader.name();
    if (!name) return name.error();
    packet.name = std::move(*name);
  }
  if (!has_message(packet.type)) {
    if (!reader.at_end()) return at(reader.offset(), "trailing bytes");
    return packet;
  }
  Result<Message> message = read_message(reader);
  if (!message) return message.error();
  packet.message = std::move(*message);
  return packet;
}

Result<Bytes> encode_packet(PacketType type, std::string_view name, const Message& message) {
  Writer writer;
  writer.bytes.reserve(4 + 2 + name.size() + size_bound_bytes(message));
  writer.bytes = {0, 0, 0, 0, uint8_t(type)};
  if (has_name(type)) writer.name(name);
  if (has_message(type)) writer.section(message, 0);
  const size_t length_bytes = writer.bytes.size() - 4;
  if (length_bytes > kMaxPacketBytes) writer.refuse("more than 512 KiB");
  if (writer.error) return *writer.error;
  for (int i = 0; i < 4; i++)
    writer.bytes[i] = uint8_t(length_bytes >> (24 - 8 * i));
  return std::move(writer.bytes);
}

}  // namespace sallyport::vici
