/*
 * ws_check.h - the frames of a WebSocket client, checked before the library
 * sees them (RFC 6455 section 5; conformance J08, J10-J13; decisions).
 *
 * Pure.  Reads every frame header of the byte stream and refuses what
 * libwebsockets lets through: unmasked frames, lengths that are not minimal
 * or above 2^63, reserved bits and opcodes, long or fragmented control
 * frames, close payloads of one byte, wrong close codes and reasons, stray
 * continuations, messages above the limit, too many fragments.
 *
 * What it is not: it unmasks and keeps no payload but that of a Close frame.
 * The text itself is checked by whoever puts the message together.
 */
#ifndef FRONT_WS_CHECK_H
#define FRONT_WS_CHECK_H

#include "base/base.h"
#include "base/utf8.h"

/* Fragments of one message.  Clients and proxies may cut as they like (J11),
 * in pieces of 1 KiB for example; an endless row of empty ones is stopped. */
#define WS_FRAGMENTS_MAX 1024

enum ws_fault {
    WS_FAULT_NONE,
    WS_FAULT_PROTOCOL, /* 1002 */
    WS_FAULT_BINARY,   /* 1003 */
    WS_FAULT_UTF8,     /* 1007: a close reason */
    WS_FAULT_TOO_BIG,  /* 1009: bytes or fragments of one message */
};

/* State of one direction of one connection.  ws_check_init at its start. */
struct ws_check {
    unsigned char head[14]; /* frame header being gathered, kept while its
                               payload passes */
    uint8_t head_len;
    uint8_t opcode;         /* of the frame whose payload is passing */
    bool in_message;        /* a fragmented message is under way */
    bool is_closed;         /* a whole close frame went by */
    uint64_t payload_left;  /* of the current frame */
    uint64_t payload_at;    /* bytes of it that went by */
    uint64_t message_bytes; /* of the current message */
    unsigned fragments;
    unsigned char close_bytes[2];
    struct utf8 close_utf8;
};

void ws_check_init(struct ws_check *c);

/*
 * Looks at len bytes.  *ok: how many of them may be handed on: all of them,
 * but none behind a whole close frame (RFC 6455 section 1.4: they are
 * discarded), and with a fault only those before the faulty frame's header.
 * A header that came in pieces has been handed on in pieces: after a fault
 * the other side may hold an incomplete frame.  The state is then useless.
 *
 * message_max_bytes is compared with the length in the header, before the
 * payload comes (J13).
 */
enum ws_fault ws_check_feed(struct ws_check *c, const char *at, size_t len,
                            uint64_t message_max_bytes, size_t *ok);

#endif /* FRONT_WS_CHECK_H */
