#ifndef SHARED_IPC_ADDRESS_COUNTS_H
#define SHARED_IPC_ADDRESS_COUNTS_H

#include <stdint.h>

/*
 * How many connections each address has at each worker, in memory that all of them share: so that
 * limits.connections_per_address holds over all. Each worker writes its own row and reads the others'; the
 * master clears the row of a worker that has died, with whatever connections. The size is fixed: an address
 * that finds no place in a row (rows have four places for each connection a worker has when all have equally
 * many) is then counted by that worker alone.
 */

struct address_counts;

/** Maps empty counts, shared with all later children, for @connections in all. NULL with errno. */
[[gnu::warn_unused_result]] struct address_counts *address_counts_create(uint32_t workers,
                                                                         uint64_t connections);

/** Says how many connections @address (a number for it; @family: AF_INET or AF_INET6) has at @worker. Only
 * that worker calls it. */
void address_counts_set(struct address_counts *counts, uint32_t worker, int family, uint64_t address,
                        uint32_t count);

/** How many it has at all the other workers. */
uint64_t address_counts_others(const struct address_counts *counts, uint32_t worker, int family,
                               uint64_t address);

/** Forgets what @worker has said: it is dead. */
void address_counts_clear(struct address_counts *counts, uint32_t worker);

#endif
