// SPDX-License-Identifier: GPL-2.0-or-later
// A list: a gateway has few trap policies. Called under the core's mutex.
#include "vici-bridge/plugin/traps.h"

#include <stdlib.h>

typedef struct trap_t trap_t;

struct trap_t {
  trap_t* next;
  uint32_t reqid;
  traffic_selector_t *src, *dst;
};

struct traps_t {
  trap_t* first;
};

traps_t* traps_create(void) {
  return calloc(1, sizeof(traps_t));
}

static void drop(trap_t** link) {
  trap_t* trap = *link;
  *link = trap->next;
  trap->src->destroy(trap->src);
  trap->dst->destroy(trap->dst);
  free(trap);
}

void traps_destroy(traps_t* traps) {
  while (traps->first) {
    drop(&traps->first);
  }
  free(traps);
}

void traps_add(traps_t* traps, uint32_t reqid, traffic_selector_t* src, traffic_selector_t* dst) {
  trap_t** end = &traps->first;
  while (*end) {
    end = &(*end)->next;
  }
  *end = malloc(sizeof(**end));
  **end = (trap_t){.reqid = reqid, .src = src->clone(src), .dst = dst->clone(dst)};
}

void traps_remove(traps_t* traps, uint32_t reqid, traffic_selector_t* src, traffic_selector_t* dst) {
  for (trap_t** link = &traps->first; *link; link = &(*link)->next) {
    trap_t* trap = *link;
    if (trap->reqid == reqid && trap->src->equals(trap->src, src) && trap->dst->equals(trap->dst, dst)) {
      drop(link);
      return;
    }
  }
}

bool traps_find(traps_t* traps, uint32_t reqid, traffic_selector_t** src, traffic_selector_t** dst) {
  for (trap_t* trap = traps->first; trap; trap = trap->next) {
    if (trap->reqid == reqid) {
      *src = trap->src->clone(trap->src);
      *dst = trap->dst->clone(trap->dst);
      return true;
    }
  }
  return false;
}
