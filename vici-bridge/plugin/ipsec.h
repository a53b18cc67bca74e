// SPDX-License-Identifier: GPL-2.0-or-later
// charon's kernel_ipsec_t, served by the core: every call is answered from memory; only adding an inbound
// SA waits for the dataplane: 50 ms, or for a silent reader until it counts as gone (SP_FEED_SILENCE_MS).
#ifndef SALLYPORT_IPSEC_H
#define SALLYPORT_IPSEC_H

#include <kernel/kernel_ipsec.h>
#include <library.h>

// A kernel_ipsec_constructor_t: opens the feed's socket, starts its thread and listens on the bus. NULL when
// any of that fails; the reason is in the log.
kernel_ipsec_t* sallyport_ipsec_create(void);

#endif
