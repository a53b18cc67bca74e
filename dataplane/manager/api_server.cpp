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
constexpr unsigned kRequestsPerTurn = 64;  // of one client, so that no client holds up the manager's loop
constexpr unsigned kDumpItemsPerTurn = 256;
constexpr size_t kMaxQueuedMessages = 16384;  // of a client that does not read
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
    if (client->queue.empty() && !client->dump) read_requests(events[i].data.u64, *client, handler);
    if (events[i].events & EPOLLERR) client->broken = true;
  }
  for (auto it = clients_.begin(); it != clients_.end();) {
    if (it->second.broken) {
      it = clients_.erase(it);  // closing takes it out of the epoll set
      continue;
    }
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
  for (unsigned turn = 0; turn < kRequestsPerTurn && !client.broken; ++turn) {
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxFds * sizeof(int))> control;
    iovec part{receive_buffer_.data(), receive_buffer_.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    const ssize_t size = recvmsg(client.fd.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    auto fds = take_fds(header);
    if (size <= 0) {
      client.broken = true;
      return;
    }
    if (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
      const auto sequence = as<api::Header>(receive_buffer_).sequence;
      reply(id, sequence, {api::Error::kMalformed, "larger than any message of this API"});
    } else {
      handle(id, client, static_cast<size_t>(size), fds, handler);
    }
    explicit_bzero(receive_buffer_.data(), static_cast<size_t>(size));  // it may have held keys
    if (!client.queue.empty() || client.dump) return;
  }
}

void ApiServer::handle(ClientId id, Client& client, size_t size, std::vector<UniqueFd>& fds,
                       const Handler& handler) {
  const auto message = std::span(receive_buffer_).first(size);
  const uint32_t sequence = size >= sizeof(api::Header) ? as<api::Header>(message).sequence : 0;
  const auto type = validate(message);
  if (!type.ok()) return reply(id, sequence, type.failure());
  if (!fds.empty() && type.value() != api::Type::kSetMirror)
    return reply(id, sequence, {api::Error::kMalformed, "file descriptors with a message that takes none"});
  if (type.value() == api::Type::kHello) client.said_hello = true;
  handler({id, type.value(), sequence, message, fds});
}

void ApiServer::reply(ClientId id, uint32_t sequence, const Failure& failure, uint32_t count) {
  Client* client = find(id);
  if (client == nullptr) return;
  auto message = make_message<api::Reply>(api::Type::kReply, sequence);
  message.error = failure.error;
  message.count = count;
  set_text(message.text, failure.text);
  if (failure.failed()) spdlog::debug("API: request {} refused: {}", sequence, failure.text);
  send(*client, std::as_bytes(std::span(&message, 1)));
  watch(id, *client);
}

void ApiServer::send_hello(ClientId id, const api::HelloReply& hello) {
  if (Client* client = find(id)) send(*client, std::as_bytes(std::span(&hello, 1)));
}

void ApiServer::dump(ClientId id, uint32_t sequence, DumpSource source) {
  Client* client = find(id);
  if (client == nullptr) return;
  client->dump = Dump{sequence, 0, std::move(source)};
  continue_dump(*client);
}

void ApiServer::send_event(std::span<const std::byte> event) {
  for (auto& [id, client] : clients_)
    if (client.said_hello) {
      send(client, event);
      watch(id, client);
    }
}

void ApiServer::send(Client& client, std::span<const std::byte> message) {
  if (client.broken) return;
  if (client.queue.size() >= kMaxQueuedMessages) {
    spdlog::warn("API socket: a client that reads nothing was cut off");
    client.broken = true;
    shutdown(client.fd.get(), SHUT_RDWR);  // makes the next serve() clear it away
    return;
  }
  client.queue.emplace_back(message.begin(), message.end());
  flush(client);
}

void ApiServer::flush(Client& client) {
  while (!client.queue.empty() && !client.broken) {
    const auto& message = client.queue.front();
    if (::send(client.fd.get(), message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
      if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS) client.broken = true;
      return;
    }
    client.queue.pop_front();
  }
}

void ApiServer::continue_dump(Client& client) {
  for (unsigned i = 0; client.dump && client.queue.empty() && !client.broken && i < kDumpItemsPerTurn; ++i) {
    auto item = client.dump->source();
    if (item) {
      api::Header header = as<api::Header>(*item);
      header.sequence = client.dump->sequence;
      std::memcpy(item->data(), &header, sizeof header);
      ++client.dump->count;
      send(client, *item);
      continue;
    }
    auto message = make_message<api::Reply>(api::Type::kReply, client.dump->sequence);
    message.count = client.dump->count;
    client.dump.reset();
    send(client, std::as_bytes(std::span(&message, 1)));
  }
}

// While a client has answers to take, no more of its requests are read.
void ApiServer::watch(ClientId id, Client& client) {
  const uint32_t wanted = client.queue.empty() && !client.dump ? EPOLLIN : EPOLLOUT;
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
