// SPDX-License-Identifier: GPL-2.0-or-later
// Time lifetimes of SAs: when which soft or hard expire is due. charon has no clock of its own for CHILD_SAs.
// Not thread-safe: the core's mutex guards it; the feed's thread raises what is due.
#ifndef SALLYPORT_LIFETIMES_H
#define SALLYPORT_LIFETIMES_H

#include <stdbool.h>
#include <stdint.h>

typedef struct lifetimes_t lifetimes_t;

typedef struct {
  uint64_t due_ms;  // CLOCK_MONOTONIC
  uint64_t order;   // of the SA, which may be gone by then
  uint32_t spi, slot;
  bool inbound, hard;
} expiry_t;

lifetimes_t* lifetimes_create(void);
void lifetimes_destroy(lifetimes_t* lifetimes);
void lifetimes_add(lifetimes_t* lifetimes, const expiry_t* expiry);
// Takes the earliest expiry out when it is due.
bool lifetimes_take_due(lifetimes_t* lifetimes, uint64_t now_ms, expiry_t* expiry);
// How long until the next is due; -1: none.
int64_t lifetimes_wait_ms(const lifetimes_t* lifetimes, uint64_t now_ms);

#endif
