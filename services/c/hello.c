/* The smallest program of the C library's: its start, a buffered line, its end. */
#include <stdio.h>

int main(int argc, char **argv)
{
    (void)argv;
    printf("hello from C, %d argument%s\n", argc, argc == 1 ? "" : "s");
    return 0;
}
