#include "bench.h"

#include <stdio.h>

static void print_string(const char *key, const char *text)
{
    printf("\"%s\":\"", key);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < ' ' || c == 0x7F)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    printf("\",");
}

static double setups_per_s(const struct bench *b)
{
    return b->setup_s > 0 ? b->ready_at_once / b->setup_s : 0;
}

void report_json(const struct bench *b, bool is_good)
{
    const struct options *o = &b->o;
    const struct histogram *h = b->latency;

    putchar('{');
    print_string("name", o->name);
    print_string("kind", o->kind->name);
    printf("\"ok\":%s,\"serves\":%s,", is_good ? "true" : "false",
           o->serve.len > 0 ? "true" : "false");
    print_string("why", b->why);
    printf("\"sessions\":%u,\"failed\":%u,\"lost\":%u,\"active\":%u,"
           "\"size\":%u,\"items\":%u,\"rate\":%g,"
           "\"setups_per_s\":%.1f,\"setup_cpu_us\":%.1f,"
           "\"bytes_per_session\":%.0f,\"bytes_per_idle_session\":%.0f,"
           "\"idle_cpu\":%.4f,"
           "\"messages\":%llu,\"unanswered\":%u,\"messages_per_s\":%.1f,"
           "\"cpu_us\":%.2f,\"own_cpu_us\":%.2f,\"p50_ms\":%.3f,"
           "\"p95_ms\":%.3f,\"p99_ms\":%.3f,\"p999_ms\":%.3f,"
           "\"p99_tenths_ms\":%.3f}\n",
           b->ready, b->failed, b->lost, o->active, o->size, o->items, o->rate,
           setups_per_s(b), b->setup_cpu_us, b->memory_ready, b->memory_idle,
           b->idle_cpu, (unsigned long long)b->done, b->unanswered,
           b->message_rate, b->message_cpu_us, b->own_cpu_us,
           histogram_at(h, 0.5), histogram_at(h, 0.95), histogram_at(h, 0.99),
           histogram_at(h, 0.999), tenths_p99(b->tenths));
}

void report_text(const struct bench *b)
{
    const struct histogram *h = b->latency;

    fprintf(stderr, "%u sessions, %u failed%s%s\n", b->ready, b->failed,
            b->why[0] != '\0' ? "; first: " : "", b->why);
    fprintf(stderr, "%.0f setups/s, %.0f us of the server each\n",
            setups_per_s(b), b->setup_cpu_us);
    fprintf(stderr,
            "%.0f bytes a session, %.0f after the idle time, in which "
            "%.2f %% of a core\n",
            b->memory_ready, b->memory_idle, b->idle_cpu * 100);
    if (b->o.seconds <= 0)
        return;
    fprintf(stderr,
            "%.0f messages/s, %.2f us of the server and %.2f of mine each%s\n"
            "p50 %.3f  p95 %.3f  p99 %.3f  p99.9 %.3f ms; p99 in the median "
            "tenth of a second %.3f ms\n",
            b->message_rate, b->message_cpu_us, b->own_cpu_us,
            b->o.serve.len > 0 ? ", the null server's among it" : "",
            histogram_at(h, 0.5), histogram_at(h, 0.95), histogram_at(h, 0.99),
            histogram_at(h, 0.999), tenths_p99(b->tenths));
    if (b->unanswered > 0)
        fprintf(stderr, "%u messages were due and not echoed in time\n",
                b->unanswered);
}
