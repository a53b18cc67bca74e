// SPDX-License-Identifier: BSD-3-Clause
// Writes the handmade inputs into FOLDER/TARGET/NAME. Usage: make_seeds FOLDER
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/fuzz/seeds.h"

using namespace sallyport::dataplane::testing;

namespace {

void write_all(const std::filesystem::path& folder, const std::vector<Seed>& seeds) {
  std::filesystem::create_directories(folder);
  for (const Seed& seed : seeds) {
    std::ofstream stream(folder / seed.name, std::ios::binary);
    stream.write(reinterpret_cast<const char*>(seed.bytes.data()),
                 static_cast<std::streamsize>(seed.bytes.size()));
    if (!stream.flush()) std::exit(EXIT_FAILURE);
  }
  std::printf("%s: %zu\n", folder.c_str(), seeds.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_seeds FOLDER\n");
    return 2;
  }
  const std::filesystem::path folder = argv[1];
  write_all(folder / "fuzz_receive", receive_seeds());
  write_all(folder / "fuzz_receive", receive_ipv6_seeds());
  write_all(folder / "fuzz_esp_input", esp_input_seeds());
  write_all(folder / "fuzz_api", api_seeds());
  write_all(folder / "fuzz_feed", feed_seeds());
  write_all(folder / "fuzz_vici", vici_seeds());
  return 0;
}
