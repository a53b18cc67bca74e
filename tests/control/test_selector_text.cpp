// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include "control/addresses.h"
#include "control/selector_text.h"

namespace sallyport::control {
namespace {

api::Selector range(const char* from, const char* to) {
  api::Selector selector{};
  selector.family = to_api(*parse_address(from)).family;
  selector.from = to_api(*parse_address(from)).bytes;
  selector.to = to_api(*parse_address(to)).bytes;
  selector.port_to = 65535;
  return selector;
}

TEST(SelectorText, APrefixIsWrittenAsOne) {
  EXPECT_EQ(selector_text(range("0.0.0.0", "255.255.255.255")), "0.0.0.0/0");
  EXPECT_EQ(selector_text(range("10.20.0.0", "10.20.255.255")), "10.20.0.0/16");
  EXPECT_EQ(selector_text(range("10.20.0.64", "10.20.0.79")), "10.20.0.64/28");
  EXPECT_EQ(selector_text(range("10.20.0.7", "10.20.0.7")), "10.20.0.7/32");
  EXPECT_EQ(selector_text(range("2001:db8::", "2001:db8:0:ffff:ffff:ffff:ffff:ffff")), "2001:db8::/48");
  EXPECT_EQ(selector_text(range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")), "::/0");
}

TEST(SelectorText, AnotherRangeHasBothEnds) {
  EXPECT_EQ(selector_text(range("10.20.0.1", "10.20.0.2")), "10.20.0.1-10.20.0.2");
  EXPECT_EQ(selector_text(range("10.20.0.0", "10.20.0.4")), "10.20.0.0-10.20.0.4");
  EXPECT_EQ(selector_text(range("10.20.0.0", "10.21.0.255")), "10.20.0.0-10.21.0.255");
  EXPECT_EQ(selector_text(range("10.20.1.0", "10.20.2.255")), "10.20.1.0-10.20.2.255");
  EXPECT_EQ(selector_text(range("2001:db8::1", "2001:db8::4")), "2001:db8::1-2001:db8::4");
}

TEST(SelectorText, ProtocolAndPortsFollow) {
  auto selector = range("10.20.1.0", "10.20.1.255");
  selector.protocol = 6;
  EXPECT_EQ(selector_text(selector), "10.20.1.0/24[6]");
  selector.port_from = selector.port_to = 443;
  EXPECT_EQ(selector_text(selector), "10.20.1.0/24[6/443]");
  selector.port_to = 450;
  EXPECT_EQ(selector_text(selector), "10.20.1.0/24[6/443-450]");
}

}  // namespace
}  // namespace sallyport::control
