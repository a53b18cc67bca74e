// SPDX-License-Identifier: GPL-2.0-or-later
// A binary heap by due time. Called under the core's mutex.
#include "vici-bridge/plugin/lifetimes.h"

#include <stdlib.h>

struct lifetimes_t {
  expiry_t* heap;
  uint32_t count, capacity;
};

lifetimes_t* lifetimes_create(void) {
  return calloc(1, sizeof(lifetimes_t));
}

void lifetimes_destroy(lifetimes_t* lifetimes) {
  free(lifetimes->heap);
  free(lifetimes);
}

void lifetimes_add(lifetimes_t* lifetimes, const expiry_t* expiry) {
  if (lifetimes->count == lifetimes->capacity) {
    lifetimes->capacity = lifetimes->capacity ? 2 * lifetimes->capacity : 64;
    lifetimes->heap = realloc(lifetimes->heap, lifetimes->capacity * sizeof(*lifetimes->heap));
  }
  expiry_t* heap = lifetimes->heap;
  uint32_t at = lifetimes->count++;
  while (at && heap[(at - 1) / 2].due_ms > expiry->due_ms) {
    heap[at] = heap[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  heap[at] = *expiry;
}

bool lifetimes_take_due(lifetimes_t* lifetimes, uint64_t now_ms, expiry_t* expiry) {
  expiry_t* heap = lifetimes->heap;
  if (!lifetimes->count || heap[0].due_ms > now_ms) {
    return false;
  }
  *expiry = heap[0];
  expiry_t last = heap[--lifetimes->count];
  uint32_t at = 0;
  while (2 * at + 1 < lifetimes->count) {
    uint32_t child = 2 * at + 1;
    if (child + 1 < lifetimes->count && heap[child + 1].due_ms < heap[child].due_ms) {
      child++;
    }
    if (heap[child].due_ms >= last.due_ms) {
      break;
    }
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = last;
  return true;
}

int64_t lifetimes_wait_ms(const lifetimes_t* lifetimes, uint64_t now_ms) {
  if (!lifetimes->count) {
    return -1;
  }
  return lifetimes->heap[0].due_ms > now_ms ? (int64_t)(lifetimes->heap[0].due_ms - now_ms) : 0;
}
