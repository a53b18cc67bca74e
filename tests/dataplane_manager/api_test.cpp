// SPDX-License-Identifier: BSD-3-Clause
// The API of the real process: what is set comes back in dumps, what is wrong is refused with a reason, and
// nothing a client sends stops it.
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <thread>

#include "tests/dataplane_manager/site.h"

namespace sallyport::test {
namespace {

class ApiTest : public SiteTest {
 protected:
  api::Reply delete_by_id(api::Type type, uint32_t id) {
    auto message = ApiClient::make<api::DeleteById>(type);
    message.id = id;
    return client_.request(message);
  }
  api::Reply open_port(const std::string& device) {
    auto port = ApiClient::make<api::SetPort>(api::Type::kSetPort);
    port.port_id = 7;
    port.mtu_bytes = 1500;
    set_name(port.name, "extra");
    set_name(port.device, device);
    return client_.request(port);
  }
};

TEST_F(ApiTest, SaysWhatItIs) {
  const auto& hello = client_.hello();
  EXPECT_EQ(hello.workers, GatewayProcess::kWorkers);
  EXPECT_EQ(hello.slots, GatewayProcess::kSlots);
  EXPECT_EQ(hello.pid, gateway_.pid());
  EXPECT_EQ(hello.shared_state_path.data(), gateway_.directory() + "/state");
  EXPECT_GT(hello.memory_used_bytes, uint64_t{1} << 20);
  EXPECT_GT(hello.memory_bytes, hello.memory_used_bytes);
  ApiClient second;
  ASSERT_TRUE(second.connect(gateway_.directory() + "/dataplane.sock", 1000));
  EXPECT_EQ(second.hello().instance, hello.instance);
  for (const char* file : {"/dataplane.sock", "/state"}) {
    struct stat status {};
    ASSERT_EQ(stat((gateway_.directory() + file).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u) << file;
  }
}

// CAP_NET_ADMIN, CAP_NET_RAW, CAP_IPC_LOCK, CAP_SYS_ADMIN, CAP_BPF: what opening ports needs, in every
// thread.
TEST_F(ApiTest, KeepsNoCapabilityBeyondThoseOfPorts) {
  constexpr uint64_t kAllowed = 1ull << 12 | 1ull << 13 | 1ull << 14 | 1ull << 21 | 1ull << 39;
  unsigned sets = 0;
  const auto tasks = "/proc/" + std::to_string(gateway_.pid()) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (!line.starts_with("CapPrm:") && !line.starts_with("CapEff:") && !line.starts_with("CapBnd:"))
        continue;
      EXPECT_EQ(std::stoull(line.substr(7), nullptr, 16) & ~kAllowed, 0u) << task.path() << ' ' << line;
      ++sets;
    }
  }
  EXPECT_GE(sets, 3u * (1 + GatewayProcess::kWorkers));
}

TEST_F(ApiTest, GivesBackWhatWasSet) {
  const auto ports = client_.dump<api::SetPort>(api::Type::kSetPort);
  ASSERT_EQ(ports.size(), 2u);
  EXPECT_STREQ(ports[1].name.data(), "lan");
  EXPECT_EQ(ports[1].device.data(), lan_.device(kLanPort));
  EXPECT_EQ(ports[1].vrf_id, kVrf);
  EXPECT_EQ(ports[1].link_up, 1);
  EXPECT_EQ(ports[1].has_mirror, 0);
  EXPECT_EQ(client_.dump<api::SetVrf>(api::Type::kSetVrf).size(), 1u);
  const auto addresses = client_.dump<api::SetAddress>(api::Type::kSetAddress);
  ASSERT_EQ(addresses.size(), 2u);
  EXPECT_EQ(addresses[0].address.bytes, address(kGatewayAddress).bytes);
  EXPECT_EQ(addresses[1].port_id, kLanPort);
  const auto neighbours = client_.dump<api::SetNeighbour>(api::Type::kSetNeighbour);
  ASSERT_EQ(neighbours.size(), 2u);
  EXPECT_EQ(neighbours[1].mac, kHostMac);
  const auto groups = client_.dump<api::SetGroup>(api::Type::kSetGroup);
  ASSERT_EQ(groups.size(), 4u);
  EXPECT_STREQ(groups[0].name.data(), "group1");
  EXPECT_EQ(groups[0].members[0].id, kTunnel);
  const auto routes = client_.dump<api::SetRoute>(api::Type::kSetRoute);
  ASSERT_EQ(routes.size(), 4u);
  EXPECT_EQ(routes[3].prefix.length, 16);
  EXPECT_EQ(routes[3].group_id, kTunnelGroup);
  EXPECT_STREQ(client_.dump<api::SetTunnel>(api::Type::kSetTunnel).at(0).name.data(), "prod-berlin-a-1");
  for (const auto& port : ports)
    expect_ok(client_.request(port));  // as it could be sent back
  for (const auto& group : groups)
    expect_ok(client_.request(group));
  for (const auto& route : routes)
    expect_ok(client_.request(route));
  EXPECT_EQ(client_.dump<api::SetRoute>(api::Type::kSetRoute).size(), 4u);
}

TEST_F(ApiTest, RefusesToDeleteWhatIsReferredTo) {
  EXPECT_EQ(delete_by_id(api::Type::kDeletePort, kLanPort).error, api::Error::kInUse);
  EXPECT_EQ(delete_by_id(api::Type::kDeleteVrf, kVrf).error, api::Error::kInUse);
  EXPECT_EQ(delete_by_id(api::Type::kDeleteNeighbour, kHostNeighbour).error, api::Error::kInUse);
  EXPECT_EQ(delete_by_id(api::Type::kDeleteGroup, kHostGroup).error, api::Error::kInUse);
  EXPECT_EQ(delete_by_id(api::Type::kDeleteTunnel, kTunnel).error, api::Error::kInUse);
  EXPECT_EQ(delete_by_id(api::Type::kDeleteTunnel, 77).error, api::Error::kNotFound);
}

TEST_F(ApiTest, TakesEverythingDownAndUpAgain) {
  for (int round = 0; round < 2; ++round) {
    for (const auto& route : client_.dump<api::SetRoute>(api::Type::kSetRoute)) {
      auto message = ApiClient::make<api::DeleteRoute>(api::Type::kDeleteRoute);
      message.vrf_id = route.vrf_id;
      message.prefix = route.prefix;
      expect_ok(client_.request(message));
    }
    for (const uint32_t group : {kTunnelGroup, kHostGroup, kConnectedGroup, kLocalGroup})
      expect_ok(delete_by_id(api::Type::kDeleteGroup, group));
    expect_ok(delete_by_id(api::Type::kDeleteTunnel, kTunnel));
    for (const uint32_t neighbour : {kNextHopNeighbour, kHostNeighbour})
      expect_ok(delete_by_id(api::Type::kDeleteNeighbour, neighbour));
    for (const uint32_t port : {kWanPort, kLanPort})
      expect_ok(delete_by_id(api::Type::kDeletePort, port));
    expect_ok(delete_by_id(api::Type::kDeleteVrf, kVrf));
    EXPECT_TRUE(client_.dump<api::SetPort>(api::Type::kSetPort).empty());
    program();  // the same devices open again
  }
}

TEST_F(ApiTest, OpensVirtualDevicesOfEveryKind) {
  const std::string pcap = gateway_.directory() + "/empty.pcap";
  const uint8_t header[24] = {0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0,
                              0,    0,    0,    0,    0, 0, 1, 0, 1, 0, 0, 0};
  FILE* file = fopen(pcap.c_str(), "w");
  fwrite(header, 1, sizeof header, file);
  fclose(file);
  const std::string memif = gateway_.directory() + "/memif.sock";
  for (const std::string& device :
       {std::string("net_null0,no-rx=1"), std::string("net_ring0"), std::string("net_tap0,iface=stap"),
        "net_memif0,role=server,id=0,socket=" + memif + ",socket-abstract=no",
        "net_pcap0,rx_pcap=" + pcap + ",rx_pcap=" + pcap + ",tx_pcap=/dev/null,tx_pcap=/dev/null"}) {
    const auto reply = open_port(device);
    EXPECT_EQ(reply.error, api::Error::kNone) << device << ": " << reply.text.data();
    expect_ok(delete_by_id(api::Type::kDeletePort, 7));
  }
}

TEST_F(ApiTest, SaysWhyADeviceDoesNotOpen) {
  const auto absent = open_port("net_af_packet7,iface=nope,qpairs=2");
  EXPECT_EQ(absent.error, api::Error::kDeviceFailed);
  EXPECT_NE(std::string(absent.text.data()).find("No such device"), std::string::npos) << absent.text.data();
  Wire wire("sone");
  const auto narrow = open_port("net_af_packet7,iface=sone");
  EXPECT_EQ(narrow.error, api::Error::kUnsupported);
  EXPECT_NE(std::string(narrow.text.data()).find("add qpairs=2"), std::string::npos) << narrow.text.data();
  EXPECT_EQ(open_port("0000:99:00.0").error, api::Error::kDeviceFailed);
  EXPECT_EQ(open_port("rubbish").error, api::Error::kDeviceFailed);
  EXPECT_EQ(open_port("net_null0,no-rx=1").error, api::Error::kNone);
}

// More than a socket's buffers hold of each, dumps and answers that come later among them.
TEST_F(ApiTest, AnswersEveryRequestOfAClientThatReadsLate) {
  constexpr uint32_t kRequests = 6000;
  auto dump = ApiClient::make<api::Dump>(api::Type::kDump);
  dump.what = api::Type::kSetGroup;
  std::vector<uint32_t> sequences;
  std::thread sender([&] {
    for (uint32_t i = 0; i < kRequests; ++i) {
      if (i % 100 == 50)
        sequences.push_back(client_.send(dump));
      else if (i % 100 < 90)
        sequences.push_back(client_.send(ApiClient::make<api::FlushPunts>(api::Type::kFlushPunts)));
      else
        sequences.push_back(client_.send(ApiClient::make<api::DeleteById>(api::Type::kDeleteTunnel)));
    }
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  std::map<uint32_t, api::Reply> replies;
  std::map<uint32_t, uint32_t> items;
  while (replies.size() < kRequests) {
    const auto message = client_.receive(10'000);
    ASSERT_TRUE(message) << replies.size() << " answers";
    api::Header header;
    std::memcpy(&header, message->data(), sizeof header);
    if (header.type == api::Type::kSetGroup) ++items[header.sequence];
    if (header.type != api::Type::kReply) continue;
    std::memcpy(&replies[header.sequence], message->data(), sizeof(api::Reply));
  }
  sender.join();
  for (uint32_t i = 0; i < kRequests; ++i) {
    ASSERT_TRUE(replies.contains(sequences[i])) << i;
    const api::Reply& reply = replies[sequences[i]];
    EXPECT_EQ(reply.error, i % 100 < 90 ? api::Error::kNone : api::Error::kNotFound) << i;
    EXPECT_EQ(reply.count, i % 100 == 50 ? 4u : 0u) << i;
    EXPECT_EQ(items[sequences[i]], reply.count) << i;
  }
}

TEST_F(ApiTest, SurvivesWhateverIsSent) {
  std::mt19937 random(1);
  std::vector<std::byte> bytes(api::kMaxMessageBytes + 100);
  for (int i = 0; i < 3000; ++i) {
    for (auto& byte : bytes)
      byte = static_cast<std::byte>(random());
    const size_t size = 1 + random() % bytes.size();
    const uint32_t sequence = 1'000'000 + static_cast<uint32_t>(i);
    api::Header header{api::kMagic, api::kVersion, static_cast<api::Type>(1 + random() % 24),
                       static_cast<uint32_t>(size), sequence};
    if (size < sizeof header) continue;
    std::memcpy(bytes.data(), &header, sizeof header);
    EXPECT_NE(client_.request_bytes(std::span(bytes).first(size), {}, sequence).error, api::Error::kNone);
  }
  EXPECT_EQ(client_.dump<api::SetPort>(api::Type::kSetPort).size(), 2u);
}

TEST_F(ApiTest, EndsCleanlyOnSigterm) {
  const int status = gateway_.stop(SIGTERM);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  std::vector<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(gateway_.directory()))
    left.push_back(entry.path().filename());
  std::sort(left.begin(), left.end());
  EXPECT_EQ(left, (std::vector<std::string>{"log", "out", "state"})) << "state is there for the next life";
}

}  // namespace
}  // namespace sallyport::test
