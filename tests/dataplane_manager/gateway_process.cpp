// SPDX-License-Identifier: BSD-3-Clause
#include "tests/dataplane_manager/gateway_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace sallyport::test {
namespace {

std::string read_file(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

pid_t spawn(const std::vector<std::string>& options, const std::string& out, const std::string& err) {
  std::vector<char*> argv = {const_cast<char*>(SALLYPORT_DATAPLANE)};
  for (const auto& option : options)
    argv.push_back(const_cast<char*>(option.c_str()));
  argv.push_back(nullptr);
  const pid_t pid = fork();
  if (pid != 0) return pid;
  dup2(open(out.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600), STDOUT_FILENO);
  dup2(open(err.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600), STDERR_FILENO);
  execv(SALLYPORT_DATAPLANE, argv.data());
  _exit(127);
}

std::string make_directory() {
  char name[] = "/dev/shm/sallyport-test-XXXXXX";
  return mkdtemp(name);
}

int packet_socket(const std::string& device) {
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
  ifreq request{};
  device.copy(request.ifr_name, IFNAMSIZ - 1);
  EXPECT_EQ(ioctl(fd, SIOCGIFINDEX, &request), 0) << device;
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = request.ifr_ifindex;
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  return fd;
}

// Frames that came to the socket's device, not those that it sent itself.
std::optional<Frame> receive_from(int fd, int timeout_ms) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    pollfd wait{fd, POLLIN, 0};
    if (left.count() < 0 || poll(&wait, 1, static_cast<int>(left.count())) <= 0) return std::nullopt;
    Frame frame(16384);
    sockaddr_ll from{};
    socklen_t from_size = sizeof from;
    const ssize_t size =
        recvfrom(fd, frame.data(), frame.size(), 0, reinterpret_cast<sockaddr*>(&from), &from_size);
    if (size <= 0) return std::nullopt;
    if (from.sll_pkttype == PACKET_OUTGOING) continue;
    frame.resize(static_cast<size_t>(size));
    return frame;
  }
}

void shell(const std::string& command) {
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

}  // namespace

Outcome run_dataplane(const std::vector<std::string>& options) {
  const std::string directory = make_directory();
  const pid_t pid = spawn(options, directory + "/out", directory + "/err");
  int status = 0;
  waitpid(pid, &status, 0);
  Outcome outcome{WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_file(directory + "/out"),
                  read_file(directory + "/err")};
  std::filesystem::remove_all(directory);
  return outcome;
}

GatewayProcess::GatewayProcess() : directory_(make_directory()) {}

GatewayProcess::~GatewayProcess() {
  if (pid_ > 0) stop(SIGKILL);
  if (testing::Test::HasFailure()) std::fputs(log().c_str(), stderr);
  std::filesystem::remove_all(directory_);
}

void GatewayProcess::start(ApiClient& client) {
  pid_ = spawn({"--run-dir", directory_, "--workers", "0,1", "--idle", "sleep", "--no-huge", "--memory",
                "320", "--slots", std::to_string(kSlots), "--log-level", "debug"},
               directory_ + "/out", directory_ + "/log");
  ASSERT_TRUE(client.connect(directory_ + "/dataplane.sock", 20'000)) << log();
}

int GatewayProcess::stop(int signal) {
  int status = 0;
  kill(pid_, signal);
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return status;
}

std::string GatewayProcess::log() const {
  return read_file(directory_ + "/log");
}

Wire::Wire(const std::string& name) : name_(name) {
  shell("ip link add " + name + " type veth peer name " + name + "-far && ip link set " + name +
        " up && ip link set " + name + "-far up");
  fd_ = packet_socket(name + "-far");
}

Wire::~Wire() {
  close(fd_);
  shell("ip link del " + name_);
}

std::string Wire::device(unsigned number) const {
  return "net_af_packet" + std::to_string(number) + ",iface=" + name_ +
         ",qpairs=2,framesz=2048,blocksz=4096,framecnt=512";
}

void Wire::set_far_link(const std::string& state) {
  shell("ip link set " + name_ + "-far " + state);
}

void Wire::send(const Frame& frame) {
  ASSERT_EQ(::send(fd_, frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()));
}

std::optional<Frame> Wire::receive(int timeout_ms) {
  return receive_from(fd_, timeout_ms);
}

std::optional<Frame> Wire::receive_kind(uint16_t ether_type, uint8_t protocol, int timeout_ms) {
  while (auto frame = receive(timeout_ms)) {
    if (frame->size() < 34 || ((*frame)[12] << 8 | (*frame)[13]) != ether_type) continue;
    if (protocol == 0 || (*frame)[23] == protocol) return frame;
  }
  return std::nullopt;
}

MirrorDevice::MirrorDevice(const std::string& name, TunnelDevice kind) {
  queue_ = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  ifreq request{};
  request.ifr_flags =
      static_cast<short>((kind == TunnelDevice::kTap ? IFF_TAP : IFF_TUN) | IFF_NO_PI | IFF_MULTI_QUEUE);
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  EXPECT_EQ(ioctl(queue_, TUNSETIFF, &request), 0) << std::strerror(errno);
  shell("ip link set " + name + " up");
  fd_ = packet_socket(name);
}

MirrorDevice::~MirrorDevice() {
  close(fd_);
  close(queue_);
}

void MirrorDevice::send(const Frame& frame) {
  ASSERT_EQ(::send(fd_, frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()))
      << std::strerror(errno);
}

std::optional<Frame> MirrorDevice::receive(int timeout_ms) {
  return receive_from(fd_, timeout_ms);
}

}  // namespace sallyport::test
