// SPDX-License-Identifier: BSD-3-Clause
// The lab's traffic: UDP packets with a sequence number each, sent at an even pace, and their receiver, which
// counts exactly what was lost, reordered or doubled on the way. One thread; ends at SIGTERM and prints one
// line of JSON.
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string_view>
#include <vector>

namespace {

constexpr uint64_t kMagic = 0x53414c4c59504f52;
constexpr int64_t kSecond_ns = 1'000'000'000;
constexpr int64_t kReportedGap_ns = 20'000'000;  // a silence this long is listed
constexpr size_t kMaxReportedGaps = 64;

struct Payload {
  uint64_t magic, number;
};

volatile sig_atomic_t stop_wanted = 0;

int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kSecond_ns + now.tv_nsec;
}

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "numbered-udp: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

void install_stop() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_wanted = 1; };  // no SA_RESTART: recv must return
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
}

// Of either family.
struct Endpoint {
  sockaddr_storage address{};
  socklen_t length = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
};

Endpoint parse_address(const char* address, const char* port) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(address, port, &hints, &found) != 0) {
    std::fprintf(stderr, "numbered-udp: %s is not an IP address, or %s not a port\n", address, port);
    std::exit(2);
  }
  Endpoint result;
  std::memcpy(&result.address, found->ai_addr, found->ai_addrlen);
  result.length = found->ai_addrlen;
  freeaddrinfo(found);
  return result;
}

// Sends packets 0, 1, 2... each at its own time; one that could not be handed to the kernel is tried again.
int send_packets(const Endpoint& to, uint64_t rate_pps, size_t payload_bytes, uint64_t count) {
  const int fd = socket(to.address.ss_family, SOCK_DGRAM, 0);
  if (fd < 0 || connect(fd, to.get(), to.length) < 0) fail("socket");
  std::vector<char> packet(std::max(payload_bytes, sizeof(Payload)));
  const int64_t start = now_ns();
  uint64_t sent = 0, retried = 0;
  int64_t latest_ns = 0;
  while (!stop_wanted && sent < count) {
    const int64_t due = start + static_cast<int64_t>(sent * static_cast<uint64_t>(kSecond_ns) / rate_pps);
    const int64_t late = now_ns() - due;
    if (late < 0) {
      const timespec until{due / kSecond_ns, due % kSecond_ns};
      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
      continue;
    }
    latest_ns = std::max(latest_ns, late);
    const Payload payload{kMagic, sent};
    std::memcpy(packet.data(), &payload, sizeof payload);
    if (send(fd, packet.data(), packet.size(), 0) < 0) {
      if (errno == ECONNREFUSED || errno == EINTR)
        continue;  // an ICMP error of an earlier packet, or our signal
      if (errno != ENOBUFS && errno != EAGAIN && errno != ENETUNREACH && errno != EHOSTUNREACH) fail("send");
      ++retried;
      usleep(200);
      continue;
    }
    ++sent;
  }
  std::printf("{\"sent\": %lu, \"retried\": %lu, \"latest_us\": %ld, \"seconds\": %.3f}\n", sent, retried,
              latest_ns / 1000, static_cast<double>(now_ns() - start) / kSecond_ns);
  return 0;
}

struct Gap {
  int64_t start_ns, length_ns;
  uint64_t first_missing, missing;
};

class Receiver {
 public:
  void take(uint64_t number, int64_t at_ns) {
    if (number >= seen_.size()) seen_.resize(std::max<size_t>(number + 1, seen_.size() * 2));
    if (seen_[number]) {
      ++duplicates_;
      return;
    }
    seen_[number] = true;
    ++unique_;
    if (unique_ > 1) {
      if (number < highest_) {
        ++reordered_;
        most_behind_ = std::max(most_behind_, highest_ - number);
      }
      note_gap(number, at_ns);
    }
    highest_ = std::max(highest_, number);
    last_ns_ = at_ns;
  }

  void print(uint32_t socket_drops) const {
    std::printf(
        "{\"unique\": %lu, \"duplicates\": %lu, \"reordered\": %lu, \"most_behind\": %lu, \"highest\": %lu, "
        "\"socket_drops\": %u, \"longest_silence_ms\": %.1f, \"gaps\": [",
        unique_, duplicates_, reordered_, most_behind_, highest_, socket_drops,
        static_cast<double>(longest_ns_) / 1e6);
    for (size_t i = 0; i < gaps_.size(); ++i)
      std::printf("%s{\"at_ns\": %ld, \"ms\": %.1f, \"first_missing\": %lu, \"missing\": %lu}", i ? ", " : "",
                  gaps_[i].start_ns, static_cast<double>(gaps_[i].length_ns) / 1e6, gaps_[i].first_missing,
                  gaps_[i].missing);
    std::printf("]}\n");
  }

 private:
  void note_gap(uint64_t number, int64_t at_ns) {
    const int64_t silence = at_ns - last_ns_;
    longest_ns_ = std::max(longest_ns_, silence);
    const bool jumped = number > highest_ + 1;
    if ((jumped || silence > kReportedGap_ns) && gaps_.size() < kMaxReportedGaps)
      gaps_.push_back({last_ns_, silence, highest_ + 1, jumped ? number - highest_ - 1 : 0});
  }

  std::vector<bool> seen_;
  std::vector<Gap> gaps_;
  uint64_t unique_ = 0, duplicates_ = 0, reordered_ = 0, most_behind_ = 0, highest_ = 0;
  int64_t last_ns_ = 0, longest_ns_ = 0;
};

int receive_packets(const Endpoint& at) {
  const int fd = socket(at.address.ss_family, SOCK_DGRAM, 0);
  const int buffer_bytes = 16 << 20, on = 1;
  if (fd < 0 || bind(fd, at.get(), at.length) < 0) fail("bind");
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof buffer_bytes) < 0)
    fail("SO_RCVBUFFORCE");
  if (setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on) < 0) fail("SO_RXQ_OVFL");
  std::puts("ready");
  std::fflush(stdout);
  Receiver receiver;
  uint32_t socket_drops = 0;
  const timeval look{0, 100'000};  // a signal may come just before recvmsg
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &look, sizeof look);
  for (;;) {
    const bool stopping = stop_wanted;  // and what has come is still read
    char bytes[65536];
    alignas(cmsghdr) char control[64];
    iovec buffer{bytes, sizeof bytes};
    msghdr message{};
    message.msg_iov = &buffer;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t length = recvmsg(fd, &message, stopping ? MSG_DONTWAIT : 0);
    if (length < 0 && stopping && errno != EINTR) break;
    if (length < static_cast<ssize_t>(sizeof(Payload))) continue;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c))
      if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL)
        std::memcpy(&socket_drops, CMSG_DATA(c), 4);
    Payload payload;
    std::memcpy(&payload, bytes, sizeof payload);
    if (payload.magic == kMagic) receiver.take(payload.number, now_ns());
  }
  receiver.print(socket_drops);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  install_stop();
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == "receive" && argc == 4) return receive_packets(parse_address(argv[2], argv[3]));
  if (mode == "send" && (argc == 6 || argc == 7)) {
    const uint64_t rate_pps = std::strtoull(argv[4], nullptr, 10),
                   count = argc == 7 ? std::strtoull(argv[6], nullptr, 10) : UINT64_MAX;
    if (rate_pps > 0)
      return send_packets(parse_address(argv[2], argv[3]), rate_pps, std::strtoull(argv[5], nullptr, 10),
                          count);
  }
  std::fputs(
      "numbered-udp receive ADDRESS PORT\nnumbered-udp send ADDRESS PORT RATE_PPS PAYLOAD_BYTES [COUNT]\n",
      stderr);
  return 2;
}
