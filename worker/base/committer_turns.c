#include "worker/base/committer_turns.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "shared/base/memory.h"

enum { PLACES = 256 };

/* A set that waits, or that the committer has. */
struct turn {
    STAILQ_ENTRY(turn) next;
    struct committer_turns *turns;
    uint64_t work;
    struct buffer set; /* while it waits */
    committer_done *done;
    void *argument;
};

/* The users of one hash. */
struct place {
    TAILQ_ENTRY(place) next; /* while sets wait */
    STAILQ_HEAD(, turn) waiting;
    uint64_t
        start; /* where its next set begins: work that was done for it, and for others while it had none */
};

struct committer_turns {
    struct worker *worker;
    struct place places[PLACES];
    TAILQ_HEAD(, place) busy; /* those with sets that wait */
    uint64_t now;             /* where the set began that was given last */
    size_t given;             /* sets without an answer */
    uint64_t given_work;      /* that they are expected to be */
    size_t waiting_bytes;
};

static struct place *place_of(struct committer_turns *turns, struct slice user)
{
    uint32_t hash = 2166136261; /* FNV-1a */
    for (size_t i = 0; i < user.length; i++)
        hash = (hash ^ (unsigned char)user.data[i]) * 16777619;
    return &turns->places[(hash ^ hash >> 16) % PLACES];
}

static bool turns_have_room(const struct committer_turns *turns, uint64_t work)
{
    return turns->given == 0 ||
           (turns->given_work < COMMITTER_TURNS_WORK && work <= COMMITTER_TURNS_WORK - turns->given_work);
}

static void give_next(struct committer_turns *turns);

static void turn_answered(void *argument, const struct committer_result *result)
{
    struct turn *turn = argument;
    struct committer_turns *turns = turn->turns;
    turns->given--;
    turns->given_work -= turn->work;
    turn->done(turn->argument, result);
    free(turn);
    give_next(turns);
}

/* False: the link does not take it, and @turn is as it was. */
static bool give_turn(struct committer_turns *turns, struct place *place, struct turn *turn, struct slice set,
                      enum error_code *code)
{
    if (!committer_link_submit(turns->worker->link, set, turn_answered, turn, code))
        return false;
    if (place->start < turns->now)
        place->start = turns->now; /* for what it did not ask for there is no credit */
    turns->now = place->start;
    place->start += turn->work;
    turns->given++;
    turns->given_work += turn->work;
    return true;
}

static void refuse_turn(struct turn *turn, enum error_code code)
{
    struct committer_result result = {.code = code, .text = slice_text(committer_link_refusal(code))};
    turn->done(turn->argument, &result);
    free(turn);
}

static struct place *next_place(const struct committer_turns *turns)
{
    struct place *place, *first = TAILQ_FIRST(&turns->busy);
    TAILQ_FOREACH (place, &turns->busy, next)
        if (place->start < first->start)
            first = place;
    return first;
}

static void give_next(struct committer_turns *turns)
{
    struct place *place;
    while ((place = next_place(turns)) && turns_have_room(turns, STAILQ_FIRST(&place->waiting)->work)) {
        struct turn *turn = STAILQ_FIRST(&place->waiting);
        struct buffer set = turn->set;
        enum error_code code;
        STAILQ_REMOVE_HEAD(&place->waiting, next);
        if (STAILQ_EMPTY(&place->waiting))
            TAILQ_REMOVE(&turns->busy, place, next);
        turns->waiting_bytes -= set.length;
        turn->set = (struct buffer){0};
        if (!give_turn(turns, place, turn, buffer_slice(&set), &code))
            refuse_turn(turn, code);
        buffer_free(&set);
    }
}

static void wait_for_turn(struct committer_turns *turns, struct place *place, struct turn *turn,
                          struct slice set)
{
    if (STAILQ_EMPTY(&place->waiting)) {
        TAILQ_INSERT_TAIL(&turns->busy, place, next);
        if (place->start < turns->now)
            place->start = turns->now;
    }
    buffer_append_slice(&turn->set, set);
    STAILQ_INSERT_TAIL(&place->waiting, turn, next);
    turns->waiting_bytes += set.length;
}

bool committer_turns_submit(struct committer_turns *turns, struct slice user, uint64_t work, struct slice set,
                            committer_done *done, void *argument, enum error_code *code)
{
    struct place *place = place_of(turns, user);
    struct turn *turn = memory_allocate(sizeof *turn);
    *turn = (struct turn){.turns = turns, .work = work, .done = done, .argument = argument};
    bool taken;
    if (TAILQ_EMPTY(&turns->busy) && turns_have_room(turns, work)) {
        taken = give_turn(turns, place, turn, set, code);
    } else {
        taken = committer_link_would_take(turns->worker->link, set.length, turns->waiting_bytes, code);
        if (taken)
            wait_for_turn(turns, place, turn, set);
    }
    if (!taken)
        free(turn);
    return taken;
}

struct committer_turns *committer_turns_create(struct worker *worker)
{
    struct committer_turns *turns = memory_zeroed(1, sizeof *turns);
    turns->worker = worker;
    TAILQ_INIT(&turns->busy);
    for (unsigned i = 0; i < PLACES; i++)
        STAILQ_INIT(&turns->places[i].waiting);
    return turns;
}

void committer_turns_free(struct committer_turns **turns)
{
    free(*turns);
    *turns = NULL;
}
