// SPDX-License-Identifier: GPL-2.0-or-later
// The trap policies charon installed, by reqid: an ACQUIRE from the dataplane names only the reqid, and
// charon wants the policy's selectors with it. Not thread-safe: the core's mutex guards it.
#ifndef SALLYPORT_TRAPS_H
#define SALLYPORT_TRAPS_H

#include <library.h>
#include <selectors/traffic_selector.h>

typedef struct traps_t traps_t;

traps_t* traps_create(void);
void traps_destroy(traps_t* traps);
// Clones the selectors of an outbound trap policy.
void traps_add(traps_t* traps, uint32_t reqid, traffic_selector_t* src, traffic_selector_t* dst);
// Unknown ones are ignored.
void traps_remove(traps_t* traps, uint32_t reqid, traffic_selector_t* src, traffic_selector_t* dst);
// Clones of the selectors of the reqid's first policy, owned by the caller. False: no such trap.
bool traps_find(traps_t* traps, uint32_t reqid, traffic_selector_t** src, traffic_selector_t** dst);

#endif
