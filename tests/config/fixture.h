// SPDX-License-Identifier: BSD-3-Clause
// A directory with the secrets that the configurations of these tests refer to.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "control/config/parse.h"

namespace sallyport::control {

class ConfigTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "sallyport-config-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    std::filesystem::create_directory(directory_ + "/secrets");
    write("secrets/berlin.psk", "correct horse battery staple\n", 0600);
    write("hq.key", "-----BEGIN PRIVATE KEY-----\n", 0600);
    write("hq.pem", "-----BEGIN CERTIFICATE-----\n", 0644);
    write("ca.pem", "-----BEGIN CERTIFICATE-----\n", 0644);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void write(const std::string& name, const std::string& text, mode_t mode) {
    std::ofstream(directory_ + "/" + name) << text;
    ASSERT_EQ(chmod((directory_ + "/" + name).c_str(), mode), 0);
  }
  [[nodiscard]] ParseResult parse_text(const std::string& text) {
    return parse(text, "gateway.yaml", directory_);
  }

  std::string directory_;
};

// Line by line what is wrong, with the test's directory written as DIR.
inline std::string listing(const ParseResult& result, const std::string& directory) {
  std::string text;
  for (const ConfigError& error : result.errors) {
    std::string line = error.to_string();
    for (size_t at = line.find(directory); at != std::string::npos; at = line.find(directory)) {
      line.replace(at, directory.size(), "DIR");
    }
    text += line + "\n";
  }
  return text;
}

}  // namespace sallyport::control
