// SPDX-License-Identifier: BSD-3-Clause
// The lab's many flows: UDP packets of a thousand 5-tuples and more, numbered and time-stamped, each sent
// back by the other host so that both directions of every flow are used. The asking side writes what became
// of every packet; the answering side counts what it saw. One thread each; both end at SIGTERM and print one
// line of JSON.
#include <netdb.h>
#include <netinet/in.h>
#include <sys/epoll.h>
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
#include <queue>
#include <string_view>
#include <vector>

namespace {

constexpr uint64_t kMagic = 0x53414c4c59464c4f;
constexpr int64_t kSecond_ns = 1'000'000'000;
constexpr int64_t kLook_ns = kSecond_ns / 10;  // for the signal that ends it
constexpr int kFirstSourcePort = 31'000;

struct Payload {
  uint64_t magic;
  uint32_t flow, number;
};

// What became of one packet, as it goes to the log.
struct Record {
  uint32_t flow, number;
  int64_t sent_ns, answered_ns;  // CLOCK_MONOTONIC; 0: no answer
};
static_assert(sizeof(Record) == 24);

volatile sig_atomic_t stop_wanted = 0;

int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kSecond_ns + now.tv_nsec;
}

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "udp-flows: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

void install_stop() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_wanted = 1; };
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
}

// Of either family.
struct Endpoint {
  sockaddr_storage address{};
  socklen_t length = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
  void set_port(int port) {
    if (address.ss_family == AF_INET)
      reinterpret_cast<sockaddr_in*>(&address)->sin_port = htons(static_cast<uint16_t>(port));
    else
      reinterpret_cast<sockaddr_in6*>(&address)->sin6_port = htons(static_cast<uint16_t>(port));
  }
};

Endpoint parse_address(const char* text) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(text, nullptr, &hints, &found) != 0) {
    std::fprintf(stderr, "udp-flows: %s is not an IP address\n", text);
    std::exit(2);
  }
  Endpoint result;
  std::memcpy(&result.address, found->ai_addr, found->ai_addrlen);
  result.length = found->ai_addrlen;
  freeaddrinfo(found);
  return result;
}

// Bound sockets of one address and consecutive ports.
class Sockets {
 public:
  Sockets(Endpoint at, int first_port, int count) : epoll_(epoll_create1(0)) {
    for (int i = 0; i < count; ++i) {
      const int fd = socket(at.address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
      const int buffer_bytes = 4 << 20, on = 1;
      at.set_port(first_port + i);
      if (fd < 0 || bind(fd, at.get(), at.length) < 0) fail("bind");
      if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof buffer_bytes) < 0)
        fail("SO_RCVBUFFORCE");
      if (setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on) < 0) fail("SO_RXQ_OVFL");
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u32 = static_cast<uint32_t>(fds_.size());
      if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll_ctl");
      fds_.push_back(fd);
      drops_.push_back(0);
    }
  }

  [[nodiscard]] int operator[](size_t index) const { return fds_[index]; }

  // Waits at most so long, then hands each packet that is there to take(fd, payload, bytes, from).
  template <typename Take>
  void receive(int64_t patience_ns, Take take) {
    epoll_event events[64];
    const timespec patience{patience_ns / kSecond_ns, patience_ns % kSecond_ns};
    const int ready = epoll_pwait2(epoll_, events, 64, &patience, nullptr);
    for (int i = 0; i < ready; ++i)
      drain(events[i].data.u32, take);
  }

  [[nodiscard]] uint64_t drops() const {
    uint64_t sum = 0;
    for (const uint32_t drops : drops_)
      sum += drops;
    return sum;
  }

 private:
  template <typename Take>
  void drain(size_t index, Take take) {
    for (;;) {
      char bytes[2048];
      alignas(cmsghdr) char control[64];
      Endpoint from;
      iovec buffer{bytes, sizeof bytes};
      msghdr message{};
      message.msg_name = &from.address;
      message.msg_namelen = sizeof from.address;
      message.msg_iov = &buffer;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      const ssize_t length = recvmsg(fds_[index], &message, 0);
      if (length < 0) {
        if (errno == ECONNREFUSED || errno == EHOSTUNREACH || errno == ENETUNREACH) continue;
        return;
      }
      for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL)
          std::memcpy(&drops_[index], CMSG_DATA(c), 4);
      Payload payload;
      if (length < static_cast<ssize_t>(sizeof payload)) continue;
      std::memcpy(&payload, bytes, sizeof payload);
      from.length = message.msg_namelen;
      if (payload.magic == kMagic) take(fds_[index], payload, std::string_view(bytes, length), from);
    }
  }

  int epoll_;
  std::vector<int> fds_;
  std::vector<uint32_t> drops_;
};

// Numbers of one flow as they arrive.
class Order {
 public:
  void take(uint32_t number) {
    if (number >= seen_.size()) seen_.resize(std::max<size_t>(number + 1, seen_.size() * 2));
    if (seen_[number]) {
      ++duplicates_;
      return;
    }
    seen_[number] = true;
    if (unique_ > 0 && number < highest_) ++reordered_;
    ++unique_;
    highest_ = std::max(highest_, number);
  }
  [[nodiscard]] uint64_t unique() const { return unique_; }
  [[nodiscard]] uint64_t reordered() const { return reordered_; }
  [[nodiscard]] uint64_t duplicates() const { return duplicates_; }

 private:
  std::vector<bool> seen_;
  uint32_t highest_ = 0;
  uint64_t unique_ = 0, reordered_ = 0, duplicates_ = 0;
};

void print_counts(const std::vector<Order>& flows, uint64_t socket_drops) {
  uint64_t unique = 0, reordered = 0, duplicates = 0;
  for (const Order& flow : flows) {
    unique += flow.unique();
    reordered += flow.reordered();
    duplicates += flow.duplicates();
  }
  std::printf("\"received\": %lu, \"reordered\": %lu, \"duplicates\": %lu, \"socket_drops\": %lu", unique,
              reordered, duplicates, socket_drops);
}

Order& order_of(std::vector<Order>& flows, uint32_t flow) {
  if (flow >= flows.size()) flows.resize(flow + 1);
  return flows[flow];
}

int answer(const Endpoint& at, int first_port, int ports) {
  Sockets sockets(at, first_port, ports);
  std::vector<Order> flows;
  std::puts("ready");
  std::fflush(stdout);
  while (!stop_wanted) {
    sockets.receive(kLook_ns,
                    [&](int fd, const Payload& payload, std::string_view bytes, const Endpoint& from) {
                      order_of(flows, payload.flow).take(payload.number);
                      while (sendto(fd, bytes.data(), bytes.size(), 0, from.get(), from.length) < 0 &&
                             (errno == ENOBUFS || errno == EAGAIN || errno == ECONNREFUSED))
                        usleep(100);
                    });
  }
  std::printf("{");
  print_counts(flows, sockets.drops());
  std::printf("}\n");
  return 0;
}

struct Plan {
  Endpoint from, to;
  int first_port, ports;
  uint32_t flows, fast_flows;  // the first ones are the fast ones
  double slow_pps, fast_pps;   // of each flow
  uint32_t burst;              // a fast flow's packets that leave back to back
  size_t payload_bytes;
};

struct Due {
  int64_t at_ns;
  uint32_t flow;
  bool operator>(const Due& other) const { return at_ns > other.at_ns; }
};

class Asking {
 public:
  explicit Asking(const Plan& plan)
      : plan_(plan),
        sources_(static_cast<int>((plan.flows + plan.ports - 1) / plan.ports)),
        sockets_(plan.from, kFirstSourcePort, sources_),
        order_(plan.flows),
        records_(plan.flows),
        packet_(std::max(plan.payload_bytes, sizeof(Payload))) {}

  void run() {
    const int64_t start = now_ns();
    std::priority_queue<Due, std::vector<Due>, std::greater<>> due;
    for (uint32_t flow = 0; flow < plan_.flows; ++flow)  // spread evenly over the first interval
      due.push({start + interval_ns(flow) * flow / plan_.flows, flow});
    while (!stop_wanted) {
      const Due next = due.top();
      const int64_t late = now_ns() - next.at_ns;
      if (late < 0) {
        take_answers(-late);
        continue;
      }
      latest_ns_ = std::max(latest_ns_, late);
      due.pop();
      due.push({next.at_ns + interval_ns(next.flow), next.flow});
      const uint32_t burst = next.flow < plan_.fast_flows ? plan_.burst : 1;
      for (uint32_t i = 0; i < burst; ++i)
        send_one(next.flow);
      if (++sends_ % 16 == 0) take_answers(0);
    }
    for (const int64_t end = now_ns() + kSecond_ns; now_ns() < end;)  // for what is under way
      take_answers(kSecond_ns / 20);
  }

  void print(const char* log) const {
    FILE* file = std::fopen(log, "wb");
    if (file == nullptr) fail(log);
    for (const auto& flow : records_)
      std::fwrite(flow.data(), sizeof(Record), flow.size(), file);
    if (std::fclose(file) != 0) fail(log);
    std::printf("{\"sent\": %lu, \"latest_us\": %ld, ", sent_, latest_ns_ / 1000);
    print_counts(order_, sockets_.drops());
    std::printf("}\n");
  }

 private:
  [[nodiscard]] int64_t interval_ns(uint32_t flow) const {
    const double bursts_per_second = flow < plan_.fast_flows ? plan_.fast_pps / plan_.burst : plan_.slow_pps;
    return static_cast<int64_t>(static_cast<double>(kSecond_ns) / bursts_per_second);
  }

  void send_one(uint32_t flow) {
    const auto number = static_cast<uint32_t>(records_[flow].size());
    const Payload payload{kMagic, flow, number};
    std::memcpy(packet_.data(), &payload, sizeof payload);
    Endpoint to = plan_.to;
    to.set_port(plan_.first_port + static_cast<int>(flow % static_cast<uint32_t>(plan_.ports)));
    const int fd = sockets_[flow / static_cast<uint32_t>(plan_.ports)];
    const int64_t at = now_ns();
    while (sendto(fd, packet_.data(), packet_.size(), 0, to.get(), to.length) < 0) {
      if (errno == EINTR && stop_wanted) return;
      if (errno == ECONNREFUSED || errno == EINTR)
        continue;  // an ICMP error of an earlier packet, or our signal
      if (errno != ENOBUFS && errno != EAGAIN && errno != ENETUNREACH && errno != EHOSTUNREACH) fail("send");
      usleep(100);
    }
    records_[flow].push_back({flow, number, at, 0});
    ++sent_;
  }

  void take_answers(int64_t patience_ns) {
    sockets_.receive(patience_ns, [this](int, const Payload& payload, std::string_view, const Endpoint&) {
      if (payload.flow >= records_.size() || payload.number >= records_[payload.flow].size()) return;
      order_[payload.flow].take(payload.number);
      Record& record = records_[payload.flow][payload.number];
      if (record.answered_ns == 0) record.answered_ns = now_ns();
    });
  }

  Plan plan_;
  int sources_;
  Sockets sockets_;
  std::vector<Order> order_;
  std::vector<std::vector<Record>> records_;
  std::vector<char> packet_;
  int64_t latest_ns_ = 0;
  uint64_t sent_ = 0, sends_ = 0;
};

int ask(char** words) {
  Plan plan{};
  plan.from = parse_address(words[0]);
  plan.to = parse_address(words[1]);
  plan.first_port = std::atoi(words[2]);
  plan.ports = std::atoi(words[3]);
  plan.flows = static_cast<uint32_t>(std::atoi(words[4]));
  plan.slow_pps = std::atof(words[5]);
  plan.fast_flows = static_cast<uint32_t>(std::atoi(words[6]));
  plan.fast_pps = std::atof(words[7]);
  plan.burst = static_cast<uint32_t>(std::atoi(words[8]));
  plan.payload_bytes = std::strtoull(words[9], nullptr, 10);
  if (plan.ports < 1 || plan.flows < 1 || plan.slow_pps <= 0 || plan.fast_pps <= 0 || plan.burst < 1)
    return 2;
  Asking asking(plan);
  asking.run();
  asking.print(words[10]);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  install_stop();
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == "answer" && argc == 5)
    return answer(parse_address(argv[2]), std::atoi(argv[3]), std::atoi(argv[4]));
  if (mode == "ask" && argc == 13) return ask(argv + 2);
  std::fputs(
      "udp-flows answer ADDRESS FIRST_PORT PORTS\n"
      "udp-flows ask FROM TO FIRST_PORT PORTS FLOWS SLOW_PPS FAST_FLOWS FAST_PPS BURST PAYLOAD_BYTES LOG\n",
      stderr);
  return 2;
}
