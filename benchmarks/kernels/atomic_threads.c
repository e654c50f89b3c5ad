// Two threads: atomic adds, compare-and-swap and a mutex.
#include <pthread.h>
#include <stdatomic.h>

#include "kernel.h"
static _Atomic uint64_t counter, maximum;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t guarded;
static void* work(void* arg) {
    const uint64_t id = (uint64_t)(uintptr_t)arg;
    for (uint64_t i = 0; i < 3000000; ++i) {
        atomic_fetch_add(&counter, 1);
        uint64_t seen = atomic_load(&maximum);
        while (seen < i * 2 + id && !atomic_compare_exchange_weak(&maximum, &seen, i * 2 + id)) {
        }
        if ((i & 15) == 0) {
            pthread_mutex_lock(&lock);
            ++guarded;
            pthread_mutex_unlock(&lock);
        }
    }
    return NULL;
}
uint64_t kernel(void) {
    pthread_t threads[2];
    for (uintptr_t i = 0; i < 2; ++i) pthread_create(&threads[i], NULL, work, (void*)i);
    for (int i = 0; i < 2; ++i) pthread_join(threads[i], NULL);
    return mix(mix(counter, maximum), guarded);
}
