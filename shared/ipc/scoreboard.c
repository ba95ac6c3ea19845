#include "shared/ipc/scoreboard.h"

#include <assert.h>
#include <sys/mman.h>

#include "shared/base/clock.h"
#include "shared/ipc/login_attempts.h"

struct scoreboard *scoreboard_create(uint32_t workers)
{
    assert(workers <= RING_WORKERS);
    struct scoreboard *scoreboard =
        mmap(NULL, sizeof *scoreboard, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (scoreboard == MAP_FAILED)
        return NULL;
    scoreboard->attempts = login_attempts_create();
    if (!scoreboard->attempts) {
        munmap(scoreboard, sizeof *scoreboard);
        return NULL;
    }
    scoreboard->workers = workers;
    atomic_store(&scoreboard->started_ms, clock_wall_ms());
    return scoreboard;
}
