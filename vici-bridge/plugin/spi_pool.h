// SPDX-License-Identifier: GPL-2.0-or-later
// Our inbound SPIs: the low 20 bits are the SA's slot in the dataplane, slot % workers its home worker, the
// high 12 bits are random and never the slot's last value. A slot is given away only when neither charon nor
// the dataplane holds it and it has rested. Not thread-safe: the core's mutex guards it.
#ifndef SALLYPORT_SPI_POOL_H
#define SALLYPORT_SPI_POOL_H

#include <stdbool.h>
#include <stdint.h>

#define SPI_POOL_REST_MS 10000u  // after its SA was deleted; packets in flight still name the old SPI
#define SPI_POOL_SILENT_REST_MS \
  60000u  // when the dataplane never says that it let go (it may have restarted)

typedef struct spi_pool_t spi_pool_t;

spi_pool_t* spi_pool_create(void);
void spi_pool_destroy(spi_pool_t* pool);

// A reader says what the dataplane can hold. What charon holds stays held, what the dataplane was thought to
// hold is forgotten: LIVE_SPIS follows. workers and slots: at least 1, slots at most 2^20.
void spi_pool_configure(spi_pool_t* pool, uint32_t workers, uint32_t slots);

// The dataplane holds (or acknowledged) this SPI; the dataplane let go of it.
void spi_pool_set_live(spi_pool_t* pool, uint32_t spi);
void spi_pool_clear_live(spi_pool_t* pool, uint32_t spi);

// A new SPI for the peer that peer_hash names: every SPI of one peer gets the same home worker for as long as
// the number of workers stays. 0 when no slot of that worker is free.
uint32_t spi_pool_reserve(spi_pool_t* pool, uint64_t peer_hash, uint64_t now_ms);

// charon is done with the SPI; unknown ones are ignored.
void spi_pool_release(spi_pool_t* pool, uint32_t spi, uint64_t now_ms);

#endif
