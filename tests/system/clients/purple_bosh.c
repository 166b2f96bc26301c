/*
 * libpurple over BOSH, as Pidgin and Finch use it:
 *
 *     purple_bosh URL JID PASSWORD PEER DIRECTORY
 *
 * Logs in, says "hello from libpurple" to PEER, prints what it is told, and
 * logs out when it is told "bye".  Lines on stdout: `online`, `got TEXT`,
 * `offline`, or `error TEXT`.  The exit status is 0 after an orderly end
 * and 2 after a minute without one.
 */

#include <libpurple/purple.h>

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UI     "doab-test"
#define HANG_S 60

struct run {
    GMainLoop *loop;
    const char *peer;
    int status;
};

struct watch {
    PurpleInputFunction on_ready;
    void *data;
};

static gboolean on_io(GIOChannel *channel, GIOCondition condition, void *data)
{
    const struct watch *watch = data;
    int ready = 0;

    if (condition & (G_IO_IN | G_IO_HUP | G_IO_ERR))
        ready |= PURPLE_INPUT_READ;
    if (condition & (G_IO_OUT | G_IO_HUP | G_IO_ERR | G_IO_NVAL))
        ready |= PURPLE_INPUT_WRITE;
    watch->on_ready(watch->data, g_io_channel_unix_get_fd(channel),
                    (PurpleInputCondition)ready);
    return TRUE;
}

static guint input_add(int fd, PurpleInputCondition wanted,
                       PurpleInputFunction on_ready, void *data)
{
    GIOChannel *channel = g_io_channel_unix_new(fd);
    struct watch *watch = g_new0(struct watch, 1);
    int condition = G_IO_HUP | G_IO_ERR | G_IO_NVAL;
    guint id;

    watch->on_ready = on_ready;
    watch->data = data;
    if (wanted & PURPLE_INPUT_READ)
        condition |= G_IO_IN;
    if (wanted & PURPLE_INPUT_WRITE)
        condition |= G_IO_OUT;
    id = g_io_add_watch_full(channel, G_PRIORITY_DEFAULT,
                             (GIOCondition)condition, on_io, watch, g_free);
    g_io_channel_unref(channel);
    return id;
}

static PurpleEventLoopUiOps event_loop = {
    .timeout_add = g_timeout_add,
    .timeout_remove = g_source_remove,
    .input_add = input_add,
    .input_remove = g_source_remove,
    .timeout_add_seconds = g_timeout_add_seconds,
};

static void say(PurpleAccount *account, const char *to, const char *text)
{
    PurpleConversation *chat =
        purple_conversation_new(PURPLE_CONV_TYPE_IM, account, to);

    purple_conv_im_send(PURPLE_CONV_IM(chat), text);
}

static void on_signed_on(PurpleConnection *connection, struct run *run)
{
    puts("online");
    say(purple_connection_get_account(connection), run->peer,
        "hello from libpurple");
}

static gboolean on_told_to_leave(void *account)
{
    purple_account_set_enabled(account, UI, FALSE);
    return FALSE;
}

/* Leaving waits until libpurple has left the parser that called us. */
static void on_received(PurpleAccount *account, const char *from,
                        const char *text, PurpleConversation *chat,
                        PurpleMessageFlags flags, struct run *run)
{
    char *plain = purple_unescape_html(text);

    printf("got %s\n", plain);
    if (strcmp(plain, "bye") == 0)
        g_idle_add(on_told_to_leave, account);
    g_free(plain);
}

static void on_signed_off(PurpleConnection *connection, struct run *run)
{
    puts("offline");
    g_main_loop_quit(run->loop);
}

static void on_error(PurpleAccount *account,
                     const PurpleConnectionErrorInfo *before,
                     const PurpleConnectionErrorInfo *now, struct run *run)
{
    if (now == NULL)
        return;
    printf("error %s\n", now->description);
    run->status = 1;
    g_main_loop_quit(run->loop);
}

static gboolean on_hang(void *data)
{
    struct run *run = data;

    puts("error nothing happens any more");
    run->status = 2;
    g_main_loop_quit(run->loop);
    return FALSE;
}

static void start_core(const char *directory)
{
    purple_util_set_user_dir(directory);
    purple_debug_set_enabled(g_getenv("PURPLE_BOSH_DEBUG") != NULL);
    purple_eventloop_set_ui_ops(&event_loop);
    if (!purple_core_init(UI)) {
        puts("error libpurple does not start");
        exit(2);
    }
    purple_set_blist(purple_blist_new());
    purple_prefs_load();
}

static void connect_signals(struct run *run)
{
    static int handle;
    void *connections = purple_connections_get_handle();

    purple_signal_connect(connections, "signed-on", &handle,
                          PURPLE_CALLBACK(on_signed_on), run);
    purple_signal_connect(connections, "signed-off", &handle,
                          PURPLE_CALLBACK(on_signed_off), run);
    purple_signal_connect(purple_conversations_get_handle(), "received-im-msg",
                          &handle, PURPLE_CALLBACK(on_received), run);
    purple_signal_connect(purple_accounts_get_handle(), "account-error-changed",
                          &handle, PURPLE_CALLBACK(on_error), run);
}

/* The request is plain HTTP on loopback, so TLS cannot be demanded. */
static void log_in(const char *url, const char *jid, const char *password)
{
    PurpleAccount *account = purple_account_new(jid, "prpl-jabber");
    PurpleProxyInfo *proxy = purple_proxy_info_new();

    purple_proxy_info_set_type(proxy, PURPLE_PROXY_NONE);
    purple_account_set_proxy_info(account, proxy);
    purple_account_set_password(account, password);
    purple_account_set_string(account, "bosh_url", url);
    purple_account_set_string(account, "connection_security",
                              "opportunistic_tls");
    purple_account_set_bool(account, "auth_plain_in_clear", FALSE);
    purple_accounts_add(account);
    purple_account_set_enabled(account, UI, TRUE);
    purple_savedstatus_activate(
        purple_savedstatus_new(NULL, PURPLE_STATUS_AVAILABLE));
}

int main(int argc, char **argv)
{
    struct run run = {0};

    if (argc != 6)
        return 64;
    setvbuf(stdout, NULL, _IOLBF, 0);
    run.peer = argv[4];
    run.loop = g_main_loop_new(NULL, FALSE);
    start_core(argv[5]);
    connect_signals(&run);
    g_timeout_add_seconds(HANG_S, on_hang, &run);
    log_in(argv[1], argv[2], argv[3]);
    g_main_loop_run(run.loop);
    purple_core_quit();
    return run.status;
}
