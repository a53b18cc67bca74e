// SPDX-License-Identifier: BSD-3-Clause
// VICI bytes, written out by hand from the protocol's description, against encode and decode.
#include <gtest/gtest.h>

#include <set>

#include "vici-bridge/message.h"

namespace sallyport::vici {
namespace {

// Zero bytes included. Literals are split where a hex escape would read on.
template <size_t kSize>
Bytes raw(const char (&literal)[kSize]) {
  return Bytes(literal, literal + kSize - 1);
}

// version = 2, name = "", list = [a, bc], empty = [], outer { inner { k = v } none {} }
Bytes example_bytes() {
  return raw(
      "\x03\x07version\x00\x01"
      "2"
      "\x03\x04name\x00\x00"
      "\x04\x04list\x05\x00\x01"
      "a\x05\x00\x02"
      "bc\x06"
      "\x04\x05"
      "empty\x06"
      "\x01\x05outer\x01\x05inner\x03\x01k\x00\x01v\x02\x01\x04none\x02\x02");
}

Message example_message() {
  Message message;
  message.set("version", "2")
      .set("name", "")
      .set_list("list", {"a", "bc"})
      .set_list("empty", Message::List{});
  message.section("outer").section("inner").set("k", "v");
  message.section("outer").section("none");
  return message;
}

TEST(Codec, EncodesEveryElement) {
  const Result<Bytes> encoded = encode_message(example_message());
  ASSERT_TRUE(encoded) << encoded.error().text();
  EXPECT_EQ(*encoded, example_bytes());
}

TEST(Codec, DecodesEveryElement) {
  const Result<Message> decoded = decode_message(example_bytes());
  ASSERT_TRUE(decoded) << decoded.error().text();
  EXPECT_EQ(*decoded, example_message());
  EXPECT_EQ(decoded->number("version"), 2u);
  EXPECT_EQ(decoded->list("list"), (Message::List{"a", "bc"}));
  EXPECT_EQ(decoded->find_section("outer")->find_section("inner")->value("k"), "v");
  EXPECT_EQ(decoded->value("absent"), std::nullopt);
  EXPECT_EQ(decoded->value("list"), std::nullopt);
}

// A prefix is a message only where the root is between two elements.
TEST(Codec, RefusesEveryTruncation) {
  const Bytes whole = example_bytes();
  const std::set<size_t> complete = {0, 12, 20, 36, 44, whole.size()};
  for (size_t length = 0; length <= whole.size(); length++) {
    const Result<Message> decoded = decode_message(std::span(whole).first(length));
    EXPECT_EQ(decoded.ok(), complete.contains(length)) << "first " << length << " bytes";
  }
}

TEST(Codec, RefusesMalformedMessages) {
  struct Case {
    const char* what;
    Bytes bytes;
    const char* error;
  };
  const Case cases[] = {
      {"element 0", raw("\x00"), "element 0 out of place at byte 0"},
      {"element 7", raw("\x07\x01x"), "element 7 out of place at byte 0"},
      {"section end at the root", raw("\x03\x01k\x00\x00\x02"), "element 2 out of place at byte 5"},
      {"item outside a list", raw("\x05\x00\x00"), "element 5 out of place at byte 0"},
      {"list end outside a list", raw("\x06"), "element 6 out of place at byte 0"},
      {"key-value in a list", raw("\x04\x01l\x03\x01k\x00\x00\x06"), "element 3 inside a list at byte 3"},
      {"list in a list", raw("\x04\x01l\x04\x01m\x06\x06"), "element 4 inside a list at byte 3"},
      {"section in a list", raw("\x04\x01l\x01\x01s\x02\x06"), "element 1 inside a list at byte 3"},
      {"section end in a list", raw("\x01\x01s\x04\x01l\x02"), "element 2 inside a list at byte 6"},
      {"name beyond the end", raw("\x03\xffk"), "ends inside a name of 255 bytes at byte 2"},
      {"value beyond the end", raw("\x03\x01k\xff\xffv"), "ends inside a value of 65535 bytes at byte 5"},
  };
  for (const Case& c : cases) {
    const Result<Message> decoded = decode_message(c.bytes);
    ASSERT_FALSE(decoded) << c.what;
    EXPECT_NE(decoded.error().message.find(c.error), std::string::npos)
        << c.what << ": " << decoded.error().text();
  }
}

TEST(Codec, BoundsDepthAndSizes) {
  Bytes nested;
  for (size_t i = 0; i < kMaxSectionDepth; i++)
    nested.insert(nested.end(), {1, 0});
  Bytes closed = nested;
  closed.insert(closed.end(), kMaxSectionDepth, 2);
  EXPECT_TRUE(decode_message(closed));
  nested.insert(nested.end(), {1, 0});
  nested.insert(nested.end(), kMaxSectionDepth + 1, 2);
  EXPECT_FALSE(decode_message(nested));

  Message message;
  EXPECT_TRUE(encode_message(message.set(std::string(255, 'n'), std::string(65535, 'v'))));
  EXPECT_FALSE(encode_message(Message().set(std::string(256, 'n'), "")));
  EXPECT_FALSE(encode_message(Message().set("k", std::string(65536, 'v'))));
  EXPECT_FALSE(encode_message(Message().set_list("l", Message::List{std::string(65536, 'v')})));
  for (int i = 0; i < 8; i++)
    message.set("more", std::string(65535, 'v'));
  EXPECT_FALSE(encode_message(message));
  EXPECT_FALSE(encode_packet(PacketType::kRequest, std::string(256, 'c'), {}));
}

TEST(Codec, FramesPackets) {
  Message message;
  message.set("k", "v");
  struct Case {
    PacketType type;
    const char* name;
    Bytes bytes;  // with the length
  };
  const Case cases[] = {
      {PacketType::kRequest, "version", raw("\x00\x00\x00\x0f\x00\x07version\x03\x01k\x00\x01v")},
      {PacketType::kResponse, "", raw("\x00\x00\x00\x07\x01\x03\x01k\x00\x01v")},
      {PacketType::kUnknownCommand, "", raw("\x00\x00\x00\x01\x02")},
      {PacketType::kRegister, "log", raw("\x00\x00\x00\x05\x03\x03log")},
      {PacketType::kUnregister, "log", raw("\x00\x00\x00\x05\x04\x03log")},
      {PacketType::kConfirm, "", raw("\x00\x00\x00\x01\x05")},
      {PacketType::kUnknownEvent, "", raw("\x00\x00\x00\x01\x06")},
      {PacketType::kEvent, "log", raw("\x00\x00\x00\x0b\x07\x03log\x03\x01k\x00\x01v")},
  };
  for (const Case& c : cases) {
    const Result<Bytes> encoded = encode_packet(c.type, c.name, message);
    ASSERT_TRUE(encoded);
    EXPECT_EQ(*encoded, c.bytes) << int(c.type);
    const Result<Packet> decoded = decode_packet(std::span(c.bytes).subspan(4));
    ASSERT_TRUE(decoded) << decoded.error().text();
    EXPECT_EQ(decoded->type, c.type);
    EXPECT_EQ(decoded->name, c.name);
    EXPECT_EQ(decoded->message, c.bytes.size() > 9 || c.type == PacketType::kResponse ? message : Message());
  }
}

TEST(Codec, RefusesMalformedPackets) {
  EXPECT_FALSE(decode_packet({}));
  EXPECT_FALSE(decode_packet(raw("\x08")));
  EXPECT_FALSE(decode_packet(raw("\x05x")));
  EXPECT_FALSE(decode_packet(raw("\x07")));
  EXPECT_FALSE(decode_packet(raw("\x07\x04log")));
}

TEST(Message, WipesItsValues) {
  Message message;
  message.set("data", "secret").set_list("owners", {"gw", "peer"}).section("inner").set("k", "v");
  message.wipe();
  EXPECT_EQ(message.value("data"), std::string_view("\0\0\0\0\0\0", 6));
  EXPECT_EQ(message.list("owners"), (Message::List{std::string(2, '\0'), std::string(4, '\0')}));
  EXPECT_EQ(message.find_section("inner")->value("k"), std::string_view("\0", 1));
}

TEST(Message, ReadsNumbers) {
  Message message;
  message.set("spi", "c0ffee01").set("big", "18446744073709551615").set("over", "18446744073709551616");
  message.set("text", "12x").set("none", "");
  EXPECT_EQ(message.number("spi", 0, 16), 0xc0ffee01u);
  EXPECT_EQ(message.number("big"), UINT64_MAX);
  EXPECT_EQ(message.number("over", 7), 7u);
  EXPECT_EQ(message.number("text", 7), 7u);
  EXPECT_EQ(message.number("none", 7), 7u);
  EXPECT_EQ(message.number("absent", 7), 7u);
}

}  // namespace
}  // namespace sallyport::vici
