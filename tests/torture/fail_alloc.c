/*
 * A library to preload: its malloc and the like fail when a control file says
 * so.  DOAB_FAIL_ALLOC names the file; it is mapped, so that whoever writes
 * into it changes the next call, and reads from it what has happened.  The
 * layout is `struct page`; lib/memory.mjs has the same one.
 *
 * It stands in front of the C library's functions or of AddressSanitizer's,
 * and calls whichever comes next.  All threads count together.
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <unwind.h>

#define FRAMES      14 /* of a caller that are told apart */
#define OWN_FRAMES  2  /* ours, above them */
#define RECORDS     256
#define PATHS       65536
#define EARLY_BYTES 65536
#define EARLY_ALIGN 16

/* Which calls fail. */
enum mode {
    MODE_OFF,
    MODE_NTH,    /* call n, and `span` - 1 behind it */
    MODE_RANDOM, /* `chance` of 2^32 */
    MODE_PATHS   /* each way to a call once, `span` calls apart at least */
};

struct record {
    uint64_t call;
    uint64_t size;
    uint64_t frames[FRAMES];
};

struct page {
    _Atomic uint32_t mode; /* written last */
    _Atomic uint32_t chance;
    _Atomic uint64_t n;
    _Atomic uint64_t span;
    _Atomic uint64_t seed;
    _Atomic uint64_t calls;  /* while the mode was not MODE_OFF */
    _Atomic uint64_t failed; /* of them */
    _Atomic uint64_t paths;  /* distinct ones that have failed */
    _Atomic uint64_t last;   /* the call that failed last */
    _Atomic int64_t live_blocks;
    _Atomic int64_t live_bytes;
    _Atomic uint64_t base;          /* where the program itself was loaded */
    struct record records[RECORDS]; /* of failed calls, in turn */
    _Atomic uint32_t seen[PATHS];
};

struct functions {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void *(*memalign)(size_t, size_t);
    void (*free)(void *);
    size_t (*usable)(void *);
};

static struct functions next;
static struct page *page; /* NULL: nothing fails */
static _Atomic bool is_resolving;

/* Not the default model: that one calls malloc. */
static _Thread_local bool is_inside __attribute__((tls_model("initial-exec")));

/* For calls from within dlsym.  Never given back. */
static union {
    max_align_t align;
    char bytes[EARLY_BYTES];
} early;
static _Atomic size_t early_used;

/* --- The functions behind ours -------------------------------------------- */

static bool is_early(const void *at)
{
    uintptr_t begin = (uintptr_t)early.bytes;

    return (uintptr_t)at - begin < EARLY_BYTES;
}

static void *take_early(size_t size)
{
    size_t rounded = (size + EARLY_ALIGN - 1) / EARLY_ALIGN * EARLY_ALIGN;
    size_t at = atomic_fetch_add(&early_used, rounded);

    if (size > EARLY_BYTES || at > EARLY_BYTES - rounded)
        abort();
    return early.bytes + at;
}

/* ISO C has no conversion from an object pointer to one of a function. */
static void find(void *to, const char *name)
{
    void *at = dlsym(RTLD_NEXT, name);

    if (at == NULL)
        abort();
    memcpy(to, &at, sizeof(at));
}

/* False: dlsym itself is calling. */
static bool resolve(void)
{
    if (next.free != NULL)
        return true;
    if (atomic_exchange(&is_resolving, true))
        return false;
    find(&next.malloc, "malloc");
    find(&next.calloc, "calloc");
    find(&next.realloc, "realloc");
    find(&next.memalign, "memalign");
    find(&next.usable, "malloc_usable_size");
    find(&next.free, "free");
    return true;
}

struct trace {
    uint64_t frames[FRAMES];
    int n;
};

/* backtrace() would load a library at its first call. */
static _Unwind_Reason_Code on_frame(struct _Unwind_Context *context, void *arg)
{
    struct trace *t = arg;

    if (t->n == FRAMES)
        return _URC_END_OF_STACK;
    t->frames[t->n++] = _Unwind_GetIP(context);
    return _URC_NO_REASON;
}

/* The program comes first. */
static int on_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    *(uint64_t *)arg = info->dlpi_addr;
    return 1;
}

__attribute__((constructor)) static void begin(void)
{
    const char *name = getenv("DOAB_FAIL_ALLOC");
    uint64_t base = 0;
    void *at;
    int fd;

    if (name == NULL || !resolve())
        return;
    fd = open(name, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        abort();
    at = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at == MAP_FAILED)
        abort();
    dl_iterate_phdr(on_object, &base);
    page = at;
    atomic_store(&page->base, base);
    atomic_store(&page->live_blocks, 0);
    atomic_store(&page->live_bytes, 0);
}

/* --- Which calls fail ----------------------------------------------------- */

/* The finaliser of splitmix64. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* True the first time that a call comes this way. */
static bool is_new_path(void)
{
    struct trace t = {{0}, 0};
    uint64_t hash = 0;
    uint32_t mark;

    _Unwind_Backtrace(on_frame, &t);
    for (int i = OWN_FRAMES; i < t.n; i++)
        hash = mix(hash ^ t.frames[i]);
    mark = (uint32_t)(hash >> 32) | 1;
    for (unsigned i = 0; i < 64; i++) {
        _Atomic uint32_t *slot = &page->seen[(hash + i) % PATHS];
        uint32_t was = 0;

        if (atomic_load(slot) == mark)
            return false;
        if (atomic_compare_exchange_strong(slot, &was, mark)) {
            atomic_fetch_add(&page->paths, 1);
            return true;
        }
        if (was == mark)
            return false;
    }
    return false;
}

static bool is_chosen(uint64_t call)
{
    uint64_t n = atomic_load(&page->n);
    uint64_t span = atomic_load(&page->span);

    switch ((enum mode)atomic_load(&page->mode)) {
    case MODE_OFF:
        return false;
    case MODE_NTH:
        return call >= n && call - n < span;
    case MODE_RANDOM:
        return (uint32_t)mix(atomic_load(&page->seed) ^ mix(call)) <
               atomic_load(&page->chance);
    case MODE_PATHS:
        return call - atomic_load(&page->last) >= span && is_new_path();
    }
    return false;
}

static void record(uint64_t call, size_t size)
{
    uint64_t i = atomic_fetch_add(&page->failed, 1);
    struct record *r = &page->records[i % RECORDS];
    struct trace t = {{0}, 0};

    _Unwind_Backtrace(on_frame, &t);
    r->call = call;
    r->size = size;
    memcpy(r->frames, t.frames, sizeof(r->frames));
    atomic_store(&page->last, call);
}

/* Not inlined, so that OWN_FRAMES is right. */
__attribute__((noinline)) static bool fails(size_t size)
{
    uint64_t call;
    bool is_failing;

    if (page == NULL || is_inside || atomic_load(&page->mode) == MODE_OFF)
        return false;
    is_inside = true;
    call = atomic_fetch_add(&page->calls, 1) + 1;
    is_failing = is_chosen(call);
    if (is_failing)
        record(call, size);
    is_inside = false;
    if (is_failing)
        errno = ENOMEM;
    return is_failing;
}

/* --- What lives ----------------------------------------------------------- */

static void *born(void *at)
{
    if (at != NULL && page != NULL) {
        atomic_fetch_add(&page->live_blocks, 1);
        atomic_fetch_add(&page->live_bytes, (int64_t)next.usable(at));
    }
    return at;
}

static void die(void *at)
{
    if (at != NULL && page != NULL) {
        atomic_fetch_sub(&page->live_blocks, 1);
        atomic_fetch_sub(&page->live_bytes, (int64_t)next.usable(at));
    }
}

/* --- What is preloaded ---------------------------------------------------- */

void *malloc(size_t size)
{
    if (!resolve())
        return take_early(size);
    return fails(size) ? NULL : born(next.malloc(size));
}

void *calloc(size_t n, size_t size)
{
    /* Of static memory, which is zero. */
    if (!resolve())
        return take_early(n * size);
    return fails(n * size) ? NULL : born(next.calloc(n, size));
}

void *realloc(void *at, size_t size)
{
    size_t before;
    void *now;

    if (!resolve() || is_early(at))
        abort();
    if (fails(size))
        return NULL;
    before = at != NULL && page != NULL ? next.usable(at) : 0;
    now = next.realloc(at, size);
    if (now != NULL && page != NULL) {
        atomic_fetch_add(&page->live_blocks, at == NULL ? 1 : 0);
        atomic_fetch_add(&page->live_bytes,
                         (int64_t)next.usable(now) - (int64_t)before);
    } else if (now == NULL && size == 0 && at != NULL && page != NULL) {
        atomic_fetch_sub(&page->live_blocks, 1);
        atomic_fetch_sub(&page->live_bytes, (int64_t)before);
    }
    return now;
}

void *reallocarray(void *at, size_t n, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(n, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(at, bytes);
}

void *memalign(size_t alignment, size_t size)
{
    if (!resolve())
        abort();
    return fails(size) ? NULL : born(next.memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *at = memalign(alignment, size);

    if (at == NULL)
        return ENOMEM;
    *out = at;
    return 0;
}

void free(void *at)
{
    if (at == NULL || is_early(at))
        return;
    die(at);
    next.free(at);
}
