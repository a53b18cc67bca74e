// SPDX-License-Identifier: GPL-2.0-or-later
// The bounded queue of messages that wait for the reader. Wipes every message it drops: they carry keys.
// Not thread-safe: the core's mutex guards it.
#ifndef SALLYPORT_OUTBOX_H
#define SALLYPORT_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTBOX_MAX_BYTES (32u << 20)

typedef struct outbox_t outbox_t;

outbox_t* outbox_create(void);
void outbox_destroy(outbox_t* outbox);
// Copies the message, which starts with its sp_feed_header. False when the queue is full.
bool outbox_append(outbox_t* outbox, const void* message);
// Moves the first message to buffer (SP_FEED_MAX_MESSAGE bytes) and returns its length; 0: empty.
size_t outbox_take(outbox_t* outbox, void* buffer);
void outbox_clear(outbox_t* outbox);
// Drops SA_ADD, SA_UPDATE and SA_DEL: a snapshot is about to say it all.
void outbox_drop_sas(outbox_t* outbox);

#endif
