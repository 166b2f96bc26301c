/*
 * run.h - what the files of the scenario runner share.
 *
 *   run.c           main: files, TAP, -v
 *   run_script.c    a file to steps, words and variables
 *   run_steps.c     the table of steps; those that fit nowhere else
 *   run_settings.c  its settings
 *   run_world.c     a worker's wiring over the fakes, and its end
 *   run_wire.c      the fake sockets, in our words
 *   run_client.c    HTTP clients: requests out
 *   run_answer.c    answers in
 *   run_reply.c     the steps that look at answers
 *   run_server.c    XMPP servers: what they say
 *   run_upstream.c  what doab sends them
 *   run_ws.c        WebSocket clients, at the edge of session/ws.h
 *   run_tree.c      XML, compared
 *
 * tests/scenario/README.md describes the language.
 */
#ifndef RUN_H
#define RUN_H

#include "base/base.h"
#include "base/buf.h"

#include <stdarg.h>

struct fake_peer;
struct oracle;
struct xml_pool;

#define WORDS_MAX     24
#define STEPS_MAX     200
#define MACRO_DEPTH   4
#define FILE_BYTES    65536
#define VARIABLES_MAX 16
#define SETTLE_TURNS  1000 /* a world that is still busy then never rests */

/* --- Memory of one scenario: goes all at once ----------------------------- */

struct block {
    struct block *next;
    void *at; /* owned */
};

struct arena {
    struct block *first;
};

void *arena_get(struct arena *a, size_t len); /* zeroed; never NULL */
char *arena_text(struct arena *a, struct slice s);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
void arena_free(struct arena *a);

/* --- Scripts (run_script.c) ----------------------------------------------- */

struct line {
    unsigned number;
    const char *text;
};

struct script {
    const char *title; /* the first comment */
    struct line lines[STEPS_MAX];
    size_t n_lines;
};

/* One line in words.  `text`: from the first word that begins with < or " to
 * the end; NULL when there is none. */
struct step {
    const char *words[WORDS_MAX];
    size_t n_words;
    const char *text;
};

struct variable {
    const char *name;
    const char *value;
};

struct run {
    struct arena arena;
    const char *file;
    const char *path;
    unsigned line; /* of the step being run */
    bool has_failed;
    bool is_verbose;
    unsigned depth; /* of macros */
    struct variable variables[VARIABLES_MAX];
    size_t n_variables;
    struct xml_pool *pool; /* owned: for what the runner itself reads */
    struct world *world;   /* owned; NULL until the first step that acts */
};

bool script_load(struct run *r, struct script *out);
bool script_split(struct run *r, const char *line, struct step *out);
/* $NAME and $FILL:1000 replaced. */
const char *script_expand(struct run *r, const char *text);
void script_set(struct run *r, const char *name, const char *value);
const char *script_get(const struct run *r, const char *name);
/* The bytes of a "quoted text" with its \r \n \t \" \\ \xHH. */
bool script_unquote(struct run *r, const char *text, struct slice *out);
/* The value of key=value among the words from `first` on, or NULL. */
const char *step_value(const struct step *s, size_t first, const char *key);
bool step_has(const struct step *s, size_t first, const char *word);
/* key and value of "key=value"; false for another word. */
bool word_split(struct run *r, const char *word, const char **key,
                const char **value);

/* Says what was expected and what was seen; false, to be returned. */
bool fail(struct run *r, const char *expected, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void trace(const struct run *r, const char *who, struct slice bytes);

bool steps_run(struct run *r, const char *line);

/* --- XML (run_tree.c) ----------------------------------------------------- */

struct tree_attr {
    const char *ns;
    const char *local;
    const char *value;
};

struct tree {
    const char *ns;
    const char *local;
    const char *text; /* all of its own text, "" if none */
    struct tree_attr *attrs;
    size_t n_attrs;
    struct tree *parent;
    struct tree *child;
    struct tree *last;
    struct tree *next;
};

/* NULL: not one well-formed element. */
struct tree *tree_read(struct run *r, struct slice xml);
/* Several elements, in the scope of jabber:client and the usual prefixes;
 * they are the children of what is returned. */
struct tree *tree_read_literals(struct run *r, const char *xml);
/* Is `seen` what was expected?  Names, text and the attributes given; the
 * children if any are given.  Exactly: nothing more, either. */
bool tree_matches(const struct tree *expected, const struct tree *seen,
                  bool exactly);
/* The value of "local", "xml:local" or "xmpp:local", or NULL. */
const char *tree_attr(const struct tree *t, const char *name);
bool tree_is(const struct tree *t, const char *ns, const char *local);

/* --- The world (run_world.c) ---------------------------------------------- */

struct client;
struct server;
struct ws_client;

/* Everything of one worker, and those who talk to it. */
struct world {
    struct loop *loop;
    struct xml_pool *pool;
    struct element_copier *copier;
    struct resolver *resolver;
    struct connect_limit *connect_limit; /* NULL: no limit */
    struct domain_table *domains;
    struct session_host *sessions;
    struct http_server *http;
    struct bosh_http *bind;
    struct client *clients;   /* newest first, as the others */
    struct request *requests; /* oldest first: the order of the wire */
    struct server *servers;   /* oldest first */
    struct ws_client *ws;
    bool servers_are_manual;
};

bool world_dns(struct run *r, const struct step *s);
bool world_pass(struct run *r, const struct step *s);
bool world_drain(struct run *r, const struct step *s);
bool world_sessions(struct run *r, const struct step *s);

/* Makes it with the settings so far, if that has not been done. */
bool world_start(struct run *r);
/* Turns until nothing is left to do at this instant; what came out is read,
 * and the servers do what servers do. */
bool world_settle(struct run *r);
/* Drops everything, and sees that nothing is left. */
bool world_end(struct run *r);

/* --- The wire (run_wire.c): the fake sockets in our words ----------------- */

/* A new connection of a client to doab. */
bool wire_serve(struct run *r, struct client *c);
/* The next connection that doab has begun, or NULL. */
struct fake_peer *wire_next_connect(struct run *r);
void wire_accept(struct fake_peer *p);
void wire_refuse(struct fake_peer *p);
bool wire_send(struct run *r, struct fake_peer *p, struct slice bytes);
/* Appends what doab sent. */
bool wire_take(struct run *r, struct fake_peer *p, struct buf *to);
void wire_fin(struct fake_peer *p);
void wire_reset(struct fake_peer *p);
void wire_stall(struct fake_peer *p, bool is_stalled);
/* STARTTLS and its verdict; false: doab waits for none. */
bool wire_secure(struct fake_peer *p, bool is_trusted);
bool wire_is_closed(const struct fake_peer *p);  /* by doab, with all bytes */
bool wire_is_dropped(const struct fake_peer *p); /* by doab, or lost */
/* One turn of the loop; true: something happened. */
bool wire_turn(struct run *r);
/* To the next timer, but at most so many ms on; how many it were. */
size_t wire_advance(struct run *r, size_t ms);
size_t wire_timers(struct run *r);
/* Forgets all connections; how many doab still had. */
size_t wire_end(void);

/* --- HTTP clients (run_client.c, run_answer.c, run_reply.c)
 * -------------------------- */

struct answer {
    unsigned status;
    const char *head; /* all of it, with its line ends */
    struct slice body;
    struct tree *tree; /* NULL when it is no XML */
};

struct request {
    const char *name;
    struct client *client; /* of its connection */
    bool is_head;
    bool is_answered;
    bool is_seen; /* a step looked at the answer */
    struct answer answer;
    struct request *next;
};

struct client {
    const char *name;
    struct fake_peer *peer;
    struct buf in;
    bool is_done;       /* we dropped it */
    bool has_fin;       /* we sent FIN */
    bool is_gone;       /* doab closed it */
    unsigned continues; /* 100 */
    struct client *next;
};

bool client_post(struct run *r, const struct step *s);
bool client_create(struct run *r, const struct step *s);
bool client_ask(struct run *r, const struct step *s); /* get, head, options */
bool client_raw(struct run *r, const struct step *s);
bool client_end(struct run *r, const struct step *s); /* drop, fin, stall… */
/* run_answer.c: what came from doab, in answers. */
bool client_read_all(struct run *r, bool *progress);
void client_free_all(struct run *r);
struct client *client_find(struct run *r, const char *name);
struct request *request_find(struct run *r, const char *name);

bool reply_check(struct run *r, const struct step *s);
bool reply_held(struct run *r, const struct step *s);
bool reply_same(struct run *r, const struct step *s);
bool reply_contains(struct run *r, const struct step *s);
bool reply_header(struct run *r, const struct step *s);
bool reply_closed(struct run *r, const struct step *s);
bool reply_continued(struct run *r, const struct step *s);
/* At the end: no answer came that no step looked at. */
bool reply_is_done(struct run *r);
/* NULL when there is none of that name; *count: how many. */
const char *answer_header(struct run *r, const struct answer *a,
                          const char *name, unsigned *count);

/* --- XMPP servers (run_server.c, run_upstream.c) -------------------------- */

enum item_kind {
    ITEM_HEADER,
    ITEM_ELEMENT,
    ITEM_TEXT, /* between elements: never right */
    ITEM_END,  /* </stream:stream> */
};

struct item {
    enum item_kind kind;
    struct slice bytes;
    struct tree *tree; /* of a header or an element */
    struct item *next;
};

struct server {
    struct fake_peer *peer;
    struct oracle *oracle; /* owned: judges what doab sends */
    struct buf in;
    struct item *items; /* not looked at by the scenario yet */
    struct item *last;
    unsigned headers_sent;
    bool is_answered; /* accepted or refused */
    bool had_header;
    bool has_shown_header; /* the first one was looked at, or skipped */
    bool had_declaration;
    bool saw_end;    /* </stream:stream> */
    bool had_fin;    /* doab closed it */
    bool is_lost;    /* doab dropped it */
    bool has_closed; /* we, the server, did */
    struct server *next;
};

bool server_manual(struct run *r, const struct step *s);
bool server_say(struct run *r, const struct step *s);
/* What came from doab, in items; what servers do by themselves. */
bool server_read_all(struct run *r, bool *progress);
/* The n-th connection that doab made, from 1. */
struct server *server_find(struct run *r, const char *word, const char *base);
bool upstream_check(struct run *r, const struct step *s);
/* Takes items off v->in; false: nonsense. */
bool upstream_scan(struct run *r, struct server *v);
/* At the end: nothing came that no step asked for. */
bool upstream_is_done(struct run *r);
void server_leave_all(struct run *r);
void server_free_all(struct world *w);

/* --- WebSocket clients (run_ws.c) ----------------------------------------- */

bool ws_step(struct run *r, const struct step *s);
/* At the end: no message came that no step asked for. */
bool ws_is_done(struct run *r);
void ws_drain_all(struct run *r); /* as websocket.c does */
void ws_free_all(struct run *r);

#endif /* RUN_H */
