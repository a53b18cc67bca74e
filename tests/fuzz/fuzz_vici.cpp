// SPDX-License-Identifier: BSD-3-Clause
// libFuzzer: what charon's VICI socket may say, through decoding, re-encoding and every typed event.
#include <cstdlib>

#include "vici-bridge/commands.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sallyport::vici;
  const sallyport::Result<Packet> packet = decode_packet({data, size});
  if (!packet) return 0;

  // What can be decoded can be encoded, to the very same bytes.
  const sallyport::Result<Bytes> encoded = encode_packet(packet->type, packet->name, packet->message);
  if (!encoded || !std::equal(encoded->begin() + 4, encoded->end(), data, data + size)) abort();

  decode_ike_updown(packet->message);
  decode_child_updown(packet->message);
  decode_ike_rekey(packet->message);
  decode_child_rekey(packet->message);
  decode_log_line(packet->message);
  decode_connections(packet->message);
  return 0;
}
