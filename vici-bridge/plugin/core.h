// SPDX-License-Identifier: GPL-2.0-or-later
// What charon's threads and the feed's thread share, and the one mutex that guards it. The mutex is held for
// moments only: nobody waits, writes to a socket, logs or calls charon under it.
#ifndef SALLYPORT_CORE_H
#define SALLYPORT_CORE_H

#include <library.h>
#include <threading/condvar.h>
#include <threading/mutex.h>

#include "vici-bridge/plugin/lifetimes.h"
#include "vici-bridge/plugin/outbox.h"
#include "vici-bridge/plugin/sa_table.h"
#include "vici-bridge/plugin/spi_pool.h"
#include "vici-bridge/plugin/traps.h"

// What the feed's thread sends next.
typedef enum {
  OUTPUT_NOTHING,  // no reader
  OUTPUT_HELLO,
  OUTPUT_SNAPSHOT_BEGIN,
  OUTPUT_SNAPSHOT,
  OUTPUT_DELTAS,
} output_phase_t;

typedef struct {
  mutex_t* mutex;
  condvar_t* answered;  // an SA_ACK or a heartbeat came, or the reader went

  sa_table_t* sas;
  spi_pool_t* spis;
  lifetimes_t* lifetimes;
  traps_t* traps;

  outbox_t* outbox;
  bool overflowed;  // the reader is too slow: the feed's thread drops it
  output_phase_t phase;
  bool resync;           // another snapshot was asked for while one was sent
  uint64_t last_number;  // of the messages to this reader

  bool greeted;  // READER_HELLO came
  bool ready;    // READER_READY came
  uint64_t heartbeats;
  uint64_t last_heartbeat_ms;

  int wake_fd;  // eventfd that the feed's thread waits on
  uint8_t instance[16];
  char strongswan_version[32];
} core_t;

core_t* core_create(const char* strongswan_version);  // NULL: out of descriptors
void core_destroy(core_t* core);

uint64_t core_now_ms(void);  // CLOCK_MONOTONIC

// All below: with the mutex held.

// A reader is there, ready, and was heard within SP_FEED_SILENCE_MS: it will take an SA.
bool core_reader_alive(core_t* core);
// Queues a message for the reader, if there is one, and wakes the feed's thread.
void core_post(core_t* core, const void* message);
void core_wake(core_t* core);
// A reader came (phase OUTPUT_HELLO) or went (OUTPUT_NOTHING): start over.
void core_reset_reader(core_t* core, output_phase_t phase);

// Fills in the header of a message; its number is set when it is sent.
void message_init(struct sp_feed_header* header, uint16_t type, size_t length);

#endif
