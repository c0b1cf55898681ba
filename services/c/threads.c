/* POSIX threads: a sum under a mutex, by threads with memory of their own. */
#include <pthread.h>
#include <stdio.h>

enum { THREADS = 8, TURNS = 10000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long sum;
static _Thread_local long own;

static void *work(void *number)
{
    for (long n = 0; n < TURNS; n++) {
        own += (long)number;
        pthread_mutex_lock(&lock);
        sum += 1;
        pthread_mutex_unlock(&lock);
    }
    return (void *)own;
}

int main(void)
{
    pthread_t threads[THREADS];
    for (long n = 0; n < THREADS; n++)
        if (pthread_create(&threads[n], NULL, work, (void *)n))
            return 1;
    long total = 0;
    for (int n = 0; n < THREADS; n++) {
        void *result;
        if (pthread_join(threads[n], &result))
            return 1;
        total += (long)result;
    }
    printf("sum %ld, of their own %ld, here %ld\n", sum, total, own);
    return 0;
}
