/*
 * websocket_fault.h - what a client does wrong behind a message that was fine,
 * and the answer that it sees on the wire: the message's echo, the session's
 * <error/> and Close with its code.
 *
 * To be included by one file of a program.
 */
#ifndef TESTS_WEBSOCKET_FAULT_H
#define TESTS_WEBSOCKET_FAULT_H

#include "websocket_world.h"

struct wire_fault {
    const char *bytes;
    size_t len;
    const char *told;  /* to the session */
    const char *close; /* the frame, 7 bytes */
};

/* `told`: "fault CODE\n"; `code`: the same in two bytes. */
#define FAULT(bytes, told, code)                                               \
    {                                                                          \
        bytes, sizeof(bytes) - 1, "message a\n" told, "\x88\x05" code "why"    \
    }

/* A mask that changes nothing. */
#define M "\0\0\0\0"

/* Nothing follows, and nobody is left. */
static inline void assert_ended(void)
{
    await_eof();
    assert_int_equal(world->in.len, 0);
    unplug();
    assert_int_equal(websocket_host_count(world->host), 0);
}

/* Of a client that has its upgrade and that another one may follow. */
static inline void assert_fault(const struct wire_fault *fault)
{
    TEXT("a");
    send_bytes(fault->bytes, fault->len);
    NEXT("\x81\x01"
         "a\x81\x08<error/>");
    assert_next(fault->close, 7);
    assert_told(fault->told);
    assert_ended();
}

#endif /* TESTS_WEBSOCKET_FAULT_H */
