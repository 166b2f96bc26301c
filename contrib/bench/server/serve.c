#include "serve.h"

#include <stdio.h>
#include <stdlib.h>

#define EXIT_USAGE 64

int serve_usage(int argc, char **argv, const char *usage)
{
    bool is_asked = argc == 2 && strcmp(argv[1], "--help") == 0;

    fprintf(is_asked ? stdout : stderr, "usage: %s\n", usage);
    return is_asked ? 0 : EXIT_USAGE;
}

_Noreturn void serve(const char *at, bool (*listen_at)(const struct address *a))
{
    struct address a;

    if (!address_read(&a, at)) {
        fprintf(stderr, "not an address: %s\n", at);
        exit(EXIT_USAGE);
    }
    if (!address_is_loopback(&a)) {
        fprintf(stderr, "only on loopback: %s\n", at);
        exit(EXIT_USAGE);
    }
    if (wire_init() == 0 || !listen_at(&a)) {
        perror(at);
        exit(1);
    }
    printf("ready %u\n", wire_listening_port());
    fflush(stdout);
    for (;;)
        wire_turn(WIRE_FOREVER);
}
