/*
 * bench.h - a load generator for connection managers: what its files share.
 *
 *   main.c       starts it all
 *   options.c    the command line
 *   plan.c       opens the sessions, keeps them busy, measures
 *   report.c     what was measured, as text and as JSON
 *   session.c    one client: its login and its messages
 *   kind_*.c     how a client talks: BOSH, WebSocket, TCP, bare HTTP
 *   wire.c       non-blocking connections on epoll; address.c, where to
 *   http.c       requests and answers
 *   null.c       the server behind what is measured, for --serve
 *   process.c    what the server's processes cost, from /proc
 *   histogram.c  latencies
 *   tenths.c     latencies of each tenth of a second
 *
 * One thread, one epoll: also for the null server, which shares the turns of
 * the generator, so that the two never wait for each other.  A *message* is one
 * stanza of the client and its echo: to the client's own full address, or from
 * a server that echoes.
 */
#ifndef BENCH_H
#define BENCH_H

#include "wire.h"

#define BENCH_PIDS_MAX     16
#define BENCH_SESSIONS_MAX 100000
#define BENCH_SECONDS_MAX  3600
#define BENCH_TEXT_MAX     65536

struct bench;
struct session;

/* ---- kind_*.c ---- */

struct kind {
    const char *name;
    const char *help;
    const char *path;     /* of the HTTP request, unless --path says so */
    unsigned connections; /* a session, at most */
    bool has_login;
    size_t state_bytes; /* of the kind's part of a session, zeroed */
    void (*open)(struct session *s);    /* connects, opens the stream */
    void (*restart)(struct session *s); /* after authentication */
    void (*send)(struct session *s, struct slice stanza);
    void (*close)(struct session *s);
};

extern const struct kind kind_bosh;
extern const struct kind kind_browser;
extern const struct kind kind_websocket;
extern const struct kind kind_bare_websocket;
extern const struct kind kind_tcp;
extern const struct kind kind_bare_http;

/* Header lines of a browser, each with its line end. */
extern const char browser_headers[];

/* ---- session.c ---- */

enum session_state {
    SESSION_NEW,
    SESSION_OPENING,    /* awaits features with mechanisms */
    SESSION_PROVING,    /* awaits success */
    SESSION_RESTARTING, /* awaits features */
    SESSION_BINDING,    /* awaits its address */
    SESSION_READY,
    SESSION_FAILED,
};

struct session {
    struct bench *bench;
    enum session_state state;
    unsigned number;
    void *own; /* the kind's */
    char *jid; /* owned; full, once bound */
    bool is_busy;
    bool is_timed;     /* its messages are due by the clock */
    unsigned owed;     /* messages that were due while it was busy */
    unsigned next;     /* number of the next message */
    unsigned answers;  /* empty ones, since it is ready */
    uint64_t start_ns; /* of the message under way: when it was due */
};

void session_open(struct session *s);
void session_send_message(struct session *s, uint64_t due_ns);
void session_close(struct session *s);

/* For kinds.  What came from the server, whole elements or a piece of a
 * stream; returns how much of it is done with. */
size_t session_input(struct session *s, const char *at, size_t len);
void session_fail(struct session *s, const char *why);
void session_is_up(struct session *s); /* has_login is false: ready at once */

/* ---- histogram.c ---- */

struct histogram;

struct histogram *histogram_new(void);
void histogram_add(struct histogram *h, uint64_t ns);
void histogram_reset(struct histogram *h);
/* In milliseconds; share in 0..1.  0 when nothing was added. */
double histogram_at(const struct histogram *h, double share);

/* ---- tenths.c ---- */

/* What a machine does to latencies that stops now and then for milliseconds is
 * told from what the server does: each tenth of a second has a p99 of its own,
 * and half of the tenths are no worse than the median of those. */
struct tenths;

struct tenths *tenths_new(void); /* NULL: no memory */
void tenths_free(struct tenths *t);
/* A message that came back at now_ns after ns. */
void tenths_add(struct tenths *t, uint64_t now_ns, uint64_t ns);
double tenths_p99(const struct tenths *t); /* ms; 0: less than a tenth */

/* ---- process.c ---- */

struct cost {
    uint64_t cpu_ns;
    uint64_t rss_bytes;
    unsigned threads;
};

/* Of the processes together.  False: one is gone or cannot be read. */
bool process_cost(const int *pids, size_t n, struct cost *out);
uint64_t process_own_cpu_ns(void);

/* ---- options.c ---- */

struct options {
    const struct kind *kind;
    struct address to;
    const char *host;     /* the same as text, for Host: */
    struct address serve; /* where the null server listens, if anywhere */
    const char *path;
    const char *domain;
    const char *user; /* NULL: SASL ANONYMOUS; "u%u": the number in it */
    const char *password;
    unsigned sessions;
    unsigned active;
    unsigned at_once;
    unsigned size;  /* of a stanza, about */
    unsigned items; /* elements in it, if there is room */
    unsigned wait_s;
    unsigned answers; /* empty ones to be had while idle */
    double idle_s;
    double warm_s;
    double seconds;
    unsigned messages; /* exactly so many; 0: as time has it */
    double rate;       /* messages/s in all; 0: closed loop */
    double patience_s;
    bool is_plain_header; /* no browser headers */
    bool is_quiet;
    bool allows_remote;
    int pids[BENCH_PIDS_MAX];
    size_t n_pids;
    const char *name; /* for the report */
};

/* Over the defaults in *o, where warm_s and seconds below 0 are to be filled
 * in.  0, or the status to exit with: it has said why.  --help exits. */
int options_read(int argc, char **argv, struct options *o);

/* ---- plan.c ---- */

struct bench {
    struct options o;
    struct session *sessions;
    struct histogram *latency;
    struct tenths *tenths;
    char stanza_text[BENCH_TEXT_MAX]; /* filler of each stanza */
    unsigned opened;                  /* begun */
    unsigned ready;
    unsigned failed;
    unsigned lost;          /* of those that were ready */
    unsigned ready_at_once; /* when all were opened */
    unsigned pending_answers;
    uint64_t done;      /* messages whose echo came while it was measured */
    uint64_t sent;      /* messages begun, or due so far at a fixed rate */
    unsigned under_way; /* due at a fixed rate, and not echoed */
    unsigned unanswered;
    uint64_t next_due_ns;
    uint64_t load_start_ns;
    uint64_t measure_start_ns;
    bool is_measuring;
    bool is_draining; /* nothing more is due; what was is waited for */
    bool is_loading;
    bool is_blind; /* a process of --pid cannot be read */
    char why[160]; /* of the first failure */
    /* What the plan found out. */
    double setup_s;
    double setup_cpu_us;
    double memory_ready; /* bytes a session, before the idle time */
    double memory_idle;  /* after it */
    double idle_cpu;     /* share of a core */
    double message_rate;
    double message_cpu_us;
    double own_cpu_us;
};

/* False: too many sessions failed; b->why says why. */
bool plan_run(struct bench *b);

/* For sessions. */
void plan_session_ready(struct session *s);
void plan_session_failed(struct session *s, bool was_ready, const char *why);
void plan_message_done(struct session *s);
void plan_empty_answer(struct session *s);

/* ---- report.c ---- */

void report_text(const struct bench *b);               /* to stderr */
void report_json(const struct bench *b, bool is_good); /* a line */

#endif /* BENCH_H */
