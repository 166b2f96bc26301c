/*
 * doab-bench-server - the null server by itself, for several generators or
 * for such as are not doab-bench; doab-bench(1).
 */
#include "null.h"
#include "serve.h"

int main(int argc, char **argv)
{
    if (argc != 2 || argv[1][0] == '-')
        return serve_usage(argc, argv, "doab-bench-server ADDRESS:PORT");
    serve(argv[1], null_listen);
}
