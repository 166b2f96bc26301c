/*
 * ws_input.h - from the bytes of a WebSocket client to whole messages:
 * frames are checked (ws_check.h), unmasked and put together, messages are
 * decompressed (ws_deflate.h), and text is checked for UTF-8: as it comes
 * where it comes plain, else at the end of the message.
 *
 * Pure but for memory.  A message that lies whole in the bytes is given out
 * from a buffer that the connections of a worker share; only what is
 * incomplete is kept, and given back as soon as it was handled, so that an
 * idle connection keeps nothing.
 */
#ifndef FRONT_WS_INPUT_H
#define FRONT_WS_INPUT_H

#include "base/base.h"
#include "base/buf.h"
#include "base/utf8.h"
#include "front/ws_check.h"

struct ws_deflate;

#define WS_PLAIN_BYTES 65536

/*
 * What becomes of compressed messages: so many bytes for each that came, over
 * all messages of a connection, and so many more at any time.  So a message may
 * be as repetitive as it likes, and a client who sends nothing else is stopped:
 * a few bytes must not become hundreds of kilobytes at the server again and
 * again.
 */
#define WS_INFLATED_RATIO     100
#define WS_INFLATED_MAX_BYTES 262144

/* One of a worker. */
struct ws_shared {
    struct ws_deflate *deflate; /* owned by who has this; NULL: none needed */
    size_t plain_len;
    char plain[WS_PLAIN_BYTES]; /* payload without its mask */
};

struct ws_input {
    struct ws_check check;
    struct utf8 utf8;     /* of the message under way */
    bool is_given;        /* what is in `message` was given out */
    struct buf message;   /* pieces of one that is not complete */
    struct buf control;   /* the same of a ping's payload */
    size_t inflated_left; /* of WS_INFLATED_MAX_BYTES */
};

enum ws_input_event {
    WS_INPUT_MORE,    /* all bytes were taken and nothing more is complete */
    WS_INPUT_MESSAGE, /* a whole message, valid UTF-8, perhaps empty: text */
    WS_INPUT_PING,    /* text is to be sent back */
    WS_INPUT_NOTHING, /* a pong, or a fragment without payload */
    WS_INPUT_CLOSE,   /* a whole Close frame: code; what follows it is lost */
    WS_INPUT_FAULT,   /* fault; nothing more can be read */
    WS_INPUT_NOMEM,   /* the same */
};

struct ws_input_result {
    struct slice text; /* valid until the next call for this worker */
    unsigned code;     /* 0: the Close frame has none */
    enum ws_fault fault;
};

/* message_max_bytes: more is never kept.  may_deflate: RFC 7692 was agreed
 * on, and shared->deflate is there. */
void ws_input_init(struct ws_input *in, size_t message_max_bytes,
                   bool may_deflate);
void ws_input_fini(struct ws_input *in);

/* Takes bytes from the front of *bytes up to the next event.  To be called
 * until it answers WS_INPUT_MORE; who stops earlier calls ws_input_release.
 * max_bytes: of a message, as it is now. */
enum ws_input_event ws_input_next(struct ws_input *in, struct ws_shared *shared,
                                  struct slice *bytes, size_t max_bytes,
                                  struct ws_input_result *out);

/* The last result is no longer needed: its memory is wiped and given back. */
void ws_input_release(struct ws_input *in, struct ws_shared *shared);

#endif /* FRONT_WS_INPUT_H */
