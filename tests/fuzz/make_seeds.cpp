// SPDX-License-Identifier: BSD-3-Clause
// Writes the handmade inputs into FOLDER/TARGET/NAME, or with --check says which of the files there are not
// what it would write. Usage: make_seeds [--check] FOLDER
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/fuzz/seeds.h"

using namespace sallyport::dataplane::testing;

namespace {

bool write_seed(const std::filesystem::path& file, const Bytes& bytes) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream stream(file, std::ios::binary);
  stream.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (stream.flush()) return true;
  std::fprintf(stderr, "make_seeds: %s can't be written\n", file.c_str());
  return false;
}

bool check_seed(const std::filesystem::path& file, const Bytes& bytes) {
  std::ifstream stream(file, std::ios::binary);
  const Bytes there{std::istreambuf_iterator<char>(stream), {}};
  if (stream && there == bytes) return true;
  std::fprintf(stderr, "make_seeds: %s is missing or old; make_seeds tests/fuzz/corpus writes it\n",
               file.c_str());
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  const bool checks = argc == 3 && std::strcmp(argv[1], "--check") == 0;
  if (argc != 2 && !checks) {
    std::fprintf(stderr, "usage: make_seeds [--check] FOLDER\n");
    return 2;
  }
  const std::filesystem::path folder = argv[argc - 1];
  bool good = true;
  const auto take = [&](const char* target, const std::vector<Seed>& seeds) {
    for (const Seed& seed : seeds)
      good &= (checks ? check_seed : write_seed)(folder / target / seed.name, seed.bytes);
  };
  take("fuzz_receive", receive_seeds());
  take("fuzz_receive", receive_ipv6_seeds());
  take("fuzz_esp_input", esp_input_seeds());
  take("fuzz_api", api_seeds());
  take("fuzz_feed", feed_seeds());
  take("fuzz_vici", vici_seeds());
  return good ? 0 : 1;
}
