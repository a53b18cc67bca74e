// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include "control/ids.h"

namespace sallyport::control {
namespace {

TEST(IdPool, KeepsTheIdOfAName) {
  IdPool pool(1, 10);
  const uint32_t id = pool.id_of("a");
  EXPECT_NE(pool.id_of("b"), id);
  EXPECT_EQ(pool.id_of("a"), id);
}

TEST(IdPool, NeverGivesAnAdoptedIdToAnother) {
  IdPool pool(1, 3);
  ASSERT_TRUE(pool.adopt("found", 2));
  EXPECT_FALSE(pool.adopt("other", 2));
  EXPECT_FALSE(pool.adopt("outside", 4));
  EXPECT_NE(pool.id_of("x"), 2u);
  EXPECT_NE(pool.id_of("y"), 2u);
  EXPECT_EQ(pool.id_of("found"), 2u);
  EXPECT_THROW((void)pool.id_of("one too many"), std::length_error);
}

TEST(IdPool, UsesAFreedIdOnlyAfterAllOthers) {
  IdPool pool(1, 3);
  const uint32_t freed = pool.id_of("a");
  pool.release("a");
  EXPECT_NE(pool.id_of("b"), freed);
  EXPECT_NE(pool.id_of("c"), freed);
  EXPECT_EQ(pool.id_of("d"), freed);
}

TEST(IdPool, FreesWhatIsNotUsed) {
  IdPool pool(1, 2);
  (void)pool.id_of("a");
  (void)pool.id_of("b");
  pool.release_all_but({"b"});
  EXPECT_FALSE(pool.find("a"));
  EXPECT_EQ(pool.name_of(*pool.find("b")), "b");
  EXPECT_EQ(pool.name_of(1), "");
  EXPECT_EQ(pool.id_of("c"), 1u);
}

}  // namespace
}  // namespace sallyport::control
