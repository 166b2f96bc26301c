/* CORS: which pages may read our answers. */
#include "http_world.h"

/* I40-I43 */
static void a_list_of_origins_is_matched_whole(void **state)
{
    static const char *const list[] = {"https://good.example"};
    struct world none = {.loop = NULL};
    struct http_server_params p = world_params(&none);
    struct world *w;

    p.origins =
        (struct http_origins){.list = list, .n = 1, .allows_credentials = true};
    w = world_new(&p);
    world_connect(w, NULL);
    world_send(w, "OPTIONS /x HTTP/1.1\r\nHost: a\r\n"
                  "Origin: https://good.example\r\n"
                  "Access-Control-Request-Method: POST\r\n\r\n");
    world_expect(w, "HTTP/1.1 204 No Content\r\n");
    world_expect(w, "Vary: Origin\r\n"
                    "Access-Control-Allow-Origin: https://good.example\r\n"
                    "Access-Control-Allow-Credentials: true\r\n"
                    "Access-Control-Allow-Methods: POST, OPTIONS\r\n"
                    "Access-Control-Allow-Headers: Content-Type\r\n"
                    "Access-Control-Max-Age: 86400\r\n"
                    "Allow: POST, OPTIONS\r\n");
    world_expect(w, "\r\n");
    world_send(w, "GET /none HTTP/1.1\r\nHost: a\r\n"
                  "Origin: https://good.example.evil\r\n\r\n");
    world_run(w, 10);
    world_read(w);
    assert_non_null(strstr(w->in, "Vary: Origin\r\n"));
    assert_null(strstr(w->in, "Access-Control"));
    w->in_len = 0;
    /* The Origin came before what is wrong. */
    world_send(w, "GET /none HTTP/1.1\r\nHost: a\r\n"
                  "Origin: https://good.example\r\nX : y\r\n\r\n");
    world_expect(w, "HTTP/1.1 400 ");
    world_expect(w, "Access-Control-Allow-Origin: https://good.example\r\n");
    world_free(w);
}

/* I42, I43, J06 */
static void foreign_origins_are_told_apart(void **state)
{
    static const char *const list[] = {"https://good.example"};
    static const struct {
        const char *lines;
        bool allowed;
    } rows[] = {
        {"", true},
        {"Origin: https://good.example\r\n", true},
        {"Origin: HTTPS://GOOD.example\r\n", true},
        {"Origin: https://good.example:443\r\n", false},
        {"Origin: https://evil-good.example\r\n", false},
        {"Origin: https://good.example.evil\r\n", false},
        {"Origin: http://good.example\r\n", false},
        {"Origin: null\r\n", false},
        {"Origin:\r\n", false},
        {"Origin: https://good.example\r\nOrigin: https://evil\r\n", false},
    };
    struct http_origins origins = {.list = list, .n = 1};
    struct http_origins any = {.any = true};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_head head;
        char text[256];
        unsigned status;
        size_t used;

        snprintf(text, sizeof(text), "GET / HTTP/1.0\r\n%s\r\n", rows[i].lines);
        assert_int_equal(
            http_parse_head(&head, text, strlen(text), 4096, &used, &status),
            HTTP_DONE);
        assert_int_equal(http_origin_is_allowed(&origins, &head),
                         rows[i].allowed);
        assert_true(http_origin_is_allowed(&any, &head));
    }
}

static bool is_allowed(const struct http_origins *origins, const char *origin)
{
    struct http_head head;
    char text[1024];
    unsigned status;
    size_t used;

    snprintf(text, sizeof(text), "GET / HTTP/1.0\r\nOrigin: %s\r\n\r\n",
             origin);
    assert_int_equal(
        http_parse_head(&head, text, strlen(text), 4096, &used, &status),
        HTTP_DONE);
    return http_origin_is_allowed(origins, &head);
}

/* I42: each of them is what it says, and nothing that looks like it */
static void hosts_below_a_site_and_pages_without_one(void **state)
{
    static const char *const list[] = {"https://*.good.example",
                                       "http://*.other.example:8080", "null",
                                       "file://"};
    static const char *const good[] = {"https://a.good.example",
                                       "https://a-1.b_2.good.example",
                                       "HTTPS://A.Good.Example",
                                       "http://x.other.example:8080",
                                       "null",
                                       "file://"};
    static const char *const bad[] = {
        "https://good.example",
        "https://.good.example",
        "https://a..good.example",
        "https://a.good.example:443",
        "https://a.good.example.evil",
        "https://evil.example/.good.example",
        "https://evil.example:1.good.example",
        "https://evil@a.good.example",
        "https://evil%2e.good.example",
        "https://agood.example",
        "http://a.good.example",
        "http://x.other.example",
        "http://x.other.example:80800",
        "https://*.good.example@",
        "https://*.good.example",
        "nullx",
        "file:///etc",
        "https://",
    };
    struct http_origins origins = {.list = list, .n = COUNT_OF(list)};
    struct http_origins none = {.any = false};

    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(is_allowed(&origins, good[i]));
        assert_false(is_allowed(&none, good[i]));
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(is_allowed(&origins, bad[i]));
}

/* I42: an answer names who asked, never a pattern */
static void an_answer_names_the_host_below_a_site(void **state)
{
    static const char *const list[] = {"https://*.good.example"};
    static const char *const headers[] = {"Authorization", "content-Type",
                                          "X-Trace"};
    struct world none = {.loop = NULL};
    struct http_server_params p = world_params(&none);
    struct world *w;

    p.origins = (struct http_origins){
        .list = list, .n = 1, .headers = headers, .n_headers = 3};
    w = world_new(&p);
    world_connect(w, NULL);
    for (int i = 0; i < 3; i++) {
        world_send(w, "OPTIONS /x HTTP/1.1\r\nHost: a\r\n"
                      "Origin: https://a.b.good.example\r\n\r\n");
        world_expect(w, "\r\nVary: Origin\r\n"
                        "Access-Control-Allow-Origin: "
                        "https://a.b.good.example\r\n");
        world_expect(w, "Access-Control-Allow-Headers: Content-Type, "
                        "Authorization, X-Trace\r\n");
        world_expect(w, "\r\n\r\n");
    }
    world_free(w);
}

/* Q16: the proxy in front adds them */
static void cors_can_be_switched_off(void **state)
{
    struct world none = {.loop = NULL};
    struct http_server_params p = world_params(&none);
    struct world *w;

    p.origins = (struct http_origins){.any = true, .leaves_headers = true};
    w = world_new(&p);
    world_connect(w, NULL);
    world_send(w, "OPTIONS /x HTTP/1.1\r\nHost: a\r\nOrigin: https://b\r\n"
                  "\r\n");
    world_run(w, 10);
    world_read(w);
    assert_non_null(strstr(w->in, "204 No Content"));
    assert_null(strstr(w->in, "Access-Control"));
    assert_null(strstr(w->in, "Content-Length")); /* T13 */
    world_free(w);
}

/* Sends the request and looks for exactly this in the head of the answer. */
static void expect_vary(const struct http_origins *origins, const char *request,
                        const char *vary)
{
    struct world none = {.loop = NULL};
    struct http_server_params p = world_params(&none);
    struct world *w;

    p.origins = *origins;
    w = world_new(&p);
    world_connect(w, NULL);
    world_send(w, request);
    world_run(w, 10);
    world_read(w);
    if (vary != NULL && strstr(w->in, vary) == NULL)
        fail_msg("no %s in %s", vary, w->in);
    assert_true(vary != NULL || strstr(w->in, "Vary") == NULL);
    world_free(w);
}

/* I33, I43 */
static void one_header_says_what_an_answer_varies_with(void **state)
{
    static const char *const list[] = {"https://good.example"};
    const struct http_origins listed = {.list = list, .n = 1};
    const struct http_origins any = {.any = true};
    const struct http_origins none = {
        .list = list, .n = 1, .leaves_headers = true};

    expect_vary(&listed, GET("/x"), "\r\nVary: Origin\r\n");
    expect_vary(&any, GET("/x"), NULL);
    expect_vary(&none, GET("/x"), NULL);
    expect_vary(&listed, GET("/coded"),
                "\r\nVary: Origin, Accept-Encoding\r\n");
    expect_vary(&any, GET("/coded"), "\r\nVary: Accept-Encoding\r\n");
    expect_vary(&none, GET("/coded"), "\r\nVary: Accept-Encoding\r\n");
    expect_vary(&none, GET("/coded"), "\r\nContent-Encoding: gzip\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_of_origins_is_matched_whole),
        cmocka_unit_test(foreign_origins_are_told_apart),
        cmocka_unit_test(hosts_below_a_site_and_pages_without_one),
        cmocka_unit_test(an_answer_names_the_host_below_a_site),
        cmocka_unit_test(cors_can_be_switched_off),
        cmocka_unit_test(one_header_says_what_an_answer_varies_with),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
