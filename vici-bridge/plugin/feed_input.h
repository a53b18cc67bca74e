// SPDX-License-Identifier: GPL-2.0-or-later
// What a reader may say, checked and obeyed. Feed's thread, without the mutex.
#ifndef SALLYPORT_FEED_INPUT_H
#define SALLYPORT_FEED_INPUT_H

#include "vici-bridge/plugin/core.h"

// Obeys one datagram of length bytes (aligned for any type). Returns NULL, or why it is not a valid message:
// the connection must be dropped.
const char* feed_input_handle(core_t* core, const void* message, size_t length);

#endif
