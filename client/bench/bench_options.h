#ifndef CLIENT_BENCH_BENCH_OPTIONS_H
#define CLIENT_BENCH_BENCH_OPTIONS_H

#include "client/bench/bench.h"

/** Reads the command line after the case's name into @options, over the case's defaults. A wrong one ends
 * the program with one clear line. */
void bench_options_read(struct bench_options *options, const struct bench_case *chosen, int argc,
                        char **argv);

/** The lines of --help about all options. */
void bench_options_print(void);

#endif
