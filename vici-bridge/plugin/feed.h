// SPDX-License-Identifier: GPL-2.0-or-later
// The feed's socket and its one thread: takes one reader at a time (the newest wins), sends what feed_output
// has, obeys what feed_input gets, and raises time lifetimes that are due.
#ifndef SALLYPORT_FEED_H
#define SALLYPORT_FEED_H

#include "vici-bridge/plugin/core.h"

// Debian's AppArmor profile of charon-systemd allows /run/charon.*
#define FEED_DEFAULT_PATH "/run/charon.sallyport"

typedef struct feed_t feed_t;

feed_t* feed_create(core_t* core, const char* path);  // NULL: the log says why
void feed_destroy(feed_t* feed);

#endif
