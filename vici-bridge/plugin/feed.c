// SPDX-License-Identifier: GPL-2.0-or-later
// Everything but feed_create and feed_destroy runs on the feed's thread, which alone knows the descriptors.
#include "vici-bridge/plugin/feed.h"

#include <daemon.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <threading/thread.h>
#include <unistd.h>

#include "vici-bridge/plugin/feed_input.h"
#include "vici-bridge/plugin/feed_output.h"

#define SEND_BUFFER_BYTES (1 << 20)
#define MESSAGES_PER_TURN 256  // so that neither direction starves the other
#define HELD_SOFT_EXPIRE_MS 1000

struct feed_t {
  core_t* core;
  char* path;
  int listen_fd;
  int reader_fd;  // -1: none
  bool stop;
  thread_t* thread;
  size_t unsent;  // bytes of outgoing that the socket had no room for
  _Alignas(8) uint8_t outgoing[SP_FEED_MAX_MESSAGE];
  _Alignas(8) uint8_t incoming[SP_FEED_MAX_MESSAGE];
};

static void drop_reader(feed_t* feed, const char* why) {
  if (feed->reader_fd < 0) {
    return;
  }
  close(feed->reader_fd);
  feed->reader_fd = -1;
  feed->unsent = 0;
  memwipe(feed->outgoing, sizeof(feed->outgoing));
  feed->core->mutex->lock(feed->core->mutex);
  core_reset_reader(feed->core, OUTPUT_NOTHING);
  feed->core->mutex->unlock(feed->core->mutex);
  DBG1(DBG_KNL, "SA feed: reader dropped: %s", why);
}

static void accept_reader(feed_t* feed) {
  int fd = accept4(feed->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    return;
  }
  struct ucred peer = {};
  socklen_t length = sizeof(peer);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 || peer.uid != 0) {
    DBG1(DBG_KNL, "SA feed: refused a reader that is not root (uid %u)", peer.uid);
    close(fd);
    return;
  }
  drop_reader(feed, "another one came");
  int bytes = SEND_BUFFER_BYTES;
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
  feed->reader_fd = fd;
  feed->core->mutex->lock(feed->core->mutex);
  core_reset_reader(feed->core, OUTPUT_HELLO);
  feed->core->mutex->unlock(feed->core->mutex);
  DBG1(DBG_KNL, "SA feed: reader connected (process %d)", peer.pid);
}

static void read_messages(feed_t* feed) {
  for (int i = 0; i < MESSAGES_PER_TURN && feed->reader_fd >= 0; i++) {
    ssize_t length = recv(feed->reader_fd, feed->incoming, sizeof(feed->incoming), MSG_DONTWAIT | MSG_TRUNC);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) {
      return;
    }
    if (length <= 0) {
      drop_reader(feed, length ? strerror(errno) : "it closed the connection");
    } else if ((size_t)length > sizeof(feed->incoming)) {
      drop_reader(feed, "it sent a message that is too long");
    } else {
      const char* wrong = feed_input_handle(feed->core, feed->incoming, (size_t)length);
      if (wrong) {
        DBG1(DBG_KNL, "SA feed: the reader sent %s", wrong);
        drop_reader(feed, "it broke the protocol");
      }
    }
  }
}

// True: there may be more.
static bool write_messages(feed_t* feed) {
  for (int i = 0; i < MESSAGES_PER_TURN && feed->reader_fd >= 0; i++) {
    if (!feed->unsent) {
      feed->unsent = feed_output_next(feed->core, feed->outgoing);
    }
    if (!feed->unsent) {
      return false;
    }
    if (send(feed->reader_fd, feed->outgoing, feed->unsent, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
      if (errno != EAGAIN && errno != EINTR) {
        drop_reader(feed, strerror(errno));
      }
      return false;
    }
    memwipe(feed->outgoing, feed->unsent);
    feed->unsent = 0;
  }
  return feed->reader_fd >= 0;
}

static void post_expired(core_t* core, const expiry_t* expiry) {
  struct sp_feed_sa_expired expired = {
      .spi = expiry->spi, .slot = expiry->slot, .inbound = expiry->inbound, .hard = expiry->hard};
  message_init(&expired.header, SP_FEED_SA_EXPIRED, sizeof(expired));
  core_post(core, &expired);
}

// Takes one due expiry and returns the destination of its SA; NULL: nothing more is due. A soft expire waits
// for a reader: without one no new SA can be had, and charon would only fail to rekey.
static host_t* take_due(core_t* core, expiry_t* expiry) {
  host_t* dst = NULL;
  core->mutex->lock(core->mutex);
  uint64_t now_ms = core_now_ms();
  while (!dst && lifetimes_take_due(core->lifetimes, now_ms, expiry)) {
    sa_entry_t* entry = sa_table_find(core->sas, expiry->spi, expiry->slot, expiry->inbound);
    if (!entry || entry->order != expiry->order) {
      continue;
    }
    if (!expiry->hard && !core_reader_alive(core)) {
      expiry->due_ms = now_ms + HELD_SOFT_EXPIRE_MS;
      lifetimes_add(core->lifetimes, expiry);
      continue;
    }
    post_expired(core, expiry);
    dst = entry->dst->clone(entry->dst);
  }
  core->mutex->unlock(core->mutex);
  return dst;
}

static void raise_lifetimes(feed_t* feed) {
  expiry_t expiry;
  host_t* dst;
  while ((dst = take_due(feed->core, &expiry))) {
    charon->kernel->expire(charon->kernel, IPPROTO_ESP, htonl(expiry.spi), dst, expiry.hard);
    dst->destroy(dst);
  }
}

// How long to sleep; also whether the reader is too slow, and whether we are to stop.
static int prepare_wait(feed_t* feed, bool* overflowed, bool* stop) {
  core_t* core = feed->core;
  core->mutex->lock(core->mutex);
  int64_t wait_ms = lifetimes_wait_ms(core->lifetimes, core_now_ms());
  *overflowed = core->overflowed;
  *stop = feed->stop;
  core->mutex->unlock(core->mutex);
  return wait_ms < 0 || wait_ms > 60000 ? 60000 : (int)wait_ms;
}

static void* run_feed(feed_t* feed) {
  bool overflowed, stop;
  while (true) {
    int wait_ms = prepare_wait(feed, &overflowed, &stop);
    if (stop) {
      while (write_messages(feed)) {  // what charon deleted on its way out
      }
      return NULL;
    }
    if (overflowed) {
      drop_reader(feed, "it is too slow");
    }
    struct pollfd fds[] = {
        {.fd = feed->core->wake_fd, .events = POLLIN},
        {.fd = feed->listen_fd, .events = POLLIN},
        {.fd = feed->reader_fd, .events = POLLIN | (feed->unsent ? POLLOUT : 0)},
    };
    if (poll(fds, countof(fds), wait_ms) > 0) {
      uint64_t wakes;
      if (fds[0].revents && read(feed->core->wake_fd, &wakes, sizeof(wakes)) < 0) {
        continue;
      }
      if (fds[2].revents) {
        read_messages(feed);
      }
      if (fds[1].revents) {
        accept_reader(feed);
      }
      if (write_messages(feed)) {
        core_wake(feed->core);
      }
    }
    raise_lifetimes(feed);
  }
}

// A socket nobody listens on is what a killed charon left behind.
static bool is_in_use(const struct sockaddr_un* address) {
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  bool used = fd >= 0 && connect(fd, (const struct sockaddr*)address, sizeof(*address)) == 0;
  if (fd >= 0) {
    close(fd);
  }
  return used;
}

// Nobody can connect before listen(), so the mode is right from the first moment.
static int open_socket(const char* path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof(address.sun_path)) {
    DBG1(DBG_KNL, "SA feed: the socket's path is too long: %s", path);
    return -1;
  }
  strcpy(address.sun_path, path);
  if (is_in_use(&address)) {
    DBG1(DBG_KNL, "SA feed: another charon listens on %s: set plugins.kernel-sallyport.socket", path);
    return -1;
  }
  unlink(path);
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (struct sockaddr*)&address, sizeof(address)) != 0 ||
      chmod(path, S_IRUSR | S_IWUSR) != 0 || listen(fd, 4) != 0) {
    DBG1(DBG_KNL, "SA feed: can't listen on %s: %s", path, strerror(errno));
    if (fd >= 0) {
      close(fd);
    }
    return -1;
  }
  return fd;
}

feed_t* feed_create(core_t* core, const char* path) {
  int listen_fd = open_socket(path);
  if (listen_fd < 0) {
    return NULL;
  }
  feed_t* feed = aligned_alloc(8, sizeof(*feed));
  memset(feed, 0, sizeof(*feed));
  feed->core = core;
  feed->path = strdup(path);
  feed->listen_fd = listen_fd;
  feed->reader_fd = -1;
  feed->thread = thread_create((thread_main_t)run_feed, feed);
  DBG1(DBG_KNL, "SA feed: waiting for sallyportd on %s", path);
  return feed;
}

void feed_destroy(feed_t* feed) {
  feed->core->mutex->lock(feed->core->mutex);
  feed->stop = true;
  core_wake(feed->core);
  feed->core->mutex->unlock(feed->core->mutex);
  feed->thread->join(feed->thread);
  drop_reader(feed, "charon is stopping");
  close(feed->listen_fd);
  unlink(feed->path);
  free(feed->path);
  free(feed);
}
