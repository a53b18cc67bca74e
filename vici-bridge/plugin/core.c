// SPDX-License-Identifier: GPL-2.0-or-later
// The shared state's life, and the queueing of messages. Any of charon's threads and the feed's.
#include "vici-bridge/plugin/core.h"

#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

core_t* core_create(const char* strongswan_version) {
  int wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake_fd < 0) {
    return NULL;
  }
  core_t* core = calloc(1, sizeof(*core));
  core->mutex = mutex_create(MUTEX_TYPE_DEFAULT);
  core->answered = condvar_create(CONDVAR_TYPE_DEFAULT);
  core->sas = sa_table_create();
  core->spis = spi_pool_create();
  core->lifetimes = lifetimes_create();
  core->traps = traps_create();
  core->outbox = outbox_create();
  core->wake_fd = wake_fd;
  snprintf(core->strongswan_version, sizeof(core->strongswan_version), "%s", strongswan_version);
  while (getrandom(core->instance, sizeof(core->instance), 0) != sizeof(core->instance)) {
  }
  return core;
}

void core_destroy(core_t* core) {
  close(core->wake_fd);
  outbox_destroy(core->outbox);
  traps_destroy(core->traps);
  lifetimes_destroy(core->lifetimes);
  spi_pool_destroy(core->spis);
  sa_table_destroy(core->sas);
  core->answered->destroy(core->answered);
  core->mutex->destroy(core->mutex);
  free(core);
}

uint64_t core_now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool core_reader_alive(core_t* core) {
  return core->ready && core_now_ms() - core->last_heartbeat_ms <= SP_FEED_SILENCE_MS;
}

void core_wake(core_t* core) {
  uint64_t one = 1;
  // Full means that the thread has been woken already.
  if (write(core->wake_fd, &one, sizeof(one)) < 0) {
    return;
  }
}

void core_post(core_t* core, const void* message) {
  if (core->phase == OUTPUT_NOTHING || core->overflowed) {
    return;
  }
  core->overflowed = !outbox_append(core->outbox, message);
  core_wake(core);
}

void core_reset_reader(core_t* core, output_phase_t phase) {
  outbox_clear(core->outbox);
  core->overflowed = false;
  core->phase = phase;
  core->resync = false;
  core->last_number = 0;
  core->greeted = false;
  core->ready = false;
  core->last_heartbeat_ms = 0;
  core->answered->broadcast(core->answered);
}

void message_init(struct sp_feed_header* header, uint16_t type, size_t length) {
  *header = (struct sp_feed_header){
      .magic = SP_FEED_MAGIC,
      .version = SP_FEED_VERSION,
      .type = type,
      .length = (uint32_t)length,
  };
}
