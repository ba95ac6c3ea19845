#ifndef SHARED_BASE_STANDARD_DESCRIPTORS_H
#define SHARED_BASE_STANDARD_DESCRIPTORS_H

/** First of all in main(): a descriptor 0, 1 or 2 with which the process was not started is taken, so that no
 * file or socket that is opened later gets its number and what is meant for the standard output. Reading or
 * writing what is missing fails as before. */
void standard_descriptors_take(void);

#endif
