#ifndef WORKER_NET_ADDRESS_TABLE_H
#define WORKER_NET_ADDRESS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How many connections each address has at this worker. An entry lives as long as its address has a
 * connection, so the table is bounded by limits.connections. The addresses of an IPv6 /64 count as one:
 * whoever has one of them has all.
 */

struct address_counts;
struct address_table;

/** @counts: what all workers have, this one in row @slot; kept. NULL: there is no other. */
struct address_table *address_table_create(struct address_counts *counts, unsigned slot);
void address_table_free(struct address_table **table);

/** One more of @address (network byte order, 4 bytes of AF_INET, 16 of AF_INET6); false, and nothing counted,
 * when it has @most already, here and at the other workers together. Other families are not counted. */
[[gnu::warn_unused_result]] bool address_table_add(struct address_table *table, int family,
                                                   const uint8_t address[16], uint64_t most);

/** One less of an address that was counted. */
void address_table_remove(struct address_table *table, int family, const uint8_t address[16]);

/** Distinct addresses now, for tests. */
size_t address_table_size(const struct address_table *table);

/** The number under which clients from @address are counted: an IPv6 address's /64 network is one. */
uint64_t address_table_key(int family, const uint8_t address[16]);

#endif
