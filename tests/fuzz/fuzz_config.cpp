// SPDX-License-Identifier: BSD-3-Clause
// Any text as a configuration: no crash, every mistake has a place, and what is accepted differs from itself
// in nothing.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "control/config/diff.h"
#include "control/config/parse.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sallyport::control;
  const ParseResult result = parse({reinterpret_cast<const char*>(data), size}, "fuzz.yaml", "/nonexistent");
  for (const ConfigError& error : result.errors) {
    if (error.line == 0 || error.column == 0 || error.to_string().empty()) abort();
  }
  if (!diff(result.gateway, result.gateway).empty()) abort();
  (void)diff({}, result.gateway);
  if (!touched(result.gateway, result.gateway).ports.empty()) abort();
  return 0;
}
