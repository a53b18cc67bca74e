// SPDX-License-Identifier: BSD-3-Clause
// libFuzzer: bursts of packets to a whole gateway, what the oracle sealed among them, from classification to
// the manager's exceptions; receive_script.h has the input's form, receive_player.h what is held to.
#include <cstdlib>

#include "tests/fuzz/receive_player.h"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  if (!sallyport::dataplane::testing::start_player()) abort();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static sallyport::dataplane::testing::ReceivePlayer player;
  player.play({data, size});
  return 0;
}
