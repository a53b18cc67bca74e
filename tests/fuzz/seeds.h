// SPDX-License-Identifier: BSD-3-Clause
// The handmade inputs of the fuzz targets, among them every hostile input that tests/CONFORMANCE.md lists.
#pragma once

#include <string>
#include <vector>

#include "tests/dataplane/packets.h"

namespace sallyport::dataplane::testing {

struct Seed {
  std::string name;  // of its file
  Bytes bytes;
};

std::vector<Seed> receive_seeds();
std::vector<Seed> receive_ipv6_seeds();
std::vector<Seed> esp_input_seeds();
std::vector<Seed> api_seeds();
std::vector<Seed> feed_seeds();
std::vector<Seed> vici_seeds();

}  // namespace sallyport::dataplane::testing
