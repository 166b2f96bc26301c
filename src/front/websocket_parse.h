/*
 * websocket_parse.h - the frames of a WebSocket client (RFC 6455 section 5;
 * conformance J08, J10-J13).
 *
 * Pure.  Reads every frame header of the byte stream, refuses what the
 * protocol forbids (unmasked frames, lengths that are not minimal or above
 * 2^63, reserved bits and opcodes, long or fragmented control frames, Close
 * payloads of one byte, wrong codes and reasons, stray continuations,
 * messages above the limit, too many fragments), and tells where the payload
 * is.
 *
 * What it is not: it keeps no payload.  websocket_message.h puts messages
 * together and checks their text.
 */
#ifndef FRONT_WEBSOCKET_PARSE_H
#define FRONT_WEBSOCKET_PARSE_H

#include "base/base.h"
#include "base/utf8.h"
#include "websocket_write.h"

/* Fragments of one message.  Clients and proxies may cut as they like (J11),
 * in pieces of 1 KiB for example; an endless row of empty ones is stopped. */
#define WS_FRAGMENTS_MAX 1024

#define WS_MASK_BYTES 4

enum ws_fault {
    WEBSOCKET_FAULT_NONE,
    WEBSOCKET_FAULT_PROTOCOL, /* 1002 */
    WEBSOCKET_FAULT_BINARY,   /* 1003 */
    WEBSOCKET_FAULT_UTF8,     /* 1007: a message, or a close reason */
    WEBSOCKET_FAULT_DEFLATE,  /* 1007: a message cannot be decompressed */
    WEBSOCKET_FAULT_TOO_BIG,  /* 1009: bytes or fragments of one message */
};

/* State of one direction of one connection.  websocket_parse_init at its start.
 */
struct websocket_parse {
    unsigned char head[14]; /* frame header being gathered, kept while its
                               payload passes */
    uint8_t head_len;
    uint8_t payload_at;     /* bytes of it that went by, modulo 256 */
    uint64_t payload_left;  /* of the current frame */
    uint64_t message_bytes; /* of the current message */
    uint16_t fragments;
    uint16_t close_code; /* of a Close frame; 0: none */
    struct utf8 close_utf8;
    bool in_payload;  /* the header is complete */
    bool in_message;  /* a fragmented message is under way */
    bool may_deflate; /* RFC 7692 was agreed on; set behind websocket_parse_init
                       */
    bool is_deflated; /* the message under way */
    bool is_closed;   /* a whole Close frame went by */
};

enum ws_run_kind {
    WS_RUN_NONE, /* all bytes were taken */
    WS_RUN_TEXT,
    WS_RUN_CLOSE,
    WS_RUN_PING,
    WS_RUN_PONG,
};

/* Payload of one frame, as much of it as is there. */
struct ws_run {
    enum ws_run_kind kind;
    struct slice masked; /* among the bytes that were given; empty only for a
                            frame without payload */
    unsigned char mask[WS_MASK_BYTES]; /* as it applies to the first byte */
    bool is_frame_end;
    bool is_message_end; /* of text */
    bool is_deflated;    /* of text: the message is compressed */
};

void websocket_parse_init(struct websocket_parse *c);

/*
 * Takes bytes from the front of *bytes, up to the end of the next run of
 * payload, or all of them when none begins there.  After a fault the state
 * is useless.  Behind a whole Close frame all bytes are taken and mean
 * nothing (RFC 6455 section 1.4).
 *
 * message_max_bytes is compared with the length in the header, before the
 * payload comes (J13).
 */
MUST_CHECK enum ws_fault websocket_parse_next(struct websocket_parse *c,
                                              struct slice *bytes,
                                              uint64_t message_max_bytes,
                                              struct ws_run *run);

/* Writes len bytes; `to` and `from` are the same or do not overlap. */
void ws_unmask(char *to, struct slice from,
               const unsigned char mask[WS_MASK_BYTES]);

#endif /* FRONT_WEBSOCKET_PARSE_H */
