// SPDX-License-Identifier: GPL-2.0-or-later
// A hash by SPI and a list by age. Called under the core's mutex.
#include "vici-bridge/plugin/sa_table.h"

#include <stdlib.h>

#include "vici-bridge/plugin/sa_message.h"

#define BUCKETS 65536u  // a power of two; SPIs are random where they count

struct sa_table_t {
  sa_entry_t** buckets;
  sa_entry_t *oldest, *newest;
  uint64_t last_order;
  sa_entry_t* walk_next;  // NULL: the walk is over
  uint64_t walk_last;     // the order of the last SA of the walk
};

static sa_entry_t** bucket_of(sa_table_t* table, uint32_t spi) {
  return &table->buckets[(spi ^ spi >> 16) & (BUCKETS - 1)];
}

sa_table_t* sa_table_create(void) {
  sa_table_t* table = calloc(1, sizeof(*table));
  table->buckets = calloc(BUCKETS, sizeof(*table->buckets));
  return table;
}

void sa_table_destroy(sa_table_t* table) {
  while (table->oldest) {
    sa_table_remove(table, table->oldest);
  }
  free(table->buckets);
  free(table);
}

static sa_entry_t* find_by_endpoint(sa_table_t* table, uint32_t spi, host_t* dst) {
  sa_entry_t* entry = *bucket_of(table, spi);
  while (entry && (entry->message->spi != spi || !entry->dst->equals(entry->dst, dst))) {
    entry = entry->next_in_bucket;
  }
  return entry;
}

sa_entry_t* sa_table_insert(sa_table_t* table, struct sp_feed_sa* message, host_t* src, host_t* dst) {
  sa_entry_t* old = message->inbound ? sa_table_find(table, message->spi, message->slot, true)
                                     : find_by_endpoint(table, message->spi, dst);
  if (old) {
    sa_table_remove(table, old);
  }
  sa_entry_t* entry = calloc(1, sizeof(*entry));
  entry->message = message;
  entry->src = src;
  entry->dst = dst;
  entry->order = ++table->last_order;
  sa_entry_t** bucket = bucket_of(table, message->spi);
  entry->next_in_bucket = *bucket;
  *bucket = entry;
  entry->older = table->newest;
  *(table->newest ? &table->newest->newer : &table->oldest) = entry;
  table->newest = entry;
  return entry;
}

void sa_table_remove(sa_table_t* table, sa_entry_t* entry) {
  sa_entry_t** link = bucket_of(table, entry->message->spi);
  while (*link != entry) {
    link = &(*link)->next_in_bucket;
  }
  *link = entry->next_in_bucket;
  if (table->walk_next == entry) {
    table->walk_next = entry->newer;
  }
  *(entry->older ? &entry->older->newer : &table->oldest) = entry->newer;
  *(entry->newer ? &entry->newer->older : &table->newest) = entry->older;
  sa_message_destroy(entry->message);
  entry->src->destroy(entry->src);
  entry->dst->destroy(entry->dst);
  free(entry);
}

sa_entry_t* sa_table_find(sa_table_t* table, uint32_t spi, uint32_t slot, bool inbound) {
  sa_entry_t* entry = *bucket_of(table, spi);
  while (entry && (entry->message->spi != spi || !!entry->message->inbound != inbound ||
                   (!inbound && entry->message->slot != slot))) {
    entry = entry->next_in_bucket;
  }
  return entry;
}

sa_entry_t* sa_table_find_by_destination(sa_table_t* table, uint32_t spi, host_t* dst) {
  sa_entry_t* entry = find_by_endpoint(table, spi, dst);
  if (entry) {
    return entry;
  }
  entry = *bucket_of(table, spi);
  while (entry && (entry->message->spi != spi || !entry->dst->ip_equals(entry->dst, dst))) {
    entry = entry->next_in_bucket;
  }
  return entry;
}

void sa_table_begin_walk(sa_table_t* table) {
  table->walk_next = table->oldest;
  table->walk_last = table->last_order;
}

sa_entry_t* sa_table_next(sa_table_t* table) {
  sa_entry_t* entry = table->walk_next;
  if (!entry || entry->order > table->walk_last) {
    table->walk_next = NULL;
    return NULL;
  }
  table->walk_next = entry->newer;
  return entry;
}

void sa_table_change_ike_id(sa_table_t* table, uint32_t from, uint32_t to) {
  for (sa_entry_t* entry = table->oldest; entry; entry = entry->newer) {
    if (entry->message->ike_id == from) {
      entry->message->ike_id = to;
    }
  }
}

sa_entry_t* sa_table_oldest(sa_table_t* table) {
  return table->oldest;
}
