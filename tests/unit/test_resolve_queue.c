#include "dns/resolve_queue.h"

#include "net/addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Of 32 places, and 256 in the queue: */
#define PLACES         32
#define QUEUE          256
#define KIND_PLACES    4 /* what a kind has for itself */
#define KIND_QUEUE     32
#define OPEN_PLACES    24 /* what a kind of open mode can have */
#define ZONE_PLACES    4
#define ZONE_QUEUE     32
#define CLIENT_PLACES  2
#define CLIENT_QUEUE   16
#define CONFIGURED_MAX 16 /* places of one client */

#define CONFIGURED 1000 /* added to a client's number */

static struct gate *gate;
static struct gate_entry entries[400];

static int set_up(void **state)
{
    memset(entries, 0, sizeof(entries));
    return gate_new(&gate, PLACES) == ERR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    for (size_t i = 0; i < COUNT_OF(entries); i++)
        gate_leave(gate, &entries[i]);
    assert_int_equal(gate_running(gate), 0);
    assert_int_equal(gate_waiting(gate), 0);
    assert_null(gate_next(gate));
    gate_free(gate);
    return 0;
}

/* Client 0 has no address. */
static struct gate_asker asker_of(unsigned client, struct addr *room)
{
    struct gate_asker asker = {NULL, client >= CONFIGURED};
    char text[40];

    client %= CONFIGURED;
    if (client == 0)
        return asker;
    snprintf(text, sizeof(text), "192.0.2.%u", client);
    assert_int_equal(addr_parse_ip(room, text, 0), ERR_OK);
    asker.client = room;
    return asker;
}

static enum err enter(size_t i, unsigned client, const char *name)
{
    struct addr room;
    struct gate_asker asker = asker_of(client, &room);

    return gate_enter(gate, &entries[i], name, &asker);
}

/* Whether it has a place at once. */
static bool enters_for(size_t i, unsigned client, const char *name)
{
    assert_int_equal(enter(i, client, name), ERR_OK);
    return entries[i].is_running;
}

static bool enters(size_t i, const char *name)
{
    return enters_for(i, 0, name);
}

static bool joins(size_t i, unsigned client)
{
    struct addr room;
    struct gate_asker asker = asker_of(client, &room);

    return gate_join(gate, &entries[i], &asker);
}

/* So many clients take all that they can have, from entries[i] on. */
static size_t flood(size_t i, unsigned first_client, size_t n_clients)
{
    char name[40];

    for (unsigned client = first_client; n_clients > 0; client++, n_clients--)
        for (unsigned n = 0; n < CLIENT_PLACES; n++, i++) {
            snprintf(name, sizeof(name), "c%u-%u.example", client, n);
            assert_true(enters_for(i, client, name));
        }
    return i;
}

/* --- Zones ---------------------------------------------------------------- */

/* K13: whoever runs a zone that never answers holds up that zone. */
static void a_zone_has_its_share_and_no_more(void **state)
{
    assert_true(enters(0, "_xmpp-client._tcp.a.black.example"));
    assert_true(enters(1, "b.black.example"));
    assert_true(enters(2, "c.black.example"));
    assert_true(enters(3, "black.example"));
    assert_false(enters(4, "d.black.example"));
    assert_false(enters(5, "e.black.example"));
    assert_true(enters(6, "white.example"));
    assert_null(gate_next(gate)); /* room, but not for black.example */

    gate_leave(gate, &entries[1]);
    assert_ptr_equal(gate_next(gate), &entries[4]); /* in order */
    assert_null(gate_next(gate));
    gate_leave(gate, &entries[0]);
    assert_ptr_equal(gate_next(gate), &entries[5]);
}

static void zones_that_wait_take_turns(void **state)
{
    char name[40];

    for (size_t i = 0; i < OPEN_PLACES; i++) {
        snprintf(name, sizeof(name), "z%zu.example", i);
        assert_true(enters(i, name));
    }
    assert_false(enters(30, "x.a.example"));
    assert_false(enters(31, "y.a.example"));
    assert_false(enters(32, "z.a.example"));
    assert_false(enters(33, "x.b.example"));
    assert_int_equal(gate_waiting(gate), 4);

    gate_leave(gate, &entries[0]);
    assert_ptr_equal(gate_next(gate), &entries[30]);
    gate_leave(gate, &entries[1]);
    assert_ptr_equal(gate_next(gate), &entries[33]); /* not y.a */
    gate_leave(gate, &entries[2]);
    assert_ptr_equal(gate_next(gate), &entries[31]);
    assert_null(gate_next(gate));
    gate_leave(gate, &entries[3]);
    assert_ptr_equal(gate_next(gate), &entries[32]);
}

static void the_queue_is_bounded_for_a_zone_and_in_all(void **state)
{
    size_t n = 0;
    char name[40];

    while (n < ZONE_PLACES + ZONE_QUEUE) {
        snprintf(name, sizeof(name), "n%zu.black.example", n);
        (void)enters(n++, name);
    }
    assert_int_equal(enter(n, 0, "m.black.example"), ERR_LIMIT);
    assert_null(entries[n].client);
    assert_true(enters(n++, "white.example"));

    for (size_t zone = 0; gate_waiting(gate) < QUEUE - 2 * KIND_QUEUE; n++) {
        snprintf(name, sizeof(name), "n.z%zu.example", zone++ / 3);
        (void)enters(n, name);
    }
    assert_int_equal(gate_running(gate), OPEN_PLACES);
    assert_int_equal(enter(n, 0, "new.example"), ERR_LIMIT);
    assert_true(enters_for(n, 1, "new.example")); /* an address has room */
}

static void those_who_wait_may_leave(void **state)
{
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(enters(i, "black.example"), i < ZONE_PLACES);
    gate_leave(gate, &entries[5]); /* from the middle */
    gate_leave(gate, &entries[7]); /* the last */
    gate_leave(gate, &entries[7]); /* idle */
    (void)enters(8, "black.example");
    gate_leave(gate, &entries[4]); /* the first */
    gate_leave(gate, &entries[0]);
    assert_ptr_equal(gate_next(gate), &entries[6]);
    gate_leave(gate, &entries[1]);
    assert_ptr_equal(gate_next(gate), &entries[8]);
    assert_int_equal(gate_waiting(gate), 0);
}

static void strange_names_have_a_zone_too(void **state)
{
    char name[300];

    memset(name, 'a', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    assert_true(enters(0, "localhost"));
    assert_true(enters(1, ""));
    assert_true(enters(2, "."));
    assert_true(enters(3, name));
    assert_true(enters(4, "a.b."));
}

/* --- Clients -------------------------------------------------------------- */

/* K13: who floods holds up himself. */
static void a_client_has_its_share_and_no_more(void **state)
{
    char name[40];
    size_t n;

    for (n = 0; n < CLIENT_PLACES + CLIENT_QUEUE; n++) {
        snprintf(name, sizeof(name), "n%zu.example", n);
        assert_int_equal(enters_for(n, 1, name), n < CLIENT_PLACES);
    }
    assert_int_equal(enter(n, 1, "more.example"), ERR_LIMIT);
    assert_null(gate_next(gate)); /* room, but not for this client */
    assert_true(enters_for(n, 2, "other.example"));

    gate_leave(gate, &entries[0]);
    assert_ptr_equal(gate_next(gate), &entries[CLIENT_PLACES]);
    assert_null(gate_next(gate));
}

/* One who has just come waits for one turn, however much the others ask. */
static void clients_that_wait_take_turns(void **state)
{
    size_t n = flood(0, 10, OPEN_PLACES / CLIENT_PLACES);
    char name[40];

    assert_int_equal(n, OPEN_PLACES);
    for (size_t i = 100; i < 100 + CLIENT_QUEUE; i++) {
        snprintf(name, sizeof(name), "n%zu.example", i);
        assert_false(enters_for(i, 1, name));
    }
    assert_false(enters_for(200, 2, "one.example"));
    assert_false(enters_for(201, 3, "two.example"));

    gate_leave(gate, &entries[0]);
    assert_ptr_equal(gate_next(gate), &entries[100]);
    gate_leave(gate, &entries[1]);
    assert_ptr_equal(gate_next(gate), &entries[200]);
    gate_leave(gate, &entries[2]);
    assert_ptr_equal(gate_next(gate), &entries[201]);
    gate_leave(gate, &entries[3]);
    assert_ptr_equal(gate_next(gate), &entries[101]);
    gate_leave(gate, &entries[4]);
    assert_null(gate_next(gate)); /* it has its share */
}

/* Strangers share a zone such as co.uk. */
static void a_client_leaves_others_room_in_a_zone(void **state)
{
    char name[40];
    size_t n;

    for (n = 0; n < CLIENT_PLACES + CLIENT_QUEUE; n++) {
        snprintf(name, sizeof(name), "n%zu.co.example", n);
        assert_int_equal(enters_for(n, 1, name), n < CLIENT_PLACES);
    }
    assert_true(enters_for(n++, 2, "a.co.example"));
    assert_true(enters_for(n++, 2, "b.co.example"));
    assert_false(enters_for(n, 3, "c.co.example")); /* full, but it may wait */
    gate_leave(gate, &entries[n - 1]);
    assert_ptr_equal(gate_next(gate), &entries[n]);
    assert_null(gate_next(gate));
}

/* A client who waits for a full zone does not wait for it with all else. */
static void a_full_zone_holds_up_no_other_of_a_client(void **state)
{
    (void)enters_for(0, 1, "a.black.example");
    (void)enters_for(1, 1, "b.black.example");
    (void)enters_for(2, 2, "c.black.example");
    (void)enters_for(3, 2, "d.black.example");
    assert_false(enters_for(4, 3, "e.black.example"));
    assert_true(enters_for(5, 3, "a.example"));
    assert_true(enters_for(6, 3, "b.example"));
    assert_false(enters_for(7, 3, "f.black.example"));
    assert_false(enters_for(8, 3, "c.example"));

    gate_leave(gate, &entries[5]);
    assert_ptr_equal(gate_next(gate), &entries[8]);
    gate_leave(gate, &entries[0]); /* but now its client has no place */
    assert_null(gate_next(gate));
    gate_leave(gate, &entries[6]);
    assert_ptr_equal(gate_next(gate), &entries[4]);
    assert_null(gate_next(gate));
}

/* --- Kinds ---------------------------------------------------------------- */

/* K13: open mode takes no place of a domain of the configuration. */
static void configured_names_have_places_of_their_own(void **state)
{
    size_t n = flood(0, 10, OPEN_PLACES / CLIENT_PLACES);
    char name[40];

    assert_false(enters_for(n++, 1, "one.example"));
    for (size_t i = 0; i < KIND_PLACES;
         i++, n++) { /* without an address, too */
        snprintf(name, sizeof(name), "u%zu.example", i);
        assert_true(enters(n, name));
    }
    assert_false(enters(n++, "one.example"));
    assert_int_equal(gate_running(gate), PLACES - KIND_PLACES);

    /* Of one zone with others' names, by the client who floods. */
    for (size_t i = 0; i < KIND_PLACES; i++)
        assert_true(enters_for(n++, CONFIGURED + 10, "c10-1.example"));
    assert_false(enters_for(n, CONFIGURED + 10, "c10-1.example"));
    assert_int_equal(gate_running(gate), PLACES);
    gate_leave(gate, &entries[n - 1]);
    assert_ptr_equal(gate_next(gate), &entries[n]);
    assert_null(gate_next(gate));
}

static void configured_names_may_have_all_places(void **state)
{
    char name[40];
    size_t n;

    for (n = 0; n < PLACES; n++) {
        unsigned client = n < CONFIGURED_MAX ? 1 : 2;

        snprintf(name, sizeof(name), "n%zu.example", n);
        assert_true(enters_for(n, CONFIGURED + client, name));
    }
    assert_false(enters_for(n++, CONFIGURED + 1, "one.example"));
    assert_false(enters_for(n++, 3, "two.example"));
    assert_false(enters(n, "three.example"));
    gate_leave(gate, &entries[0]);
    assert_ptr_equal(gate_next(gate), &entries[PLACES]);
    for (size_t i = 1; i < 2 * KIND_PLACES + 4; i++)
        gate_leave(gate, &entries[i]);
    assert_non_null(gate_next(gate));
    assert_non_null(gate_next(gate));
    assert_int_equal(gate_waiting(gate), 0);
}

/* --- One question of two clients ------------------------------------------ */

/* Nobody can keep a name from others by having it wait. */
static void who_joins_takes_a_question_out_of_a_flood(void **state)
{
    char name[40];
    size_t n = CLIENT_PLACES + CLIENT_QUEUE;

    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "n%zu.example", i);
        (void)enters_for(i, 1, name);
    }
    assert_false(joins(0, 2));    /* it has a place already */
    assert_true(joins(n - 1, 2)); /* a place was free */
    assert_true(entries[n - 1].is_running);
    assert_false(joins(n - 2, 1)); /* the same client */
    assert_int_equal(gate_waiting(gate), CLIENT_QUEUE - 1);

    (void)flood(100, 10, OPEN_PLACES / CLIENT_PLACES - 2);
    assert_true(enters_for(200, 2, "last.example"));
    assert_false(joins(n - 2, 3)); /* to a queue that is shorter */
    assert_false(joins(n - 2, 4)); /* and this one is not */
    assert_false(joins(n - 2, 1));
    gate_leave(gate, &entries[100]);
    assert_ptr_equal(gate_next(gate), &entries[n - 2]);
    gate_leave(gate, &entries[0]);
    assert_ptr_equal(gate_next(gate), &entries[2]);
    assert_int_equal(gate_waiting(gate), CLIENT_QUEUE - 3);
}

/* As many addresses as somebody likes push nothing to the end for ever. */
static void a_question_changes_its_queue_a_few_times_at_most(void **state)
{
    unsigned moves = 0;

    (void)flood(0, 10, OPEN_PLACES / CLIENT_PLACES);
    for (size_t i = 100; i < 100 + CLIENT_QUEUE; i++)
        assert_false(enters_for(i, 1, "black.example"));
    for (unsigned client = 30; client < 200; client++) {
        const struct gate_client *before = entries[110].client;

        assert_false(joins(110, client));
        moves += entries[110].client != before;
    }
    assert_int_equal(moves, 1); /* it is the only one of that client */
    assert_true(joins(110, CONFIGURED + 1));
}

/* --- At random ------------------------------------------------------------ */

#define ZONES   6
#define CLIENTS 12 /* the last four with names of the configuration */

struct model {
    unsigned of_client[CLIENTS];
    unsigned of_zone[GATE_KINDS][ZONES];
    unsigned of_kind[GATE_KINDS];
    unsigned all;
};

static struct {
    unsigned client;
    unsigned zone;
} asked[COUNT_OF(entries)];

static unsigned number_of(unsigned client)
{
    return client < CLIENTS - 4 ? client : CONFIGURED + client - 4;
}

static enum gate_kind kind_of(unsigned client)
{
    if (client >= CLIENTS - 4)
        return GATE_CONFIGURED;
    return client == 0 ? GATE_UNKNOWN : GATE_KNOWN;
}

static struct model count_running(void)
{
    struct model m;

    memset(&m, 0, sizeof(m));
    for (size_t i = 0; i < COUNT_OF(entries); i++) {
        enum gate_kind kind = kind_of(asked[i].client);

        if (!entries[i].is_running)
            continue;
        m.of_client[asked[i].client]++;
        m.of_zone[kind][asked[i].zone]++;
        m.of_kind[kind]++;
        m.all++;
    }
    return m;
}

static unsigned client_limit(unsigned client)
{
    if (kind_of(client) == GATE_CONFIGURED)
        return CONFIGURED_MAX;
    return client == 0 ? PLACES : CLIENT_PLACES;
}

static bool could_run(const struct model *m, size_t i)
{
    enum gate_kind kind = kind_of(asked[i].client);
    unsigned kept = 0;

    for (unsigned k = 0; k < GATE_KINDS; k++)
        if (kind != GATE_CONFIGURED && k != kind && m->of_kind[k] < KIND_PLACES)
            kept += KIND_PLACES - m->of_kind[k];
    return m->all + kept < PLACES &&
           m->of_zone[kind][asked[i].zone] < ZONE_PLACES &&
           m->of_client[asked[i].client] < client_limit(asked[i].client);
}

static void check_model(void)
{
    struct model m = count_running();
    unsigned waiting = 0;

    assert_int_equal(m.all, gate_running(gate));
    assert_true(m.all <= PLACES);
    for (unsigned client = 0; client < CLIENTS; client++)
        assert_true(m.of_client[client] <= client_limit(client));
    for (unsigned kind = 0; kind < GATE_KINDS; kind++)
        for (unsigned zone = 0; zone < ZONES; zone++)
            assert_true(m.of_zone[kind][zone] <= ZONE_PLACES);
    for (size_t i = 0; i < COUNT_OF(entries); i++) {
        if (entries[i].client == NULL || entries[i].is_running)
            continue;
        waiting++;
        assert_false(could_run(&m, i)); /* no place is left unused */
    }
    assert_int_equal(waiting, gate_waiting(gate));
}

static void random_step(void)
{
    size_t i = (size_t)rand() % COUNT_OF(entries);
    unsigned client = (unsigned)rand() % CLIENTS;
    char name[40];

    if (entries[i].client == NULL) {
        asked[i].client = client;
        asked[i].zone = (unsigned)rand() % ZONES;
        snprintf(name, sizeof(name), "n%zu.z%u.example", i, asked[i].zone);
        if (enter(i, number_of(client), name) != ERR_OK)
            assert_null(entries[i].client);
    } else if (rand() % 4 == 0) {
        const struct gate_client *before = entries[i].client;

        (void)joins(i, number_of(client));
        if (entries[i].client != before)
            asked[i].client = client;
    } else {
        gate_leave(gate, &entries[i]);
        while (gate_next(gate) != NULL)
            continue;
    }
}

static void no_place_is_lost_and_no_share_exceeded(void **state)
{
    srand(7);
    for (unsigned i = 0; i < 20000; i++) {
        random_step();
        check_model();
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_zone_has_its_share_and_no_more),
        TEST(zones_that_wait_take_turns),
        TEST(the_queue_is_bounded_for_a_zone_and_in_all),
        TEST(those_who_wait_may_leave),
        TEST(strange_names_have_a_zone_too),
        TEST(a_client_has_its_share_and_no_more),
        TEST(clients_that_wait_take_turns),
        TEST(a_client_leaves_others_room_in_a_zone),
        TEST(a_full_zone_holds_up_no_other_of_a_client),
        TEST(configured_names_have_places_of_their_own),
        TEST(configured_names_may_have_all_places),
        TEST(who_joins_takes_a_question_out_of_a_flood),
        TEST(a_question_changes_its_queue_a_few_times_at_most),
        TEST(no_place_is_lost_and_no_share_exceeded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
