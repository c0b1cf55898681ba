/*
 * Captures the frame that Linux itself makes, for the tests beside:
 *   cc -O1 capture.c -o capture && ./capture own.bin && ./capture alternate.bin alternate
 * The file is the frame's address, eight bytes, and the frame up to the second magic number.
 * It needs a processor with XSAVE.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

static unsigned char bytes[65536];
static size_t length;
static uint64_t start;

static void handler(int signal, siginfo_t *info, void *context)
{
    unsigned char *frame = (unsigned char *)context - 8;
    unsigned char *state = (unsigned char *)((ucontext_t *)context)->uc_mcontext.fpregs;
    uint32_t extended;
    (void)signal, (void)info;
    memcpy(&extended, state + 468, sizeof extended);
    start = (uint64_t)frame;
    length = state + extended - frame;
    memcpy(bytes, frame, length);
}

int main(int count, char **arguments)
{
    static char room[65536] __attribute__((aligned(4096)));
    stack_t stack = {.ss_sp = room, .ss_size = sizeof room};
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigset_t blocked;
    double value = 1.5;
    FILE *file;

    if (count > 2) {
        sigaltstack(&stack, 0);
        action.sa_flags |= SA_ONSTACK;
    }
    sigaddset(&action.sa_mask, SIGUSR2);
    sigaction(SIGUSR1, &action, 0);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGHUP);
    sigprocmask(SIG_BLOCK, &blocked, 0);
    __asm__ volatile("movsd %0, %%xmm7\n\tfld1" ::"m"(value) : "xmm7");
    kill(getpid(), SIGUSR1);
    __asm__ volatile("fstp %st(0)");
    file = fopen(arguments[1], "wb");
    fwrite(&start, sizeof start, 1, file);
    fwrite(bytes, 1, length, file);
    return fclose(file);
}
