// SPDX-License-Identifier: GPL-2.0-or-later
// The snapshot is taken one SA at a time, so that neither the mutex is held for long nor memory doubled. What
// changes meanwhile is queued behind SNAPSHOT_END: an SA that is deleted before its turn is never shown, one
// that comes is not in the snapshot but in the deltas. Feed's thread.
#include "vici-bridge/plugin/feed_output.h"

#include <string.h>

static size_t put_empty(void* buffer, uint16_t type) {
  message_init(buffer, type, sizeof(struct sp_feed_header));
  return sizeof(struct sp_feed_header);
}

static size_t put_hello(core_t* core, void* buffer) {
  struct sp_feed_hello* hello = buffer;
  memset(hello, 0, sizeof(*hello));
  message_init(&hello->header, SP_FEED_HELLO, sizeof(*hello));
  memcpy(hello->instance, core->instance, sizeof(hello->instance));
  memcpy(hello->strongswan_version, core->strongswan_version, sizeof(hello->strongswan_version));
  return sizeof(*hello);
}

static size_t put_snapshot_sa(core_t* core, void* buffer) {
  sa_entry_t* entry = sa_table_next(core->sas);
  if (!entry) {
    core->phase = core->resync ? OUTPUT_SNAPSHOT_BEGIN : OUTPUT_DELTAS;
    core->resync = false;
    return put_empty(buffer, SP_FEED_SNAPSHOT_END);
  }
  size_t length = entry->message->header.length;
  memcpy(buffer, entry->message, length);
  return length;
}

static size_t put_next(core_t* core, void* buffer) {
  switch (core->phase) {
    case OUTPUT_HELLO:
      core->phase = OUTPUT_SNAPSHOT_BEGIN;
      return put_hello(core, buffer);
    case OUTPUT_SNAPSHOT_BEGIN:
      sa_table_begin_walk(core->sas);
      outbox_drop_sas(core->outbox);
      core->phase = OUTPUT_SNAPSHOT;
      return put_empty(buffer, SP_FEED_SNAPSHOT_BEGIN);
    case OUTPUT_SNAPSHOT:
      return put_snapshot_sa(core, buffer);
    case OUTPUT_DELTAS:
      return outbox_take(core->outbox, buffer);
    case OUTPUT_NOTHING:
      break;
  }
  return 0;
}

size_t feed_output_next(core_t* core, void* buffer) {
  core->mutex->lock(core->mutex);
  size_t length = put_next(core, buffer);
  if (length) {
    ((struct sp_feed_header*)buffer)->number = ++core->last_number;
  }
  core->mutex->unlock(core->mutex);
  return length;
}

void feed_output_resync(core_t* core) {
  if (core->phase == OUTPUT_DELTAS) {
    core->phase = OUTPUT_SNAPSHOT_BEGIN;
  } else if (core->phase == OUTPUT_SNAPSHOT) {
    core->resync = true;  // a snapshot is never broken off: what it lacks would count as gone
  }
}
