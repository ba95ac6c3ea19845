#include "shared/ipc/scoreboard.h"

#include <assert.h>
#include <stddef.h>
#include <sys/mman.h>

#include "shared/clock.h"
#include "shared/random.h"

struct scoreboard *scoreboard_create(uint32_t workers)
{
    assert(workers <= RING_WORKERS);
    struct scoreboard *scoreboard =
        mmap(NULL, sizeof *scoreboard, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (scoreboard == MAP_FAILED)
        return NULL;
    scoreboard->workers = workers;
    random_bytes(scoreboard->attempts.secret, sizeof scoreboard->attempts.secret);
    atomic_store(&scoreboard->started_ms, clock_wall_ms());
    return scoreboard;
}

int scoreboard_least(const struct scoreboard *scoreboard)
{
    int least = -1;
    uint32_t fewest = 0;
    for (uint32_t i = 0; i < scoreboard->workers; i++) {
        const struct scoreboard_worker *worker = &scoreboard->worker[i];
        if (atomic_load_explicit(&worker->state, memory_order_relaxed) != PROCESS_READY)
            continue;
        uint32_t connections = atomic_load_explicit(&worker->connections, memory_order_relaxed);
        if (least < 0 || connections < fewest) {
            least = (int)i;
            fewest = connections;
        }
    }
    return least;
}
