// SPDX-License-Identifier: GPL-2.0-or-later
// Every strongSwan daemon prints its version when it starts, so its binary has it as a string of its own.
// Called while charon starts, by one thread.
#include "vici-bridge/plugin/version.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char found_version[32] = "unknown";

// Major 5 to 9, then two numbers, then letters or digits as in "5.9.8" and "6.0.0beta6".
static bool is_version(const char* text, size_t length) {
  if (length < 5 || length >= sizeof(found_version) || text[0] < '5' || text[0] > '9' || text[1] != '.') {
    return false;
  }
  size_t at = 2, minor_digits = 0;
  while (at < length && isdigit((unsigned char)text[at])) {
    at++;
    minor_digits++;
  }
  if (!minor_digits || minor_digits > 2 || at + 1 >= length || text[at] != '.' ||
      !isdigit((unsigned char)text[at + 1])) {
    return false;
  }
  for (at++; at < length; at++) {
    if (!isalnum((unsigned char)text[at])) {
      return false;
    }
  }
  return true;
}

static void search(const char* image, size_t size) {
  for (const char *at = image, *end = image + size; at < end;) {
    const char* zero = memchr(at, 0, (size_t)(end - at));
    if (!zero) {
      return;
    }
    if (is_version(at, (size_t)(zero - at))) {
      memcpy(found_version, at, (size_t)(zero - at) + 1);
      return;
    }
    at = zero + 1;
  }
}

const char* running_strongswan_version(void) {
  if (strcmp(found_version, "unknown") != 0) {
    return found_version;
  }
  int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (fd >= 0 && fstat(fd, &status) == 0 && status.st_size > 0) {
    char* image = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (image != MAP_FAILED) {
      search(image, (size_t)status.st_size);
      munmap(image, (size_t)status.st_size);
    }
  }
  if (fd >= 0) {
    close(fd);
  }
  return found_version;
}
