// SPDX-License-Identifier: GPL-2.0-or-later
// What a reader is sent and in which order: HELLO, the snapshot, then the queued deltas. Feed's thread.
#ifndef SALLYPORT_FEED_OUTPUT_H
#define SALLYPORT_FEED_OUTPUT_H

#include "vici-bridge/plugin/core.h"

// Writes the next message, numbered, to buffer (SP_FEED_MAX_MESSAGE bytes). Returns its length; 0: none.
size_t feed_output_next(core_t* core, void* buffer);

// The reader asks for the snapshot again. With the mutex held.
void feed_output_resync(core_t* core);

#endif
