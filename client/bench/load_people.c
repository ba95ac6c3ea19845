#include <inttypes.h>

#include "client/bench/load.h"

/* Loads of many connections: that may not see, lose and get rights, do not read, or have not logged in. */

/* ---- unseen: changes that nobody may see but the one who makes them ---- */

enum { UNSEEN_LIST = 100, SEEN_EVERY = 500 };

static void insert_unseen(struct load *load, struct buffer *out)
{
    load_append_call(out, "insert", load->collection);
    for (unsigned i = 0; i < UNSEEN_LIST; i++) {
        bool seen = load->documents % SEEN_EVERY == 0;
        buffer_append_byte(out, i == 0 ? '[' : ',');
        load_append_document(load, out, seen ? load->user : "nobody");
        buffer_append_format(out, ",\"n\":%u}", i);
    }
    buffer_append_byte(out, ']');
}

const struct load_kind load_unseen = {
    .name = "unseen",
    .help = "lists of 100 documents inserted, of which 300 connections of a user see one in 500",
    .listeners = 300,
    .callers = 1,
    .in_flight = 32,
    .caller = LOAD_CONTROL,
    .request = insert_unseen,
};

/* ---- rights: in a group, and out again ---- */

enum { GROUP_DOCUMENTS = 500 };

static void append_of_group(struct load *load, struct buffer *out)
{
    load_append_document(load, out, "nobody");
    buffer_append_format(out, ",\"group\":\"%s\",\"group_read\":true}", load->group);
}

static void prepare_rights(struct load *load)
{
    load_insert(load, load_scaled(load, GROUP_DOCUMENTS), GROUP_DOCUMENTS, append_of_group);
}

static void change_membership(struct load *load, struct buffer *out)
{
    load_append_call(out, "set_group", "users");
    buffer_append_format(out, "{\"user_id\":\"%s\",\"group_id\":\"%s\",\"member\":%s}", load->user,
                         load->group, load->calls % 2 ? "true" : "false");
}

const struct load_kind load_rights = {
    .name = "rights",
    .help = "a user with 100 connections put into a group that sees 500 documents, and taken out again",
    .listeners = 100,
    .callers = 1,
    .in_flight = 1,
    .caller = LOAD_CONTROL,
    .prepare = prepare_rights,
    .request = change_membership,
};

/* ---- slow_reader: connections that read nothing ---- */

enum { SHOWN_LIST = 100, SHOWN_BYTES = 1000 };

static void insert_shown(struct load *load, struct buffer *out)
{
    load_append_call(out, "insert", load->collection);
    for (unsigned i = 0; i < SHOWN_LIST; i++) {
        buffer_append_byte(out, i == 0 ? '[' : ',');
        load_append_document(load, out, load->user);
        buffer_append_format(out, ",\"pad\":\"%0*d\"}", SHOWN_BYTES, 0);
    }
    buffer_append_byte(out, ']');
}

const struct load_kind load_slow_reader = {
    .name = "slow_reader",
    .help = "lists of 100 documents of 1 KB inserted, which 20 connections are sent and do not read",
    .listeners = 20,
    .listeners_deaf = true,
    .callers = 1,
    .in_flight = 8,
    .request = insert_shown,
};

/* ---- strangers ---- */

static void prepare_refused(struct load *load)
{
    load_append_call(&load->request, "count", load->collection);
    buffer_append_text(&load->request, "null");
}

const struct load_kind load_strangers = {
    .name = "strangers",
    .help = "50 connections, not logged in, that send calls which are refused, and come again when cut off",
    .callers = 50,
    .in_flight = 128,
    .caller = LOAD_STRANGER,
    .prepare = prepare_refused,
};

static void prepare_log_in(struct load *load)
{
    load_append_call(&load->request, "authorize_by_login", "users");
    buffer_append_slice(&load->request, buffer_slice(&load->log_in));
}

const struct load_kind load_logins = {
    .name = "logins",
    .help = "20 connections that come, log in with a password, and leave",
    .callers = 20,
    .in_flight = 1,
    .caller = LOAD_STRANGER,
    .leave = true,
    .prepare = prepare_log_in,
};
