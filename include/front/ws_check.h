/*
 * ws_check.h - the frames of a WebSocket client, checked before the library
 * sees them (RFC 6455 section 5; conformance J08, J10-J13; decisions).
 *
 * Pure.  Reads every frame header of the byte stream and refuses what
 * libwebsockets lets through: unmasked frames, lengths that are not minimal
 * or above 2^63, reserved bits and opcodes, long or fragmented control
 * frames, close payloads of one byte, wrong close codes and reasons, stray
 * continuations, messages above the limit, too many fragments.
 */
#ifndef FRONT_WS_CHECK_H
#define FRONT_WS_CHECK_H

#include "base/base.h"
#include "base/utf8.h"

#define WS_FRAGMENTS_MAX 64 /* of one message */

enum ws_fault {
    WS_FAULT_NONE,
    WS_FAULT_PROTOCOL, /* 1002 */
    WS_FAULT_BINARY,   /* 1003 */
    WS_FAULT_UTF8,     /* 1007: a close reason */
    WS_FAULT_TOO_BIG,  /* 1009 */
};

/* State of one direction of one connection.  ws_check_init at its start. */
struct ws_check {
    unsigned char head[14]; /* frame header being gathered */
    uint8_t head_len;
    uint8_t opcode;         /* of the frame whose payload is passing */
    bool in_message;        /* a fragmented message is under way */
    bool is_closed;         /* a close frame went by: nothing may follow */
    uint64_t payload_left;  /* of the current frame */
    uint64_t payload_at;    /* bytes of it that went by */
    uint64_t message_bytes; /* of the current message */
    unsigned fragments;
    unsigned char close_bytes[2];
    struct utf8 close_utf8;
};

void ws_check_init(struct ws_check *c);

/*
 * Looks at len bytes.  *ok: how many of them may be handed on (all of them
 * unless a fault is found; then those before the faulty frame's header).
 * message_max_bytes is compared with the length in the header, before the
 * payload comes.
 */
enum ws_fault ws_check_feed(struct ws_check *c, const char *at, size_t len,
                            uint64_t message_max_bytes, size_t *ok);

#endif /* FRONT_WS_CHECK_H */
