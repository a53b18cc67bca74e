// SPDX-License-Identifier: BSD-3-Clause
// Bad input to the command line: one line that says what, where and what to do; a non-zero exit; nothing left
// behind.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "tests/dataplane_manager/gateway_process.h"

namespace sallyport::test {
namespace {

struct BadOptions {
  const char* name;
  std::vector<std::string> options;
  const char* says;  // must be part of the line
};

class OptionsTest : public testing::TestWithParam<BadOptions> {};

TEST_P(OptionsTest, GetOneLine) {
  const auto outcome = run_dataplane(GetParam().options);
  EXPECT_EQ(outcome.exit_status, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  EXPECT_NE(outcome.err.find(GetParam().says), std::string::npos) << outcome.err;
  EXPECT_FALSE(std::filesystem::exists("/dev/shm/state"));
  EXPECT_FALSE(std::filesystem::exists("/dev/shm/dataplane.sock"));
  EXPECT_FALSE(std::filesystem::exists("/dev/shm/dpdk"));
}

const std::string kDir = "/dev/shm";

INSTANTIATE_TEST_SUITE_P(
    Bad, OptionsTest,
    testing::Values(
        BadOptions{"NoRunDir", {"--workers", "0"}, "--run-dir is required"},
        BadOptions{"NoWorkers", {"--run-dir", kDir}, "--workers is required"},
        BadOptions{"UnknownOption", {"--run-dir", kDir, "--workers", "0", "--fast"}, "--fast"},
        BadOptions{"NoSuchCore", {"--run-dir", kDir, "--workers", "0,1000", "--no-huge"}, "core 1000"},
        BadOptions{
            "CoreTwice", {"--run-dir", kDir, "--workers", "0,0", "--no-huge"}, "core 0 is named twice"},
        BadOptions{"CoreNoNumber", {"--run-dir", kDir, "--workers", "zero", "--no-huge"}, "zero"},
        BadOptions{"WrongIdle", {"--run-dir", kDir, "--workers", "0", "--idle", "doze"}, "--idle"},
        BadOptions{"BothMemories", {"--run-dir", kDir, "--workers", "0", "--huge", "--no-huge"}, "--no-huge"},
        BadOptions{"TooManySlots", {"--run-dir", kDir, "--workers", "0", "--slots", "1048577"}, "--slots"},
        BadOptions{"MtuTooLarge", {"--run-dir", kDir, "--workers", "0", "--max-mtu", "9601"}, "--max-mtu"},
        BadOptions{
            "NoDirectory", {"--run-dir", "/nonexistent", "--workers", "0", "--no-huge"}, "no such directory"},
        BadOptions{"NoStateDirectory",
                   {"--run-dir", kDir, "--workers", "0", "--no-huge", "--state", "/nonexistent/state"},
                   "--state"},
        BadOptions{"MoreHugepagesThanAnyMachineHas",
                   {"--run-dir", kDir, "--workers", "0", "--huge", "--memory", "1048576"},
                   "sysctl vm.nr_hugepages"}),
    [](const auto& info) { return info.param.name; });

TEST(OptionsTest, SayHelpAndVersion) {
  const auto help = run_dataplane({"--help"});
  EXPECT_EQ(help.exit_status, 0);
  EXPECT_NE(help.out.find("--max-mtu"), std::string::npos);
  const auto version = run_dataplane({"--version"});
  EXPECT_EQ(version.exit_status, 0);
  EXPECT_TRUE(version.out.starts_with("sallyport-dataplane ")) << version.out;
}

TEST(OptionsTest, RefuseASecondProcessInTheSameDirectory) {
  ApiClient client;
  GatewayProcess gateway;
  gateway.start(client);
  const auto outcome = run_dataplane({"--run-dir", gateway.directory(), "--workers", "0", "--no-huge"});
  EXPECT_EQ(outcome.exit_status, 1);
  EXPECT_NE(outcome.err.find("another sallyport-dataplane serves it"), std::string::npos) << outcome.err;
  EXPECT_EQ(client.request(ApiClient::make<api::FlushPunts>(api::Type::kFlushPunts)).error,
            api::Error::kNone);
}

}  // namespace
}  // namespace sallyport::test
