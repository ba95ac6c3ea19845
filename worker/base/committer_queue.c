#include "worker/base/committer_queue.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "shared/base/memory.h"

enum { BUCKETS = 256 };

/* A set that waits, or that the committer has. */
struct turn {
    STAILQ_ENTRY(turn) next;
    struct committer_queue *queue;
    uint64_t work;
    struct buffer set; /* while it waits */
    committer_done *done;
    void *argument;
};

/* A user's. */
struct place {
    LIST_ENTRY(place) same_hash;
    TAILQ_ENTRY(place) next; /* while sets wait */
    STAILQ_HEAD(, turn) waiting;
    uint64_t
        start; /* where its next set begins: work that was done for it, and for others while it had none */
    size_t user_length;
    char user[];
};

LIST_HEAD(bucket, place);
TAILQ_HEAD(place_list, place);

struct committer_queue {
    struct worker *worker;
    struct bucket buckets[BUCKETS]; /* by user */
    struct place_list busy;         /* those with sets that wait, by ->start */
    uint64_t now;                   /* where the set began that was given last */
    uint64_t latest;                /* ->start of all, the highest */
    size_t given;                   /* sets without an answer */
    uint64_t given_work;            /* that they are expected to be */
    size_t waiting_bytes;
};

static void place_free(struct place *place)
{
    LIST_REMOVE(place, same_hash);
    free(place);
}

static struct place *place_new(struct bucket *bucket, struct slice user)
{
    struct place *place = memory_zeroed(1, sizeof *place + user.length);
    STAILQ_INIT(&place->waiting);
    place->user_length = user.length;
    if (user.length)
        memcpy(place->user, user.data, user.length);
    LIST_INSERT_HEAD(bucket, place, same_hash);
    return place;
}

/* On the way those are given up that would begin where a new one does. */
static struct place *place_of(struct committer_queue *queue, struct slice user)
{
    struct bucket *bucket = &queue->buckets[slice_hash(user) % BUCKETS];
    struct place *place = LIST_FIRST(bucket), *next;
    for (; place; place = next) {
        next = LIST_NEXT(place, same_hash);
        if (slice_equal(slice_of(place->user, place->user_length), user))
            return place;
        if (STAILQ_EMPTY(&place->waiting) && place->start <= queue->now)
            place_free(place);
    }
    return place_new(bucket, user);
}

static bool queue_has_room(const struct committer_queue *queue, uint64_t work)
{
    return queue->given == 0 ||
           (queue->given_work < COMMITTER_QUEUE_WORK && work <= COMMITTER_QUEUE_WORK - queue->given_work);
}

static void give_next(struct committer_queue *queue);

static void turn_answered(void *argument, const struct committer_result *result)
{
    struct turn *turn = argument;
    struct committer_queue *queue = turn->queue;
    queue->given--;
    queue->given_work -= turn->work;
    turn->done(turn->argument, result);
    free(turn);
    give_next(queue);
    if (queue->given == 0) /* all that was asked for is done: nobody owes anybody anything */
        queue->now = queue->latest;
}

/* False: the link does not take it, and @turn is as it was. */
static bool give_turn(struct committer_queue *queue, struct place *place, struct turn *turn, struct slice set,
                      enum error_code *code)
{
    if (!committer_link_submit(queue->worker->link, set, turn_answered, turn, code))
        return false;
    if (place->start < queue->now)
        place->start = queue->now; /* for what it did not ask for there is no credit */
    queue->now = place->start;
    place->start += turn->work;
    if (queue->latest < place->start)
        queue->latest = place->start;
    queue->given++;
    queue->given_work += turn->work;
    return true;
}

static void refuse_turn(struct turn *turn, enum error_code code)
{
    struct committer_result result = {.code = code, .text = slice_text(committer_link_refusal(code))};
    turn->done(turn->argument, &result);
    free(turn);
}

/* Behind those that begin no later: mostly at the end, or near it. */
static void make_busy(struct committer_queue *queue, struct place *place)
{
    struct place *before = TAILQ_LAST(&queue->busy, place_list);
    while (before && before->start > place->start)
        before = TAILQ_PREV(before, place_list, next);
    if (before)
        TAILQ_INSERT_AFTER(&queue->busy, before, place, next);
    else
        TAILQ_INSERT_HEAD(&queue->busy, place, next);
}

static void give_next(struct committer_queue *queue)
{
    struct place *place;
    while ((place = TAILQ_FIRST(&queue->busy)) &&
           queue_has_room(queue, STAILQ_FIRST(&place->waiting)->work)) {
        struct turn *turn = STAILQ_FIRST(&place->waiting);
        struct buffer set = turn->set;
        enum error_code code;
        STAILQ_REMOVE_HEAD(&place->waiting, next);
        TAILQ_REMOVE(&queue->busy, place, next);
        queue->waiting_bytes -= set.length;
        turn->set = (struct buffer){0};
        bool given = give_turn(queue, place, turn, buffer_slice(&set), &code);
        if (!STAILQ_EMPTY(&place->waiting))
            make_busy(queue, place);
        if (!given)
            refuse_turn(turn, code);
        buffer_free(&set);
    }
}

static void wait_for_turn(struct committer_queue *queue, struct place *place, struct turn *turn,
                          struct slice set)
{
    if (STAILQ_EMPTY(&place->waiting)) {
        if (place->start < queue->now)
            place->start = queue->now;
        make_busy(queue, place);
    }
    buffer_append_slice(&turn->set, set);
    STAILQ_INSERT_TAIL(&place->waiting, turn, next);
    queue->waiting_bytes += set.length;
}

bool committer_queue_submit(struct committer_queue *queue, struct slice user, uint64_t work, struct slice set,
                            committer_done *done, void *argument, enum error_code *code)
{
    struct place *place = place_of(queue, user);
    struct turn *turn = memory_allocate(sizeof *turn);
    *turn = (struct turn){.queue = queue, .work = work, .done = done, .argument = argument};
    bool taken;
    if (TAILQ_EMPTY(&queue->busy) && queue_has_room(queue, work)) {
        taken = give_turn(queue, place, turn, set, code);
    } else {
        taken = committer_link_would_take(queue->worker->link, set.length, queue->waiting_bytes, code);
        if (taken)
            wait_for_turn(queue, place, turn, set);
    }
    if (!taken)
        free(turn);
    return taken;
}

struct committer_queue *committer_queue_create(struct worker *worker)
{
    struct committer_queue *queue = memory_zeroed(1, sizeof *queue);
    queue->worker = worker;
    TAILQ_INIT(&queue->busy);
    for (unsigned i = 0; i < BUCKETS; i++)
        LIST_INIT(&queue->buckets[i]);
    return queue;
}

void committer_queue_free(struct committer_queue **queue)
{
    for (unsigned i = 0; *queue && i < BUCKETS; i++)
        for (struct place *place = LIST_FIRST(&(*queue)->buckets[i]); place;) {
            struct place *next = LIST_NEXT(place, same_hash);
            place_free(place);
            place = next;
        }
    free(*queue);
    *queue = NULL;
}
