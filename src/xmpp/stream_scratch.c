#include "stream_scratch.h"

#include "xmpp/element.h"

#include <assert.h>
#include <stdlib.h>

#define SPARE_MAX  4
#define KEEP_BYTES 16384 /* of a spare one's buffer */

static _Thread_local struct {
    struct stream_scratch *spare;
    unsigned n_spare;
    unsigned n_streams;
} shared;

static void stream_scratch_destroy(struct stream_scratch *w)
{
    element_copier_free(w->copier);
    buf_free(&w->bytes);
    free(w);
}

void stream_scratch_join(void)
{
    shared.n_streams++;
}

void stream_scratch_leave(void)
{
    assert(shared.n_streams > 0);
    if (--shared.n_streams > 0)
        return;
    while (shared.spare != NULL) {
        struct stream_scratch *w = shared.spare;

        shared.spare = w->next;
        stream_scratch_destroy(w);
    }
    shared.n_spare = 0;
}

struct stream_scratch *stream_scratch_take(size_t max_bytes)
{
    struct stream_scratch *w = shared.spare;

    if (w != NULL) {
        shared.spare = w->next;
        shared.n_spare--;
        w->bytes.max_bytes = max_bytes;
        return w;
    }

    w = calloc(1, sizeof(*w));
    if (w == NULL)
        return NULL;
    if (element_copier_new(&w->copier) != ERR_OK) {
        free(w);
        return NULL;
    }
    buf_init(&w->bytes, max_bytes);
    return w;
}

void stream_scratch_give(struct stream_scratch *w)
{
    if (w == NULL)
        return;
    if (shared.n_spare == SPARE_MAX || shared.n_streams == 0) {
        stream_scratch_destroy(w);
        return;
    }
    buf_clear(&w->bytes, KEEP_BYTES);
    w->next = shared.spare;
    shared.spare = w;
    shared.n_spare++;
}
