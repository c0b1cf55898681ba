/* Static and yet loaded anywhere (-static-pie): it relocates itself, which its table of
 * pointers would show if it went wrong. */
#include <stdio.h>

static const char *const words[] = { "relocated", "by", "itself" };
static int answer(void) { return 42; }
static int (*const function)(void) = answer;

int main(void)
{
    for (unsigned n = 0; n < sizeof words / sizeof *words; n++)
        puts(words[n]);
    printf("%d\n", function());
    return 0;
}
