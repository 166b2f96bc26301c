/*
 * websocket_message.h - from the bytes of a WebSocket client to whole messages:
 * frames are checked (websocket_parse.h), unmasked and put together, messages
 * are decompressed (websocket_deflate.h), and text is checked for UTF-8: as it
 * comes where it comes plain, else at the end of the message.
 *
 * Pure but for memory.  A message that lies whole in the bytes is given out
 * from a buffer that the connections of a worker share; only what is
 * incomplete is kept, and given back as soon as it was handled, so that an
 * idle connection keeps nothing.
 */
#ifndef FRONT_WEBSOCKET_MESSAGE_H
#define FRONT_WEBSOCKET_MESSAGE_H

#include "base/base.h"
#include "base/buf.h"
#include "base/utf8.h"
#include "websocket_parse.h"

struct websocket_deflate;

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
    struct websocket_deflate
        *deflate; /* owned by who has this; NULL: none needed */
    size_t plain_len;
    char plain[WS_PLAIN_BYTES]; /* payload without its mask */
};

struct websocket_message {
    struct websocket_parse check;
    struct utf8 utf8;     /* of the message under way */
    bool is_given;        /* what is in `message` was given out */
    struct buf message;   /* pieces of one that is not complete */
    struct buf control;   /* the same of a ping's payload */
    size_t inflated_left; /* of WS_INFLATED_MAX_BYTES */
};

enum websocket_message_event {
    WEBSOCKET_MESSAGE_MORE, /* all bytes were taken and nothing more is complete
                             */
    WEBSOCKET_MESSAGE_MESSAGE, /* a whole message, valid UTF-8, perhaps empty:
                                  text */
    WEBSOCKET_MESSAGE_PING,    /* text is to be sent back */
    WEBSOCKET_MESSAGE_NOTHING, /* a pong, or a fragment without payload */
    WEBSOCKET_MESSAGE_CLOSE,   /* a whole Close frame: code; what follows it is
                                  lost */
    WEBSOCKET_MESSAGE_FAULT,   /* fault; nothing more can be read */
    WEBSOCKET_MESSAGE_NOMEM,   /* the same */
};

struct websocket_message_result {
    struct slice text; /* valid until the next call for this worker */
    unsigned code;     /* 0: the Close frame has none */
    enum ws_fault fault;
};

/* message_max_bytes: more is never kept.  may_deflate: RFC 7692 was agreed
 * on, and shared->deflate is there. */
void websocket_message_init(struct websocket_message *in,
                            size_t message_max_bytes, bool may_deflate);
void websocket_message_fini(struct websocket_message *in);

/* Takes bytes from the front of *bytes up to the next event.  To be called
 * until it answers WEBSOCKET_MESSAGE_MORE; who stops earlier calls
 * websocket_message_release. max_bytes: of a message, as it is now. */
enum websocket_message_event websocket_message_next(
    struct websocket_message *in, struct ws_shared *shared, struct slice *bytes,
    size_t max_bytes, struct websocket_message_result *out);

/* The last result is no longer needed: its memory is wiped and given back. */
void websocket_message_release(struct websocket_message *in,
                               struct ws_shared *shared);

#endif /* FRONT_WEBSOCKET_MESSAGE_H */
