// SPDX-License-Identifier: GPL-2.0-or-later
// A singly linked queue. Called under the core's mutex.
#include "vici-bridge/plugin/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "vici-bridge/key_message.h"

typedef struct letter_t letter_t;

struct letter_t {
  letter_t* next;
  struct sp_feed_header message[];  // one, and what follows it
};

struct outbox_t {
  letter_t* first;
  letter_t** end;
  size_t bytes;
};

outbox_t* outbox_create(void) {
  outbox_t* outbox = calloc(1, sizeof(*outbox));
  outbox->end = &outbox->first;
  return outbox;
}

void outbox_destroy(outbox_t* outbox) {
  outbox_clear(outbox);
  free(outbox);
}

bool outbox_append(outbox_t* outbox, const void* message) {
  size_t length = ((const struct sp_feed_header*)message)->length;
  if (outbox->bytes + length > OUTBOX_MAX_BYTES) {
    return false;
  }
  letter_t* letter = malloc(sizeof(*letter) + length);
  letter->next = NULL;
  memcpy(letter->message, message, length);
  *outbox->end = letter;
  outbox->end = &letter->next;
  outbox->bytes += length;
  return true;
}

// Unlinks the letter that *link points to.
static void drop(outbox_t* outbox, letter_t** link) {
  letter_t* letter = *link;
  size_t length = letter->message->length;
  *link = letter->next;
  if (outbox->end == &letter->next) {
    outbox->end = link;
  }
  outbox->bytes -= length;
  explicit_bzero(letter->message, length);
  free(letter);
}

size_t outbox_take(outbox_t* outbox, void* buffer) {
  if (!outbox->first) {
    return 0;
  }
  size_t length = outbox->first->message->length;
  memcpy(buffer, outbox->first->message, length);
  drop(outbox, &outbox->first);
  return length;
}

void outbox_clear(outbox_t* outbox) {
  while (outbox->first) {
    drop(outbox, &outbox->first);
  }
}

void outbox_drop_sas(outbox_t* outbox) {
  letter_t** link = &outbox->first;
  while (*link) {
    uint16_t type = (*link)->message->type;
    if (type == SP_FEED_SA_ADD || type == SP_FEED_SA_UPDATE || type == SP_FEED_SA_DEL) {
      drop(outbox, link);
    } else {
      link = &(*link)->next;
    }
  }
}
