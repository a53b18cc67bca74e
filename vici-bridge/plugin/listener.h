// SPDX-License-Identifier: GPL-2.0-or-later
// charon's bus, told to the reader: states of IKE_SAs and CHILD_SAs, rekeys and alerts, in order with the
// SAs.
#ifndef SALLYPORT_LISTENER_H
#define SALLYPORT_LISTENER_H

#include "vici-bridge/plugin/core.h"

typedef struct sallyport_listener_t sallyport_listener_t;

sallyport_listener_t* sallyport_listener_create(core_t* core);
void sallyport_listener_destroy(sallyport_listener_t* listener);

#endif
