/*
 * log.h - one line an event: `level event key=value …` on standard error.
 *
 * Each object builds its context prefix once ("s=7f3a c=203.0.113.7") and
 * hands it to every line.  Values that come from outside are written with
 * log_quote, so that no byte of theirs can forge a line or a field.  No sid,
 * no SASL payload and no stanza body is logged at any level but trace.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/base.h"

enum log_level {
    LOG_ERROR,
    LOG_WARN,
    LOG_INFO,
    LOG_DEBUG,
    LOG_TRACE
};

enum log_format {
    LOG_TEXT,     /* 2026-11-21T09:30:00.123Z info event key=value */
    LOG_JOURNALD, /* <6>event key=value, levels as sd-daemon(3) */
};

#define LOG_PREFIX_BYTES 80

struct log_ctx {
    char prefix[LOG_PREFIX_BYTES]; /* "" or "s=7f3a " with the space */
};

/* A budget for lines that strangers can cause: `burst` lines an interval,
 * then silence and, with the next line, how many were left out. */
struct log_limit {
    unsigned burst;
    unsigned interval_ms;
    uint64_t since_ms; /* the module's own state from here on */
    unsigned used;
    unsigned suppressed;
};

#define LOG_LIMIT_INIT                                                         \
    {                                                                          \
        .burst = 10, .interval_ms = 10000                                      \
    }

/* Set once at start, and on reload; until then info and text. */
void log_setup(enum log_level level, enum log_format format);
bool log_wants(enum log_level level);

/*
 * From now on lines are written by a thread of their own (log_writer.h), so
 * that a reader that stops holds up nothing else: of what does not fit into
 * LOG_WRITER_BYTES the number is written, as `log.lost dropped=N`, when the
 * reader takes lines again.  Before log_start, and after log_stop, who logs
 * also writes.  ERR_NOMEM, ERR_SYSTEM.
 */
MUST_CHECK enum err log_start(void);

/* Waits until all lines are written, timeout_ms at most.  True: they are.  May
 * be called from a signal handler. */
bool log_flush(unsigned timeout_ms);

/* log_flush and, when all is written, the end of the thread.  No other thread
 * logs any more. */
void log_stop(unsigned timeout_ms);

/* Lines go to sink instead of standard error; for tests.  NULL: back. */
void log_set_sink(void (*sink)(const char *line, size_t len));

/* Builds a context from printf arguments; too long is cut. */
void log_ctx_init(struct log_ctx *ctx, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ctx may be NULL.  fmt begins with the event's name. */
COLD void log_line(enum log_level level, const struct log_ctx *ctx,
                   const char *fmt, ...) PRINTF_LIKE(3, 4);

#define log_error(ctx, ...) log_line(LOG_ERROR, ctx, __VA_ARGS__)
#define log_warn(ctx, ...)  log_line(LOG_WARN, ctx, __VA_ARGS__)
#define log_info(ctx, ...)  log_line(LOG_INFO, ctx, __VA_ARGS__)
#define log_debug(ctx, ...)                                                    \
    do {                                                                       \
        if (log_wants(LOG_DEBUG))                                              \
            log_line(LOG_DEBUG, ctx, __VA_ARGS__);                             \
    } while (0)
#define log_trace(ctx, ...)                                                    \
    do {                                                                       \
        if (log_wants(LOG_TRACE))                                              \
            log_line(LOG_TRACE, ctx, __VA_ARGS__);                             \
    } while (0)

/* True when a line may be written under this limit at now_ms; otherwise it
 * is counted.  *suppressed receives how many were left out before. */
bool log_allow(struct log_limit *limit, uint64_t now_ms, unsigned *suppressed);

#define LOG_QUOTED_BYTES 260

struct log_quoted {
    char text[LOG_QUOTED_BYTES];
};

/* s as a log value: escaped (control characters, quotes, backslash, U+2028/9,
 * bidi controls, invalid UTF-8) and cut to 256 bytes, in double quotes when it
 * is not a plain word.  Use: log_quote(s).text as an argument. */
struct log_quoted log_quote(struct slice s);

#endif /* BASE_LOG_H */
