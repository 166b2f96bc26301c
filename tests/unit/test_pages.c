#include "http_world.h"

#include "front/pages.h"

#include <ftw.h>
#include <sys/stat.h>

static char root[64];
static struct pages *pages;

static void write_file(const char *name, const char *text, size_t len)
{
    char path[512];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", root, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    fclose(file);
}

static void make_directory(const char *name)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", root, name);
    assert_int_equal(mkdir(path, 0755), 0);
}

#define WRITE(name, text) write_file(name, text, sizeof(text) - 1)

static int make_root(void **state)
{
    snprintf(root, sizeof(root), "/tmp/doab-test-pages-XXXXXX");
    return mkdtemp(root) == NULL ? -1 : 0;
}

static int remove_entry(const char *path, const struct stat *st, int type,
                        struct FTW *ftw)
{
    return remove(path);
}

static int remove_root(void **state)
{
    return nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* Every request goes to the pages. */
static void on_request(void *arg, struct http_exchange *x,
                       const struct http_request *r)
{
    pages_request(pages, x, r);
}

static struct world *open_pages(const char *directory)
{
    static const struct http_handler handler = {.request = on_request};
    struct world *w = calloc(1, sizeof(*w));
    struct http_server_params params;
    char why[256];

    assert_non_null(w);
    if (pages_new(&pages, directory, why, sizeof(why)) != ERR_OK)
        fail_msg("%s", why);
    assert_int_equal(loop_new(&w->loop), ERR_OK);
    params = world_params(w);
    params.handler = &handler;
    slots_init(&w->places, WORLD_PLACES);
    assert_int_equal(http_server_new(&w->srv, &params), ERR_OK);
    world_connect(w, NULL);
    return w;
}

static void close_pages(struct world *w)
{
    world_free(w);
    pages_free(pages);
}

/* The whole answer to one request. */
static const char *ask(struct world *w, const char *request)
{
    w->in_len = 0;
    w->in[0] = '\0';
    world_send(w, request);
    for (int i = 0; i < 500 && strstr(w->in, "\r\n\r\n") == NULL; i++) {
        world_run(w, 1);
        world_read(w);
    }
    return w->in;
}

static void check_has(const char *answer, const char *text)
{
    if (strstr(answer, text) == NULL)
        fail_msg("no %s in: %s", text, answer);
}

static void make_tree(void)
{
    WRITE("index.html", "<p>home");
    WRITE("style.css", "p {}");
    WRITE("code.js", "1;");
    WRITE("code.js.map", "{}");
    WRITE("tone.mp3", "\xff\0x");
    WRITE("LICENSE", "MIT");
    WRITE("empty.txt", "");
    WRITE(".hidden", "no");
    make_directory(".git");
    WRITE(".git/config", "no");
    make_directory("node_modules");
    WRITE("node_modules/x.js", "no");
    make_directory("sub");
    WRITE("sub/index.html", "<p>sub");
    make_directory("bare");
    WRITE("bare/a.svg", "<svg/>");
}

static void files_have_their_type_and_may_be_kept(void **state)
{
    static const struct {
        const char *request;
        const char *type;
        const char *cache;
        const char *end;
    } rows[] = {
        {GET("/"), "text/html; charset=utf-8", "no-cache", "\r\n\r\n<p>home"},
        {GET("/index.html"), "text/html; charset=utf-8", "no-cache",
         "\r\n\r\n<p>home"},
        {GET("/?transport=bosh"), "text/html; charset=utf-8", "no-cache",
         "\r\n\r\n<p>home"},
        {GET("/sub/"), "text/html; charset=utf-8", "no-cache",
         "\r\n\r\n<p>sub"},
        {GET("/style.css"), "text/css; charset=utf-8", "max-age=300",
         "\r\n\r\np {}"},
        {GET("/code.js"), "text/javascript; charset=utf-8", "max-age=300",
         "\r\n\r\n1;"},
        {GET("/bare/a.svg"), "image/svg+xml", "max-age=300", "\r\n\r\n<svg/>"},
        {GET("/tone.mp3"), "audio/mpeg", "max-age=300", "\r\n\r\n\xff"},
        {GET("/LICENSE"), "application/octet-stream", "max-age=300",
         "\r\n\r\nMIT"},
        {GET("/empty.txt"), "text/plain; charset=utf-8", "max-age=300",
         "\r\n\r\n"},
    };
    struct world *w;

    make_tree();
    w = open_pages(root);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *answer = ask(w, rows[i].request);
        char line[128];

        check_has(answer, "HTTP/1.1 200 OK\r\n");
        snprintf(line, sizeof(line), "\r\nContent-Type: %s\r\n", rows[i].type);
        check_has(answer, line);
        snprintf(line, sizeof(line), "\r\nCache-Control: %s\r\n",
                 rows[i].cache);
        check_has(answer, line);
        check_has(answer, "\r\nETag: \"");
        check_has(answer, "script-src 'self' 'wasm-unsafe-eval';");
        check_has(answer, "X-Content-Type-Options: nosniff\r\n");
        check_has(answer, rows[i].end);
        assert_null(strstr(answer, "sandbox"));
        assert_null(strstr(answer, "no-store"));
    }
    close_pages(w);
}

/* L15 (Openfire): no request becomes a file name */
static void what_is_not_exactly_there_is_not_found(void **state)
{
    static const char *const requests[] = {
        GET("/.hidden"),       GET("/.git/config"),
        GET("/code.js.map"),   GET("/node_modules/x.js"),
        GET("/sub"),           GET("/bare/"),
        GET("/bare"),          GET("//"),
        GET("/./index.html"),  GET("/sub/../index.html"),
        GET("/../etc/passwd"), GET("/%2e%2e/etc/passwd"),
        GET("/%69ndex.html"),  GET("/INDEX.html"),
        GET("/..;/"),          GET("/%u002e/"),
        GET("/style.css/"),    "POST /nothing HTTP/1.1\r\nHost: a\r\n\r\n",
    };
    struct world *w;

    make_tree();
    w = open_pages(root);
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        const char *answer = ask(w, requests[i]);

        if (strncmp(answer, "HTTP/1.1 404 ", 13) != 0)
            fail_msg("%s: %s", requests[i], answer);
        check_has(answer, "Access-Control-Allow-Origin: *\r\n"); /* I41 */
        check_has(answer, "default-src 'none'; sandbox");
    }
    close_pages(w);
}

/* I02-I04 */
static void methods_are_answered_as_they_must(void **state)
{
    struct world *w = open_pages("");

    check_has(ask(w, "OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n"),
              "HTTP/1.1 204 No Content\r\n");
    check_has(w->in, "Allow: GET, HEAD, OPTIONS\r\n");
    check_has(ask(w, "POST / HTTP/1.1\r\nHost: a\r\n\r\n"),
              "HTTP/1.1 405 Method Not Allowed\r\n");
    check_has(w->in, "Allow: GET, HEAD, OPTIONS\r\n");
    check_has(ask(w, "PUT / HTTP/1.1\r\nHost: a\r\n\r\n"),
              "HTTP/1.1 405 Method Not Allowed\r\n");
    check_has(ask(w, "BREW / HTTP/1.1\r\nHost: a\r\n\r\n"),
              "HTTP/1.1 501 Not Implemented\r\n");
    check_has(ask(w, HEAD("/")), "HTTP/1.1 200 OK\r\n");
    assert_string_equal(strstr(w->in, "\r\n\r\n"), "\r\n\r\n");
    close_pages(w);
}

/* RFC 9110 13.1.2 */
static void a_client_that_has_it_is_told_so(void **state)
{
    static const char *const forms[] = {"%s", "W/%s", "\"x\", %s", "*"};
    struct world *w;
    char etag[32] = "";

    make_tree();
    w = open_pages(root);
    assert_int_equal(
        sscanf(strstr(ask(w, GET("/")), "ETag: "), "ETag: %31s", etag), 1);
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        char request[256];
        char value[64];
        const char *at = strstr(forms[i], "%s");
        int before = at == NULL ? (int)strlen(forms[i]) : (int)(at - forms[i]);

        snprintf(value, sizeof(value), "%.*s%s", before, forms[i],
                 at == NULL ? "" : etag);
        snprintf(request, sizeof(request),
                 "GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: %s\r\n\r\n",
                 value);
        check_has(ask(w, request), "HTTP/1.1 304 Not Modified\r\n");
        check_has(w->in, etag);
        assert_null(strstr(w->in, "<p>home"));
        assert_null(strstr(w->in, "Content-Length"));
    }
    check_has(ask(w, "GET /style.css HTTP/1.1\r\nHost: a\r\n"
                     "If-None-Match: \"0000\"\r\n\r\n"),
              "HTTP/1.1 200 OK\r\n");
    assert_null(strstr(w->in, etag)); /* another content, another tag */
    close_pages(w);
}

static void without_a_directory_there_is_a_landing_page(void **state)
{
    struct world *w = open_pages(NULL);

    check_has(ask(w, GET("/")), "/xmpp-websocket");
    check_has(w->in, "Content-Type: text/html; charset=utf-8\r\n");
    check_has(ask(w, GET("/index.html")), "404 Not Found");
    close_pages(w);

    w = open_pages(root); /* empty */
    check_has(ask(w, GET("/")), "/http-bind");
    close_pages(w);
}

static void what_cannot_be_read_is_said(void **state)
{
    struct pages *p = NULL;
    char why[256] = "";
    char path[128];
    char deep[512];
    size_t len;

    snprintf(path, sizeof(path), "%s/nowhere", root);
    assert_int_equal(pages_new(&p, path, why, sizeof(why)), ERR_SYSTEM);
    assert_non_null(strstr(why, "nowhere"));

    snprintf(path, sizeof(path), "%s/huge", root);
    WRITE("huge", "");
    assert_int_equal(truncate(path, (off_t)PAGES_BYTES_MAX + 1), 0);
    assert_int_equal(pages_new(&p, root, why, sizeof(why)), ERR_LIMIT);
    assert_non_null(strstr(why, "/huge"));
    assert_int_equal(unlink(path), 0);

    /* A FIFO is no file, and a circle of links ends. */
    snprintf(path, sizeof(path), "%s/fifo", root);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(pages_new(&p, root, why, sizeof(why)), ERR_OK);
    pages_free(p);
    len = (size_t)snprintf(deep, sizeof(deep), "%s/circle", root);
    assert_true(len < sizeof(deep));
    assert_int_equal(symlink(".", deep), 0);
    assert_int_equal(pages_new(&p, root, why, sizeof(why)), ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_have_their_type_and_may_be_kept,
                                        make_root, remove_root),
        cmocka_unit_test_setup_teardown(what_is_not_exactly_there_is_not_found,
                                        make_root, remove_root),
        cmocka_unit_test(methods_are_answered_as_they_must),
        cmocka_unit_test_setup_teardown(a_client_that_has_it_is_told_so,
                                        make_root, remove_root),
        cmocka_unit_test_setup_teardown(
            without_a_directory_there_is_a_landing_page, make_root,
            remove_root),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_is_said, make_root,
                                        remove_root),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
