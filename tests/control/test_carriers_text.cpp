// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include "control/carriers_text.h"

namespace sallyport::control {
namespace {

using Names = std::set<std::string>;

TEST(CarriersText, NamesAFew) {
  EXPECT_EQ(list_of(Names{"net-b-1", "net-a-1"}), "net-a-1, net-b-1");
  EXPECT_EQ(list_of(Names{"a", "b", "c", "d"}), "a, b, c, d");
  EXPECT_EQ(list_of(Names{"a", "b", "c", "d", "e"}), "a, b, c and 2 more");
  EXPECT_EQ(list_of({}), "");
}

TEST(CarriersText, TellsWhatChanged) {
  struct Case {
    Names before, now;
    const char* text;
  };
  const Case cases[] = {
      {{}, {"a", "b"}, "its traffic goes over a, b"},
      {{"a"}, {"b"}, "its traffic goes over b, no longer over a"},
      {{"a", "b"}, {"b"}, "its traffic goes over b, no longer over a"},
      {{"b"}, {"a", "b"}, "its traffic goes over a, b"},
      {{"a", "b"}, {"b", "c"}, "its traffic goes over b, c, no longer over a"},
      {{"a", "b"}, {}, "no tunnel carries its traffic"},
  };
  for (const Case& c : cases)
    EXPECT_EQ(carriers_changed(c.before, c.now), c.text);
}

}  // namespace
}  // namespace sallyport::control
