// SPDX-License-Identifier: BSD-3-Clause
// Requests of the dataplane's API as a hostile client would send them: whatever the bytes are, they are
// judged without reading beyond them, and what passes is as long as its type. A header that says what the
// bytes are is tried too, so that the fuzzer gets past it.
#include <cstdlib>
#include <vector>

#include "dataplane/manager/codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sallyport;
  // Aligned as the server's receive buffer is.
  std::vector<std::byte> message(size);
  if (size > 0) std::memcpy(message.data(), data, size);
  (void)dataplane::validate(message);
  if (size < sizeof(api::Header)) return 0;
  auto header = dataplane::as<api::Header>(message);
  header.magic = api::kMagic;
  header.version = api::kVersion;
  header.length = static_cast<uint32_t>(size);
  std::memcpy(message.data(), &header, sizeof header);
  const auto result = dataplane::validate(message);
  if (result.ok() && result.value() != header.type) std::abort();
  if (!result.ok() && result.failure().text.empty()) std::abort();
  return 0;
}
