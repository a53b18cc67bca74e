// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/manager/api_server.h"

#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>

#include "dataplane/manager/codec.h"

namespace sallyport::dataplane {
namespace {

constexpr size_t kMaxClients = 16;
constexpr unsigned kBatch = 32;          // messages received or sent by one system call
constexpr unsigned kBatchesPerTurn = 2;  // of one client, so that no client holds up the manager's loop
constexpr unsigned kDumpItemsPerTurn = 256;
constexpr size_t kMaxQueuedMessages = 16384;  // of a client that does not read
constexpr size_t kKeptQueueBytes = 1 << 16;   // of an empty queue
constexpr uint32_t kMaxUnanswered = 4096;     // of a client; well below the above
constexpr size_t kMaxFds = 64;                // of one message

Failure failed(const std::filesystem::path& path, const std::string& what) {
  return {api::Error::kDeviceFailed, "API socket " + path.string() + ": " + what};
}

// Whether somebody listens on the socket already there.
bool is_served(const sockaddr_un& address) {
  const UniqueFd probe(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  return connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

bool is_root(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == 0;
}

std::vector<UniqueFd> take_fds(msghdr& header) {
  std::vector<UniqueFd> fds;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      fds.emplace_back(fd);
    }
  }
  return fds;
}

}  // namespace

// Every message has room for the longest one, so that the handler may look at it as what it is.
struct ApiServer::Batch {
  struct Message {
    alignas(64) std::array<std::byte, api::kMaxMessageBytes> bytes;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxFds * sizeof(int))> control;
    iovec part;
  };
  std::array<Message, kBatch> messages;
  std::array<mmsghdr, kBatch> headers;

  // How many came; negative: errno says why none.
  int receive(int fd) {
    for (unsigned i = 0; i < kBatch; ++i) {
      Message& message = messages[i];
      message.part = {message.bytes.data(), message.bytes.size()};
      headers[i] = {};
      headers[i].msg_hdr.msg_iov = &message.part;
      headers[i].msg_hdr.msg_iovlen = 1;
      headers[i].msg_hdr.msg_control = message.control.data();
      headers[i].msg_hdr.msg_controllen = message.control.size();
    }
    return recvmmsg(fd, headers.data(), kBatch, MSG_DONTWAIT | MSG_CMSG_CLOEXEC, nullptr);
  }
};

void ApiServer::MessageQueue::push(std::span<const std::byte> message) {
  bytes_.insert(bytes_.end(), message.begin(), message.end());
  ends_.push_back(bytes_.size());
}

std::span<const std::byte> ApiServer::MessageQueue::at(size_t index) const {
  const size_t start = start_of(first_ + index);
  return std::span(bytes_).subspan(start, ends_[first_ + index] - start);
}

void ApiServer::MessageQueue::pop(size_t count) {
  first_ += count;
  if (2 * first_ < ends_.size()) return;  // what is left moves up when it is the smaller part
  const size_t gone_bytes = start_of(first_);
  bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<ptrdiff_t>(gone_bytes));
  ends_.erase(ends_.begin(), ends_.begin() + static_cast<ptrdiff_t>(first_));
  for (size_t& end : ends_)
    end -= gone_bytes;
  first_ = 0;
  if (bytes_.empty() && bytes_.capacity() > kKeptQueueBytes) bytes_.shrink_to_fit();
}

ApiServer::ApiServer(std::filesystem::path path, UniqueFd listener, UniqueFd epoll)
    : path_(std::move(path)),
      listener_(std::move(listener)),
      epoll_(std::move(epoll)),
      batch_(std::make_unique<Batch>()) {}

Result<std::unique_ptr<ApiServer>> ApiServer::listen(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof address.sun_path)
    return failed(path, "the path is too long for a unix socket (107 bytes); choose a shorter --run-dir");
  path.native().copy(address.sun_path, sizeof address.sun_path - 1);
  if (is_served(address)) return failed(path, "another sallyport-dataplane serves it; stop that one first");
  unlink(path.c_str());

  UniqueFd listener(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const mode_t old_mask = umask(0177);
  const int bound = bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int error = errno;
  umask(old_mask);
  if (bound != 0) return failed(path, std::string(std::strerror(error)) + "; is --run-dir writable?");
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{.events = EPOLLIN, .data = {.u64 = 0}};
  if (::listen(listener.get(), kMaxClients) != 0 ||
      epoll_ctl(epoll.get(), EPOLL_CTL_ADD, listener.get(), &event) != 0)
    return failed(path, std::strerror(errno));
  return std::unique_ptr<ApiServer>(new ApiServer(path, std::move(listener), std::move(epoll)));
}

ApiServer::~ApiServer() {
  unlink(path_.c_str());
}

void ApiServer::serve(const Handler& handler) {
  std::array<epoll_event, kMaxClients + 1> events;
  const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count; ++i) {
    if (events[i].data.u64 == 0) {
      accept_clients();
      continue;
    }
    Client* client = find(events[i].data.u64);
    if (client == nullptr) continue;
    flush(*client);
    continue_dump(*client);
    if (may_read(*client)) read_requests(events[i].data.u64, *client, handler);
    if (events[i].events & EPOLLERR) client->broken = true;
  }
}

void ApiServer::flush() {
  for (auto it = clients_.begin(); it != clients_.end();) {
    if (it->second.broken) {
      it = clients_.erase(it);  // closing takes it out of the epoll set
      continue;
    }
    flush(it->second);
    watch(it->first, it->second);
    ++it;
  }
}

void ApiServer::accept_clients() {
  for (;;) {
    UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd.valid()) return;
    if (!is_root(fd.get()) || clients_.size() >= kMaxClients) {
      spdlog::warn("API socket: a client was turned away: {}",
                   is_root(fd.get()) ? "too many clients" : "not root");
      continue;
    }
    const int send_buffer_bytes = 1 << 20;
    setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &send_buffer_bytes, sizeof send_buffer_bytes);
    const ClientId id = next_id_++;
    epoll_event event{.events = EPOLLIN, .data = {.u64 = id}};
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) continue;
    Client& client = clients_[id];
    client.fd = std::move(fd);
    client.interest = EPOLLIN;
  }
}

void ApiServer::read_requests(ClientId id, Client& client, const Handler& handler) {
  for (unsigned turn = 0; turn < kBatchesPerTurn && !client.broken; ++turn) {
    const int count = batch_->receive(client.fd.get());
    if (count < 0 && errno != EAGAIN && errno != EINTR) client.broken = true;
    for (int i = 0; i < count; ++i) {
      msghdr& header = batch_->headers[i].msg_hdr;
      const auto message = std::span(batch_->messages[i].bytes).first(batch_->headers[i].msg_len);
      auto fds = take_fds(header);
      if (message.empty()) {
        client.broken = true;
      } else if (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        const auto sequence = as<api::Header>(message).sequence;
        refuse(client, sequence, {api::Error::kMalformed, "larger than any message of this API"});
      } else if (!client.broken) {
        handle(id, client, message, fds, handler);
      }
      explicit_bzero(message.data(), message.size());  // it may have held keys
    }
    flush(client);
    if (count < static_cast<int>(kBatch) || !may_read(client)) return;
  }
}

void ApiServer::handle(ClientId id, Client& client, std::span<const std::byte> message,
                       std::vector<UniqueFd>& fds, const Handler& handler) {
  const size_t size = message.size();
  const uint32_t sequence = size >= sizeof(api::Header) ? as<api::Header>(message).sequence : 0;
  const auto type = validate(message);
  if (!type.ok()) return refuse(client, sequence, type.failure());
  if (!fds.empty() && type.value() != api::Type::kSetMirror)
    return refuse(client, sequence,
                  {api::Error::kMalformed, "file descriptors with a message that takes none"});
  if (type.value() == api::Type::kHello) client.said_hello = true;
  ++client.unanswered;
  handler({id, type.value(), sequence, message, fds});
}

void ApiServer::refuse(Client& client, uint32_t sequence, const Failure& failure) {
  ++client.unanswered;
  answer(client, sequence, failure, 0);
}

void ApiServer::answer(Client& client, uint32_t sequence, const Failure& failure, uint32_t count) {
  auto message = make_message<api::Reply>(api::Type::kReply, sequence);
  message.error = failure.error;
  message.count = count;
  set_text(message.text, failure.text);
  if (failure.failed()) spdlog::debug("API: request {} refused: {}", sequence, failure.text);
  --client.unanswered;
  send(client, std::as_bytes(std::span(&message, 1)));
}

void ApiServer::reply(ClientId id, uint32_t sequence, const Failure& failure) {
  if (Client* client = find(id)) answer(*client, sequence, failure, 0);
}

void ApiServer::send_hello(ClientId id, const api::HelloReply& hello) {
  Client* client = find(id);
  if (client == nullptr) return;
  --client->unanswered;
  send(*client, std::as_bytes(std::span(&hello, 1)));
}

void ApiServer::dump(ClientId id, uint32_t sequence, DumpSource source) {
  if (Client* client = find(id)) client->dumps.push_back({sequence, 0, std::move(source)});
}

void ApiServer::send_event(std::span<const std::byte> event) {
  for (auto& [id, client] : clients_)
    if (client.said_hello) send(client, event);
}

void ApiServer::send(Client& client, std::span<const std::byte> message) {
  if (client.broken) return;
  if (client.queue.size() >= kMaxQueuedMessages) {
    spdlog::warn("API socket: a client that reads nothing was cut off");
    client.broken = true;
    shutdown(client.fd.get(), SHUT_RDWR);  // makes the next serve() clear it away
    return;
  }
  client.queue.push(message);
}

void ApiServer::flush(Client& client) {
  while (!client.queue.empty() && !client.broken) {
    std::array<iovec, kBatch> parts;
    std::array<mmsghdr, kBatch> headers{};
    const auto count = static_cast<unsigned>(std::min<size_t>(client.queue.size(), kBatch));
    for (unsigned i = 0; i < count; ++i) {
      const auto message = client.queue.at(i);
      parts[i] = {const_cast<std::byte*>(message.data()), message.size()};
      headers[i].msg_hdr.msg_iov = &parts[i];
      headers[i].msg_hdr.msg_iovlen = 1;
    }
    const int sent = sendmmsg(client.fd.get(), headers.data(), count, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS) client.broken = true;
      return;
    }
    client.queue.pop(static_cast<size_t>(sent));
  }
}

void ApiServer::continue_dump(Client& client) {
  for (unsigned i = 0; !client.dumps.empty() && client.queue.size() < kBatch && !client.broken; ++i) {
    if (i == kDumpItemsPerTurn) return;
    Dump& dump = client.dumps.front();
    if (auto item = dump.source()) {
      api::Header header = as<api::Header>(*item);
      header.sequence = dump.sequence;
      std::memcpy(item->data(), &header, sizeof header);
      ++dump.count;
      send(client, *item);
    } else {
      answer(client, dump.sequence, success(), dump.count);
      client.dumps.pop_front();
    }
    if (client.queue.size() == kBatch) flush(client);
  }
}

bool ApiServer::may_read(const Client& client) {
  return client.queue.empty() && client.dumps.empty() && client.unanswered < kMaxUnanswered;
}

// While a client has answers to take, or to wait for, no more of its requests are read.
void ApiServer::watch(ClientId id, Client& client) {
  uint32_t wanted = 0;
  if (!client.queue.empty() || !client.dumps.empty()) wanted = EPOLLOUT;
  if (may_read(client)) wanted = EPOLLIN;
  if (wanted == client.interest || client.broken) return;
  epoll_event event{.events = wanted, .data = {.u64 = id}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, client.fd.get(), &event) != 0) client.broken = true;
  client.interest = wanted;
}

ApiServer::Client* ApiServer::find(ClientId id) {
  const auto it = clients_.find(id);
  return it == clients_.end() ? nullptr : &it->second;
}

}  // namespace sallyport::dataplane
