// SPDX-License-Identifier: GPL-2.0-or-later
// The table of slots and the assignment of peers to home workers. Called under the core's mutex.
#include "vici-bridge/plugin/spi_pool.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "vici-bridge/key_message.h"

#define SLOT_COUNT (1u << SP_SLOT_BITS)
#define HIGH_COUNT (1u << (32 - SP_SLOT_BITS))
#define PEER_BUCKETS 65536u  // a power of two
#define PEER_LIMIT 49152u
#define RANDOM_PROBES 64u

typedef struct {
  uint32_t held;       // by charon: the reserved or installed SPI, 0 for none
  uint32_t live;       // in the dataplane, 0 for none
  uint32_t last_high;  // the high bits given out last, 0 for none yet
  bool orphan;         // live, and charon doesn't know it: given away only after the dataplane let go
  bool rests;          // since rest_from_ms
  uint64_t rest_from_ms;
} slot_t;

typedef struct {
  uint64_t hash;  // 0: empty
  uint32_t residue;
} peer_t;

struct spi_pool_t {
  slot_t* slots;  // SLOT_COUNT of them, zero pages until used
  uint32_t workers;
  uint32_t slot_count;
  uint32_t touched;  // slots from here on were never used
  uint32_t* busy;    // slots in use by residue, workers of them
  peer_t* peers;     // PEER_BUCKETS, open addressing
  uint32_t peer_count;
};

static uint32_t random_below(uint32_t bound) {
  uint32_t value = 0;
  while (getrandom(&value, sizeof(value), 0) != sizeof(value)) {
  }
  return value % bound;
}

static bool in_use(const slot_t* slot) {
  return slot->held || slot->live;
}

// Changes one slot and keeps the count of its residue right.
static void set_slot(spi_pool_t* pool, uint32_t index, uint32_t held, uint32_t live) {
  slot_t* slot = &pool->slots[index];
  bool before = in_use(slot);
  slot->held = held;
  slot->live = live;
  pool->touched = index < pool->touched ? pool->touched : index + 1;
  if (pool->workers && index < pool->slot_count && before != in_use(slot)) {
    pool->busy[index % pool->workers] += before ? -1 : 1;
  }
}

spi_pool_t* spi_pool_create(void) {
  spi_pool_t* pool = calloc(1, sizeof(*pool));
  pool->slots = calloc(SLOT_COUNT, sizeof(*pool->slots));
  pool->peers = calloc(PEER_BUCKETS, sizeof(*pool->peers));
  return pool;
}

void spi_pool_destroy(spi_pool_t* pool) {
  free(pool->slots);
  free(pool->busy);
  free(pool->peers);
  free(pool);
}

void spi_pool_configure(spi_pool_t* pool, uint32_t workers, uint32_t slots) {
  if (workers != pool->workers) {
    memset(pool->peers, 0, PEER_BUCKETS * sizeof(*pool->peers));
    pool->peer_count = 0;
  }
  free(pool->busy);
  pool->busy = calloc(workers, sizeof(*pool->busy));
  pool->workers = workers;
  pool->slot_count = slots;
  for (uint32_t index = 0; index < pool->touched; index++) {
    slot_t* slot = &pool->slots[index];
    slot->live = 0;
    slot->orphan = false;
    if (slot->held && index < slots) {
      pool->busy[index % workers]++;
    }
  }
}

void spi_pool_set_live(spi_pool_t* pool, uint32_t spi) {
  uint32_t index = spi & SP_SLOT_MASK;
  slot_t* slot = &pool->slots[index];
  slot->last_high = spi >> SP_SLOT_BITS;
  slot->orphan = slot->held != spi && !slot->rests;
  set_slot(pool, index, slot->held, spi);
}

void spi_pool_clear_live(spi_pool_t* pool, uint32_t spi) {
  uint32_t index = spi & SP_SLOT_MASK;
  slot_t* slot = &pool->slots[index];
  if (slot->live == spi) {
    slot->orphan = false;
    set_slot(pool, index, slot->held, 0);
  }
}

// The home worker of a peer: chosen once as the one with the fewest slots in use (the hash decides between
// equals), remembered from then on.
static uint32_t residue_of(spi_pool_t* pool, uint64_t hash) {
  hash = hash ? hash : 1;
  uint32_t bucket = hash & (PEER_BUCKETS - 1);
  while (pool->peers[bucket].hash && pool->peers[bucket].hash != hash) {
    bucket = (bucket + 1) & (PEER_BUCKETS - 1);
  }
  if (pool->peers[bucket].hash == hash) {
    return pool->peers[bucket].residue;
  }
  uint32_t best = (hash >> 32) % pool->workers;
  for (uint32_t i = 1; i < pool->workers; i++) {
    uint32_t candidate = (uint32_t)(((hash >> 32) + i) % pool->workers);
    if (pool->busy[candidate] < pool->busy[best]) {
      best = candidate;
    }
  }
  if (pool->peer_count < PEER_LIMIT) {
    pool->peers[bucket] = (peer_t){.hash = hash, .residue = best};
    pool->peer_count++;
    return best;
  }
  return (hash >> 32) % pool->workers;  // more peers than we remember: the hash alone is stable too
}

static bool available(const slot_t* slot, uint64_t now_ms) {
  if (slot->held || slot->orphan) {
    return false;
  }
  if (slot->rests) {
    return now_ms - slot->rest_from_ms >= (slot->live ? SPI_POOL_SILENT_REST_MS : SPI_POOL_REST_MS);
  }
  return !slot->live;
}

static uint32_t take(spi_pool_t* pool, uint32_t index) {
  slot_t* slot = &pool->slots[index];
  uint32_t high;  // never 0: SPIs below 256 are reserved (RFC 4303, section 2.1)
  do {
    high = 1 + random_below(HIGH_COUNT - 1);
  } while (high == slot->last_high);
  uint32_t spi = high << SP_SLOT_BITS | index;
  slot->last_high = high;
  slot->rests = false;
  set_slot(pool, index, spi, 0);
  return spi;
}

uint32_t spi_pool_reserve(spi_pool_t* pool, uint64_t peer_hash, uint64_t now_ms) {
  uint32_t residue = residue_of(pool, peer_hash);
  if (residue >= pool->slot_count) {
    return 0;
  }
  uint32_t count = (pool->slot_count - residue + pool->workers - 1) / pool->workers;
  for (uint32_t probe = 0; probe < RANDOM_PROBES; probe++) {
    uint32_t index = random_below(count) * pool->workers + residue;
    if (available(&pool->slots[index], now_ms)) {
      return take(pool, index);
    }
  }
  uint32_t start = random_below(count);
  for (uint32_t i = 0; i < count; i++) {
    uint32_t index = (start + i) % count * pool->workers + residue;
    if (available(&pool->slots[index], now_ms)) {
      return take(pool, index);
    }
  }
  return 0;
}

void spi_pool_release(spi_pool_t* pool, uint32_t spi, uint64_t now_ms) {
  uint32_t index = spi & SP_SLOT_MASK;
  slot_t* slot = &pool->slots[index];
  if (slot->held == spi) {
    slot->rests = true;
    slot->rest_from_ms = now_ms;
    set_slot(pool, index, 0, slot->live);
  }
}
