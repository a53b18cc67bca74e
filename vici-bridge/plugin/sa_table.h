// SPDX-License-Identifier: GPL-2.0-or-later
// The SAs charon installed through us, keys included, oldest first: each is kept as the SA_ADD message that
// tells a reader about it. Not thread-safe: the core's mutex guards it.
#ifndef SALLYPORT_SA_TABLE_H
#define SALLYPORT_SA_TABLE_H

#include <library.h>
#include <networking/host.h>

#include "vici-bridge/key_message.h"

typedef struct sa_entry_t sa_entry_t;
typedef struct sa_table_t sa_table_t;

struct sa_entry_t {
  sa_entry_t* next_in_bucket;
  sa_entry_t *older, *newer;
  uint64_t order;              // 1, 2, 3... as installed
  struct sp_feed_sa* message;  // owned; the selectors follow it
  host_t *src, *dst;           // owned
  bool refused;                // by the reader
  uint64_t packets, bytes,
      last_use;  // as last heard from the dataplane; last_use in seconds of CLOCK_MONOTONIC
};

sa_table_t* sa_table_create(void);
void sa_table_destroy(sa_table_t* table);  // wipes all keys

// Takes message, src and dst; an SA of the same name is replaced. message->spi, slot and inbound name it.
sa_entry_t* sa_table_insert(sa_table_t* table, struct sp_feed_sa* message, host_t* src, host_t* dst);
void sa_table_remove(sa_table_t* table, sa_entry_t* entry);  // wipes its keys

// As a reader names it. An inbound SA is named by its SPI alone.
sa_entry_t* sa_table_find(sa_table_t* table, uint32_t spi, uint32_t slot, bool inbound);
// As charon names it: by its SPI and destination. Clients behind one NAT may choose the same SPI, so one with
// the same port goes before one with the same address only.
sa_entry_t* sa_table_find_by_destination(sa_table_t* table, uint32_t spi, host_t* dst);

sa_entry_t* sa_table_oldest(sa_table_t* table);  // NULL: none

// A walk over the SAs that are there now, oldest first, that may be left off and taken up again while SAs
// come and go: begin, then next until it returns NULL. One walk at a time.
void sa_table_begin_walk(sa_table_t* table);
sa_entry_t* sa_table_next(sa_table_t* table);

// charon moved its CHILD_SAs from one IKE_SA to another.
void sa_table_change_ike_id(sa_table_t* table, uint32_t from, uint32_t to);

#endif
